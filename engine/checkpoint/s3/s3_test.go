package s3_test

import (
	"strings"
	"testing"

	"github.com/caltrop/caltrop/engine/checkpoint/s3"
)

func TestOptionsAreCheckedTogether(t *testing.T) {
	_, err := s3.Open(s3.Options{Endpoint: "store:9000", AccessKey: "a"})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{`endpoint "store:9000": want http://host:port`, "bucket: a name is needed", "give both or neither"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q lacks %q", err, want)
		}
	}
}

func TestAnUnreachableStoreIsAnErrorOfTheCall(t *testing.T) {
	s, err := s3.Open(s3.Options{Endpoint: "http://127.0.0.1:1", Bucket: "caltrop", AccessKey: "a", SecretKey: "b", Region: "us-east-1"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Read("task/manifest", 10); err == nil || !strings.Contains(err.Error(), "reading task/manifest") {
		t.Errorf("read: %v", err)
	}
}
