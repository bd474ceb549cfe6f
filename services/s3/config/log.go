package config

import (
	"context"
	"errors"
	"net/url"
	"reflect"
	"strings"
	"time"

	"github.com/gigawatt-cloud/gigawatt/api/s3api"
	"github.com/gigawatt-cloud/gigawatt/aws/awserr"
	"github.com/gigawatt-cloud/gigawatt/aws/policy"
	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/service"
	"github.com/gigawatt-cloud/gigawatt/services/s3/accesslog"
)

const (
	// LogKind is the kind of the recurring job that delivers access logs.
	LogKind = "s3.accesslog"
	// LogEvery is how long records are gathered before they are delivered.
	LogEvery = 5 * time.Minute
	// accessLogKept is how long records wait for a target that takes them.
	accessLogKept = 24 * time.Hour
	// accessLogBatch bounds the records of one log object.
	accessLogBatch = 2000
	// maxLoggedText bounds each text in a record that a client chooses.
	maxLoggedText = 4 << 10
	// logService is the principal that a target's policy has to allow.
	logService = "logging.s3.amazonaws.com"
)

// Served notes a request to a bucket that is logged. The record is durable
// before the client has its whole answer.
//
// Differs from AWS: what one request does to several objects, such as
// DeleteObjects, is one line of the log, and the expirations of a lifecycle are none.
func (o *Operations) Served(ctx context.Context, c *service.Call, r *service.Reply) error {
	name := named(r, "Bucket")
	if name == "" {
		return nil
	}
	ok, err := o.logged.has(ctx, o.db, name)
	if err != nil || !ok {
		return err
	}
	method := c.Op.Method
	if len(r.Labels) > 0 {
		method = c.Transport.Method
	}
	operation := accesslog.Operation(c.Op.Name, method)
	if operation == "" {
		return nil
	}
	if r.Website {
		operation = "WEBSITE" + strings.TrimPrefix(operation, "REST")
	}
	return o.db.Update(ctx, func(tx *kv.Tx) error {
		b, err := o.store.Find(tx, name)
		if errors.Is(err, kv.ErrNotFound) || err == nil && b.Logging == nil {
			return nil
		}
		if err != nil {
			return err
		}
		return accessLog.Put(tx, o.record(c, r, b, operation), b.ID, c.Now, c.RequestID)
	})
}

func (o *Operations) record(c *service.Call, r *service.Reply, b *Bucket, operation string) *accesslog.Record {
	t := &c.Transport
	return &accesslog.Record{
		Owner: o.store.Canonical(b.Owner), Bucket: b.Name, Time: c.Now, RemoteIP: t.SourceIP, Requester: o.requester(c.Principal), RequestID: c.RequestID,
		Operation: operation, Key: short(named(r, "Key")), Request: short(r.Line), Status: r.Status, ErrorCode: r.Code, BytesSent: r.BytesSent,
		ObjectSize: sizeOf(r), Total: r.Duration.Milliseconds(), Referer: short(t.Referer), UserAgent: short(t.UserAgent), VersionID: short(versionIn(r.Line)),
		HostID: r.HostID, SignatureVersion: r.SignatureVersion, AuthType: r.AuthType, Host: short(t.Host), Cipher: r.Cipher, TLSVersion: r.TLSVersion,
	}
}

// named is what a request's path names, or else its input: a call in the
// neutral form has no such path.
func named(r *service.Reply, member string) string {
	if v := r.Labels[member]; v != "" || r.In == nil {
		return v
	}
	if f := reflect.Indirect(reflect.ValueOf(r.In)).FieldByName(member); f.IsValid() && f.Kind() == reflect.String {
		return f.String()
	}
	return ""
}

func short(s string) string { return s[:min(len(s), maxLoggedText)] }

// requester is who called: a canonical id for an account's root, an ARN for others.
func (o *Operations) requester(p *policy.Principal) string {
	switch p.Type {
	case policy.Anonymous:
		return ""
	case policy.Root:
		return o.store.Canonical(p.AccountID)
	}
	return p.ARN
}

// versionIn is the version id in a request's first line.
func versionIn(line string) string {
	_, query, _ := strings.Cut(line, "?")
	query, _, _ = strings.Cut(query, " ")
	for pair := range strings.SplitSeq(query, "&") {
		if v, ok := strings.CutPrefix(pair, "versionId="); ok {
			if v, err := url.QueryUnescape(v); err == nil {
				return v
			}
		}
	}
	return ""
}

// sizeOf is the size of the object that a request is about, when it tells.
func sizeOf(r *service.Reply) *int64 {
	switch out := r.Out.(type) {
	case *s3api.GetObjectOutput:
		if out.ContentRange == nil {
			return out.ContentLength
		}
	case *s3api.HeadObjectOutput:
		return out.ContentLength
	case *s3api.PutObjectOutput:
		if in, ok := r.In.(*s3api.PutObjectInput); ok {
			return in.ContentLength
		}
	}
	return nil
}

