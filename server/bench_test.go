package server_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/gigawatt-cloud/gigawatt/aws/sigv4"
	"github.com/gigawatt-cloud/gigawatt/cloudtest"
)

// BenchmarkGetCallerIdentity is a signed, authorized and metered call that
// does nothing, over HTTP, client included.
func BenchmarkGetCallerIdentity(b *testing.B) {
	c := cloudtest.Start(b, cloudtest.Options{})
	body := []byte("Action=GetCallerIdentity&Version=2011-06-15")
	sum := sha256.Sum256(body)
	hash := hex.EncodeToString(sum[:])
	cred := sigv4.Credentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			r, err := http.NewRequest(http.MethodPost, c.Endpoint+"/", bytes.NewReader(body))
			if err != nil {
				b.Fatal(err)
			}
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set("X-Amz-Content-Sha256", hash)
			sigv4.Sign(r, cred, "sts", c.Region, time.Now(), hash)
			rs, err := client.Do(r)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, rs.Body); err != nil || rs.StatusCode != http.StatusOK {
				b.Fatalf("%d %v", rs.StatusCode, err)
			}
			_ = rs.Body.Close()
		}
	})
}
