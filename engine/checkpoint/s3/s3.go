// Package s3 keeps checkpoints in an object store that speaks the S3 API. The
// store must honour conditional puts (If-None-Match), as Amazon S3, MinIO and
// versitygw do: a manifest is the commit point and may be written once only.
package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/caltrop/caltrop/engine/checkpoint"
)

// Bounds of one call. A call that needs longer is an error, and the checkpoint
// is tried again with the next one.
const (
	callTimeout     = 30 * time.Second
	transferTimeout = 10 * time.Minute // of one file
	attempts        = 5                // of a request, by the client library
	partBytes       = 16 << 20         // files above it are sent in parts
)

// Options say where the store is.
type Options struct {
	// Endpoint is the store's address, http://host:port or https://host. Required.
	Endpoint string
	// Bucket must exist. Required.
	Bucket string
	// Prefix begins the name of each object; "" is legal. A slash follows it.
	Prefix string
	Region string // "" lets the store say
	// AccessKey and SecretKey may be empty: then the environment
	// (AWS_ACCESS_KEY_ID, …), the shared credentials file and the machine's role
	// are asked, in this order.
	AccessKey, SecretKey string
}

// Validate reports everything wrong with the options at once.
func (o Options) Validate() error {
	var errs []error
	if host, _ := o.address(); host == "" {
		errs = append(errs, fmt.Errorf("endpoint %q: want http://host:port or https://host", o.Endpoint))
	}
	if o.Bucket == "" {
		errs = append(errs, errors.New("bucket: a name is needed"))
	}
	if (o.AccessKey == "") != (o.SecretKey == "") {
		errs = append(errs, errors.New("access_key and secret_key belong together: give both or neither"))
	}
	return errors.Join(errs...)
}

func (o Options) address() (host string, secure bool) {
	if rest, ok := strings.CutPrefix(o.Endpoint, "https://"); ok {
		return strings.TrimSuffix(rest, "/"), true
	}
	rest, ok := strings.CutPrefix(o.Endpoint, "http://")
	if !ok {
		return "", false
	}
	return strings.TrimSuffix(rest, "/"), false
}

func (o Options) credentials() *credentials.Credentials {
	if o.AccessKey != "" {
		return credentials.NewStaticV4(o.AccessKey, o.SecretKey, "")
	}
	return credentials.NewChainCredentials([]credentials.Provider{
		&credentials.EnvAWS{}, &credentials.FileAWSCredentials{}, &credentials.IAM{},
	})
}

// A Store keeps blobs as objects. It is safe for concurrent use.
type Store struct {
	client *minio.Client
	bucket string
	prefix string
}

var _ checkpoint.Blobs = (*Store)(nil)

// Open checks the options. It does not connect: an unreachable store is an
// error of the first call.
func Open(o Options) (*Store, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	host, secure := o.address()
	client, err := minio.New(host, &minio.Options{Creds: o.credentials(), Secure: secure, Region: o.Region, MaxRetries: attempts})
	if err != nil {
		return nil, fmt.Errorf("opening the object store: %w", err)
	}
	s := &Store{client: client, bucket: o.Bucket}
	if o.Prefix != "" {
		s.prefix = strings.TrimSuffix(o.Prefix, "/") + "/"
	}
	return s, nil
}

// Upload implements checkpoint.Blobs.
func (s *Store) Upload(name string, fsys vfs.FS, path string) error {
	ctx, cancel := context.WithTimeout(context.Background(), transferTimeout)
	defer cancel()
	f, err := fsys.Open(path, vfs.SequentialReadsOption)
	if err != nil {
		return fmt.Errorf("storing %s: %w", name, err)
	}
	info, err := f.Stat()
	if err == nil {
		_, err = s.client.PutObject(ctx, s.bucket, s.prefix+name, f, info.Size(), minio.PutObjectOptions{PartSize: partBytes})
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("storing %s: %w", name, err)
	}
	return nil
}

// Create implements checkpoint.Blobs. It is one conditional put, never one in
// parts: the client library drops the condition there.
func (s *Store) Create(name string, data []byte) error {
	ctx, cancel := context.WithTimeout(context.Background(), transferTimeout)
	defer cancel()
	o := minio.PutObjectOptions{DisableMultipart: true}
	o.SetMatchETagExcept("*")
	_, err := s.client.PutObject(ctx, s.bucket, s.prefix+name, bytes.NewReader(data), int64(len(data)), o)
	if status(err) == http.StatusPreconditionFailed {
		err = checkpoint.ErrExists
	}
	if err != nil {
		return fmt.Errorf("storing %s: %w", name, err)
	}
	return nil
}

// status returns the HTTP status of a refusal, 0 of any other error.
func status(err error) int {
	var refused minio.ErrorResponse
	if errors.As(err, &refused) {
		return refused.StatusCode
	}
	return 0
}

// Read implements checkpoint.Blobs.
func (s *Store) Read(name string, limit int64) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), transferTimeout)
	defer cancel()
	o, err := s.client.GetObject(ctx, s.bucket, s.prefix+name, minio.GetObjectOptions{})
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	b, err := io.ReadAll(io.LimitReader(o, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = fmt.Errorf("it is over %d bytes", limit)
	}
	if err := errors.Join(err, o.Close()); err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	return b, nil
}

// Download implements checkpoint.Blobs. What frozen says makes no difference.
func (s *Store) Download(name string, fsys vfs.FS, path string, _ bool) error {
	ctx, cancel := context.WithTimeout(context.Background(), transferTimeout)
	defer cancel()
	o, err := s.client.GetObject(ctx, s.bucket, s.prefix+name, minio.GetObjectOptions{})
	if err != nil {
		return fmt.Errorf("fetching %s: %w", name, err)
	}
	f, err := fsys.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return errors.Join(fmt.Errorf("fetching %s: %w", name, err), o.Close())
	}
	_, err = io.Copy(f, o)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close(), o.Close()); err != nil {
		return fmt.Errorf("fetching %s: %w", name, err)
	}
	return nil
}

// List implements checkpoint.Blobs.
func (s *Store) List(prefix string) ([]checkpoint.Blob, error) {
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	var blobs []checkpoint.Blob
	for o := range s.client.ListObjects(ctx, s.bucket, minio.ListObjectsOptions{Prefix: s.prefix + prefix, Recursive: true}) {
		if o.Err != nil {
			return nil, fmt.Errorf("listing %s: %w", prefix, o.Err)
		}
		blobs = append(blobs, checkpoint.Blob{Name: strings.TrimPrefix(o.Key, s.prefix), Size: o.Size})
	}
	return blobs, nil
}

// Remove implements checkpoint.Blobs.
func (s *Store) Remove(name string) error {
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	if err := s.client.RemoveObject(ctx, s.bucket, s.prefix+name, minio.RemoveObjectOptions{}); err != nil && status(err) != http.StatusNotFound {
		return fmt.Errorf("removing %s: %w", name, err)
	}
	return nil
}
