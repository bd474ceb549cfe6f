package main

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"text/tabwriter"

	"github.com/gigawatt-cloud/gigawatt/aws/sigv4"
	"github.com/gigawatt-cloud/gigawatt/server"
)

type demoCmd struct{}

// Run takes the tour. Every line that it prints about the cloud was answered
// by the cloud's API over HTTP.
func (d *demoCmd) Run(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "gigawatt-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	srv, err := server.Open(ctx, server.Config{Dir: dir, Listen: "127.0.0.1:0"})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, srv.Close()) }()
	if err := srv.Listen(ctx); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- srv.Run(ctx) }()
	defer func() { stop(); err = errors.Join(err, <-ended) }()
	c := srv.Credentials()
	fmt.Printf("A cloud runs at %s, with its data in %s.\n\n", c.Endpoint, dir)
	root, err := newClient(&c)
	if err != nil {
		return err
	}
	return (&tour{ctx: ctx, root: root}).run()
}

// tour is the demo's steps; the first error ends it.
type tour struct {
	ctx       context.Context //nolint:containedctx // one tour is one call
	root, bob *client
	queue     string
}

func (t *tour) run() error {
	for _, step := range []func() error{t.user, t.denied, t.object, t.message, t.usage} {
		if err := step(); err != nil {
			return err
		}
	}
	fmt.Println("\nThat was it. `gigawatt serve` starts a cloud that stays.")
	return nil
}

// user makes a user who may only read one bucket and send to one queue.
func (t *tour) user() error {
	const policy = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::demo-photos/*"},{"Effect":"Allow","Action":"sqs:SendMessage","Resource":"arn:aws:sqs:*:*:demo-jobs"}]}`
	if _, err := t.form(t.root, "iam", "2010-05-08", "CreateUser", "UserName", "bob"); err != nil {
		return err
	}
	if _, err := t.form(t.root, "iam", "2010-05-08", "PutUserPolicy", "UserName", "bob", "PolicyName", "narrow", "PolicyDocument", policy); err != nil {
		return err
	}
	b, err := t.form(t.root, "iam", "2010-05-08", "CreateAccessKey", "UserName", "bob")
	if err != nil {
		return err
	}
	var key struct {
		ID     string `xml:"CreateAccessKeyResult>AccessKey>AccessKeyId"`
		Secret string `xml:"CreateAccessKeyResult>AccessKey>SecretAccessKey"`
	}
	if err := xml.Unmarshal(b, &key); err != nil {
		return err
	}
	bob := *t.root
	bob.cred = sigv4.Credentials{AccessKeyID: key.ID, SecretAccessKey: key.Secret}
	t.bob = &bob
	fmt.Printf("iam: made the user bob with the key %s, who may read demo-photos and send to demo-jobs, and nothing else\n", key.ID)
	return nil
}

// denied shows a call that bob may not make.
func (t *tour) denied() error {
	if _, err := t.s3(t.root, http.MethodPut, "/demo-photos", nil); err != nil {
		return err
	}
	_, err := t.s3(t.bob, http.MethodPut, "/demo-photos/cat.txt", []byte("meow"))
	var refused *apiError
	if !errors.As(err, &refused) || refused.Status != http.StatusForbidden {
		return fmt.Errorf("bob was not denied: %w", err)
	}
	var e struct{ Code, Message string }
	if err := xml.Unmarshal(refused.body, &e); err != nil {
		return err
	}
	fmt.Printf("s3:  bob writes an object: %d %s\n     %s\n", refused.Status, e.Code, e.Message)
	return nil
}

// object has root store and bob fetch.
func (t *tour) object() error {
	photo := bytes.Repeat([]byte("a picture of a cat. "), 1000)
	if _, err := t.s3(t.root, http.MethodPut, "/demo-photos/cat.txt", photo); err != nil {
		return err
	}
	got, err := t.s3(t.bob, http.MethodGet, "/demo-photos/cat.txt", nil)
	if err != nil {
		return err
	}
	if !bytes.Equal(got, photo) {
		return errors.New("the object came back changed")
	}
	fmt.Printf("s3:  root stored cat.txt and bob fetched it: %d bytes, the same\n", len(got))
	return nil
}

// message has bob send, which he may, and root receive and delete.
func (t *tour) message() error {
	var made struct{ QueueUrl string }
	if err := t.json(t.root, "CreateQueue", map[string]string{"QueueName": "demo-jobs"}, &made); err != nil {
		return err
	}
	t.queue = made.QueueUrl
	if err := t.json(t.bob, "SendMessage", map[string]string{"QueueUrl": t.queue, "MessageBody": "resize cat.txt"}, &struct{}{}); err != nil {
		return err
	}
	var got struct {
		Messages []struct{ Body, ReceiptHandle string }
	}
	if err := t.json(t.root, "ReceiveMessage", map[string]string{"QueueUrl": t.queue}, &got); err != nil {
		return err
	}
	if len(got.Messages) != 1 {
		return fmt.Errorf("received %d messages", len(got.Messages))
	}
	if err := t.json(t.root, "DeleteMessage", map[string]string{"QueueUrl": t.queue, "ReceiptHandle": got.Messages[0].ReceiptHandle}, &struct{}{}); err != nil {
		return err
	}
	fmt.Printf("sqs: bob sent a message, root received and deleted it: %q\n", got.Messages[0].Body)
	return nil
}

func (t *tour) usage() error {
	all, err := listUsage(t.ctx, t.root, "", "")
	if err != nil {
		return err
	}
	fmt.Println("\nWhat that used:")
	w := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
	printUsage(w, all)
	return w.Flush()
}

// form calls a query operation with names and values.
func (t *tour) form(c *client, service, version, action string, pairs ...string) ([]byte, error) {
	v := url.Values{"Action": {action}, "Version": {version}}
	for i := 0; i+1 < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	body := []byte(v.Encode())
	return t.send(c, service, http.MethodPost, "/", body, http.Header{"Content-Type": {"application/x-www-form-urlencoded; charset=utf-8"}})
}

func (t *tour) s3(c *client, method, path string, body []byte) ([]byte, error) {
	return t.send(c, "s3", method, path, body, nil)
}

// json calls an operation of SQS.
func (t *tour) json(c *client, operation string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	b, err := t.send(c, "sqs", http.MethodPost, "/", body, http.Header{
		"Content-Type": {"application/x-amz-json-1.0"}, "X-Amz-Target": {"AmazonSQS." + operation},
	})
	if err != nil || len(b) == 0 {
		return err
	}
	return json.Unmarshal(b, out)
}

func (t *tour) send(c *client, service, method, path string, body []byte, h http.Header) ([]byte, error) {
	var r io.Reader
	if body != nil {
		r = bytes.NewReader(body)
	}
	rq, err := http.NewRequestWithContext(t.ctx, method, c.endpoint+path, r)
	if err != nil {
		return nil, err
	}
	for k, v := range h {
		rq.Header[k] = v
	}
	return c.do(rq, service, body)
}
