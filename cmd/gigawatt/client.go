package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/gigawatt-cloud/gigawatt/aws/sigv4"
	"github.com/gigawatt-cloud/gigawatt/server"
)

// client calls the operator API of a running cloud with the root's key, which
// it finds in the data directory.
type client struct {
	endpoint string
	cred     sigv4.Credentials
	region   string
	http     *http.Client
}

func (t *target) client() (*client, error) {
	c, err := server.ReadCredentials(dirOr(t.Dir))
	if err != nil {
		return nil, err
	}
	if t.Endpoint != "" {
		c.Endpoint = t.Endpoint
	}
	return newClient(c)
}

func newClient(c *server.Credentials) (*client, error) {
	out := &client{
		endpoint: c.Endpoint, region: c.Region, http: &http.Client{},
		cred: sigv4.Credentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey},
	}
	if c.CertFile != "" {
		pem, err := os.ReadFile(c.CertFile)
		if err != nil {
			return nil, err
		}
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(pem)
		out.http.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}
	}
	return out, nil
}

// call invokes an operation of the operator API.
func (c *client) call(ctx context.Context, operation string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.endpoint+"/", bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	r.Header.Set("X-Amz-Target", "Gigawatt_20261101."+operation)
	b, err := c.do(r, "gigawatt", body)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, out)
}

// apiError is an error that the cloud answered.
type apiError struct {
	Status  int
	Code    string `json:"__type"`
	Message string `json:"Message"`
	Lower   string `json:"message"`
	body    []byte
	id      string
}

func (e *apiError) Error() string {
	switch {
	case e.Message != "":
		return e.Code + ": " + e.Message
	case e.Lower != "":
		return e.Code + ": " + e.Lower
	}
	return fmt.Sprintf("the cloud answered %d: %s", e.Status, e.body)
}

// do signs and sends a request and returns the response's body.
func (c *client) do(r *http.Request, service string, body []byte) ([]byte, error) {
	sum := sha256.Sum256(body)
	hash := hex.EncodeToString(sum[:])
	r.Header.Set("X-Amz-Content-Sha256", hash)
	sigv4.Sign(r, c.cred, service, c.region, time.Now(), hash)
	rs, err := c.http.Do(r)
	if err != nil {
		return nil, fmt.Errorf("no cloud answers at %s; `gigawatt serve` starts one: %w", c.endpoint, err)
	}
	b, err := io.ReadAll(rs.Body)
	if err = errors.Join(err, rs.Body.Close()); err != nil {
		return nil, err
	}
	if rs.StatusCode >= 300 {
		e := &apiError{Status: rs.StatusCode, body: b, id: rs.Header.Get("X-Amzn-Requestid")}
		_ = json.Unmarshal(b, e) // other protocols answer XML, which is shown as it is
		return b, e
	}
	return b, nil
}
