//go:build e2e

package s3_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/caltrop/caltrop/engine/checkpoint"
	"github.com/caltrop/caltrop/engine/checkpoint/blobtest"
	"github.com/caltrop/caltrop/engine/checkpoint/s3"
)

// options are those of the local store, with a bucket of the test's own.
func options(t *testing.T) s3.Options {
	t.Helper()
	o := s3.Options{Endpoint: os.Getenv("E2E_S3"), Region: os.Getenv("E2E_S3_REGION"), Prefix: "job/one",
		AccessKey: os.Getenv("E2E_S3_ACCESS_KEY"), SecretKey: os.Getenv("E2E_S3_SECRET_KEY"),
		Bucket: fmt.Sprintf("checkpoints-%x", rand.Uint64())}
	if o.Endpoint == "" {
		t.Fatal("E2E_S3 is not set: run by `make e2e`")
	}
	client, err := minio.New(strings.TrimPrefix(o.Endpoint, "http://"), &minio.Options{Creds: credentials.NewStaticV4(o.AccessKey, o.SecretKey, ""), Region: o.Region})
	if err != nil {
		t.Fatal(err)
	}
	if err := client.MakeBucket(t.Context(), o.Bucket, minio.MakeBucketOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := client.RemoveBucketWithOptions(context.Background(), o.Bucket, minio.RemoveBucketOptions{ForceDelete: true}); err != nil {
			t.Logf("removing the bucket: %v", err)
		}
	})
	return o
}

func TestStore(t *testing.T) {
	blobtest.Run(t, func(t *testing.T) checkpoint.Blobs {
		s, err := s3.Open(options(t))
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}

func TestABucketThatIsNotThereIsNamed(t *testing.T) {
	o := options(t)
	o.Bucket = "not-there"
	s, err := s3.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Create("task/one", nil); err == nil || !strings.Contains(err.Error(), "bucket does not exist") {
		t.Errorf("create: %v", err)
	}
}