// DeliverLogs delivers what was gathered of all buckets.
func (o *Operations) DeliverLogs(ctx context.Context, c *service.Call, _ *service.Job) (time.Time, error) {
	var id string
	for {
		b, next, err := o.nextLogged(ctx, c, id)
		if err != nil {
			return time.Time{}, err
		}
		if id = next; id == "" {
			return c.Now.Add(LogEvery), nil
		}
		if b == nil { // the bucket is gone, or its log was turned off
			err = dropLog(ctx, c, id, c.Now)
		} else {
			err = o.deliverLog(ctx, c, b)
		}
		if err != nil {
			return time.Time{}, err
		}
	}
}

// nextLogged finds the first bucket ID after one that has records, and the
// bucket when its log is still wanted. The ID is "" after the last.
func (o *Operations) nextLogged(ctx context.Context, c *service.Call, after string) (b *Bucket, id string, err error) {
	err = c.View(ctx, func(tx *kv.Tx) error {
		b, id = nil, ""
		var from kv.Key
		if after != "" {
			from = append(kv.K(after), 0xff)
		}
		for r, err := range accessLog.RangeScan(tx, from, nil) {
			if err != nil {
				return err
			}
			parts, err := r.Key.Decode()
			if err != nil {
				return err
			}
			id, _ = parts[0].(string)
			b, err = o.store.Find(tx, r.Value.Bucket)
			if errors.Is(err, kv.ErrNotFound) || err == nil && (b.ID != id || b.Logging == nil) {
				b, err = nil, nil
			}
			return err
		}
		return nil
	})
	return b, id, err
}

// deliverLog puts the records of a bucket into its target. After a crash some
// may be put twice, as on AWS.
func (o *Operations) deliverLog(ctx context.Context, c *service.Call, b *Bucket) error {
	for {
		keys, records, err := gathered(ctx, c, b)
		if err != nil || len(records) == 0 {
			return err
		}
		err = putLog(ctx, c, b, records)
		if e := awserr.As(err); e != nil && e.Fault == awserr.Client {
			o.log.Warn("a bucket's access log cannot be delivered", "bucket", b.Name, "target", b.Logging.Bucket, "error", err)
			return dropLog(ctx, c, b.ID, c.Now.Add(-accessLogKept))
		}
		if err != nil {
			return err
		}
		if err := deleteLog(ctx, c, keys); err != nil {
			return err
		}
	}
}

// gathered returns the oldest records of a bucket that go into one object.
func gathered(ctx context.Context, c *service.Call, b *Bucket) (keys []kv.Key, records []*accesslog.Record, err error) {
	err = c.View(ctx, func(tx *kv.Tx) error {
		keys, records = nil, nil
		for r, err := range accessLog.Scan(tx, kv.Scan{Prefix: []any{b.ID}, Limit: accessLogBatch}) {
			if err != nil {
				return err
			}
			if b.Logging.Partition == accesslog.EventTime && len(records) > 0 && !sameDay(records[0].Time, r.Value.Time) {
				return nil
			}
			keys, records = append(keys, r.Key), append(records, r.Value)
		}
		return nil
	})
	return keys, records, err
}

func sameDay(a, b time.Time) bool {
	const day = 24 * time.Hour
	return a.UTC().Truncate(day).Equal(b.UTC().Truncate(day))
}

// putLog writes one log object, as S3's log delivery.
func putLog(ctx context.Context, c *service.Call, b *Bucket, records []*accesslog.Record) error {
	var text strings.Builder
	for _, r := range records {
		text.WriteString(r.Line())
	}
	src := accesslog.Source{Account: string(b.Owner), Region: b.Region, Bucket: b.Name}
	full, read := b.Logging.Headers()
	size, kind := int64(text.Len()), "text/plain"
	as := service.As{Service: logService, SourceARN: "arn:aws:s3:::" + b.Name, SourceAccount: b.Owner, Account: b.Owner, Region: b.Region}
	_, err := service.Invoke(ctx, c, as, s3api.PutObject, &s3api.PutObjectInput{
		Bucket: b.Logging.Bucket, Key: b.Logging.Key(src, c.Now, records[0].Time, strings.ToUpper(c.IDs.Hex(16))),
		Body: strings.NewReader(text.String()), ContentLength: &size, ContentType: &kind,
		GrantFullControl: full, GrantRead: read,
	})
	return err
}

// dropLog deletes the records of a bucket that are older than a time.
func dropLog(ctx context.Context, c *service.Call, id string, before time.Time) error {
	for {
		var keys []kv.Key
		err := c.View(ctx, func(tx *kv.Tx) error {
			keys = nil
			for r, err := range accessLog.RangeScan(tx, kv.K(id), kv.K(id, before)) {
				if err != nil || len(keys) == accessLogBatch {
					return err
				}
				keys = append(keys, r.Key)
			}
			return nil
		})
		if err != nil || len(keys) == 0 {
			return err
		}
		if err := deleteLog(ctx, c, keys); err != nil {
			return err
		}
	}
}

func deleteLog(ctx context.Context, c *service.Call, keys []kv.Key) error {
	return c.Update(ctx, func(tx *kv.Tx) error {
		for _, k := range keys {
			parts, err := k.Decode()
			if err != nil {
				return err
			}
			if err := accessLog.Delete(tx, parts...); err != nil {
				return err
			}
		}
		return nil
	})
}
