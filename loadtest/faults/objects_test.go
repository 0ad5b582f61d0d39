//go:build e2e

package faults

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// useObjects keeps the checkpoints of this rig in a bucket of its own, as
// processes on different machines must.
func (r *rig) useObjects() {
	r.t.Helper()
	endpoint, region := os.Getenv("E2E_S3"), os.Getenv("E2E_S3_REGION")
	access, secret := os.Getenv("E2E_S3_ACCESS_KEY"), os.Getenv("E2E_S3_SECRET_KEY")
	client, err := minio.New(strings.TrimPrefix(endpoint, "http://"), &minio.Options{Creds: credentials.NewStaticV4(access, secret, ""), Region: region})
	if err != nil {
		r.t.Fatalf("reaching the object store at %q (are the servers up? make services): %v", endpoint, err)
	}
	if err := client.MakeBucket(r.t.Context(), r.Name, minio.MakeBucketOptions{}); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		if err := client.RemoveBucketWithOptions(context.Background(), r.Name, minio.RemoveBucketOptions{ForceDelete: true}); err != nil {
			r.t.Logf("removing the bucket: %v", err)
		}
	})
	file := filepath.Join(r.Dir, "s3-secret")
	if err := os.WriteFile(file, []byte(secret+"\n"), 0o600); err != nil {
		r.t.Fatal(err)
	}
	r.Checkpoints = fmt.Sprintf("s3: {endpoint: %q, bucket: %s, prefix: test, region: %s, access_key: %s, secret_key_file: %s}",
		endpoint, r.Name, region, access, file)
}
