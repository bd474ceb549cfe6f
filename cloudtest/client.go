package cloudtest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/gigawatt-cloud/gigawatt/api/catalog"
	"github.com/gigawatt-cloud/gigawatt/aws/sigv4"
)

// Client calls operations of a cloud in the protocol-neutral form, as one
// principal.
type Client struct {
	Endpoint string
	Region   string
	// Credentials are empty for anonymous calls.
	Credentials sigv4.Credentials
}

// Client returns a client with the root's key.
func (c *Cloud) Client() *Client {
	return &Client{
		Endpoint: c.Endpoint, Region: c.Region,
		Credentials: sigv4.Credentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey},
	}
}

// Error is an error that the cloud answered.
type Error struct {
	Operation, Code, Message, RequestID string
	Status                              int
}

// Error words it as the AWS CLI does.
func (e *Error) Error() string {
	return fmt.Sprintf("An error occurred (%s) when calling the %s operation: %s", e.Code, e.Operation, e.Message)
}

// Call invokes an operation; in and out are in the neutral form, out a pointer
// or nil, and in nil when there is no input. It returns the request id.
func (c *Client) Call(ctx context.Context, service, operation string, in, out any) (requestID string, err error) {
	sv := catalog.Meta(service)
	if sv == nil {
		return "", fmt.Errorf("AWS has no service %q", service)
	}
	if in == nil {
		in = struct{}{}
	}
	body, err := json.Marshal(in)
	if err != nil {
		return "", err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.Endpoint+"/_gigawatt/call/"+service+"/"+operation, bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	if c.Credentials.AccessKeyID != "" {
		sum := sha256.Sum256(body)
		hash := hex.EncodeToString(sum[:])
		r.Header.Set("X-Amz-Content-Sha256", hash)
		sigv4.Sign(r, c.Credentials, sv.SigningName, c.Region, time.Now(), hash)
	}
	rs, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", err
	}
	b, err := io.ReadAll(rs.Body)
	if err = errors.Join(err, rs.Body.Close()); err != nil {
		return "", err
	}
	id := rs.Header.Get("X-Amzn-Requestid")
	if rs.StatusCode != http.StatusOK {
		e := &Error{Operation: operation, RequestID: id, Status: rs.StatusCode}
		var x struct {
			Type    string `json:"__type"`
			Message string `json:"message"`
			Upper   string `json:"Message"`
		}
		if err := json.Unmarshal(b, &x); err != nil {
			return id, fmt.Errorf("%s answered %d: %s", operation, rs.StatusCode, b)
		}
		e.Code, e.Message = x.Type, x.Message+x.Upper
		return id, e
	}
	if out == nil {
		return id, nil
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	return id, d.Decode(out)
}
