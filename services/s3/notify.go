package s3

import (
	"context"
	"fmt"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/gigawatt-cloud/gigawatt/api/s3api"
	"github.com/gigawatt-cloud/gigawatt/api/sqsapi"
	"github.com/gigawatt-cloud/gigawatt/aws/arn"
	"github.com/gigawatt-cloud/gigawatt/aws/awserr"
	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/service"
	"github.com/gigawatt-cloud/gigawatt/services/s3/event"
)

const (
	notifyKind = "s3.notify"
	// maxDeliveries bounds how often a notification is tried: for some hours.
	maxDeliveries = 60
)

func (s *svc) notificationHandlers() []*service.Handler {
	return []*service.Handler{
		service.Handle(s3api.PutBucketNotificationConfiguration, onBucket("PutBucketNotification", func(in *s3api.PutBucketNotificationConfigurationInput) string { return in.Bucket }), s.putBucketNotificationConfiguration).
			Refuse("NotificationConfiguration.TopicConfigurations", "NotificationConfiguration.LambdaFunctionConfigurations", "NotificationConfiguration.EventBridgeConfiguration"),
		service.Handle(s3api.GetBucketNotificationConfiguration, onBucket("GetBucketNotification", func(in *s3api.GetBucketNotificationConfigurationInput) string { return in.Bucket }), s.getBucketNotificationConfiguration),
	}
}

func (s *svc) putBucketNotificationConfiguration(ctx context.Context, c *service.Call, in *s3api.PutBucketNotificationConfigurationInput) (*s3api.PutBucketNotificationConfigurationOutput, error) {
	targets, err := event.Parse(in.NotificationConfiguration, c.IDs.UUID)
	if err != nil {
		return nil, err
	}
	b, err := viewBucket(ctx, c, in.Bucket, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	if !value(in.SkipDestinationValidation) {
		for i := range targets {
			if err := s.probe(ctx, c, b, &targets[i]); err != nil {
				return nil, err
			}
		}
	}
	return nil, changeBucket(ctx, c, in.Bucket, in.ExpectedBucketOwner, func(_ *kv.Tx, b *bucket) error {
		b.Notifications = targets
		return nil
	})
}

// probe sends the test event, and so finds out whether the queue can be reached.
func (s *svc) probe(ctx context.Context, c *service.Call, b *bucket, t *event.Target) error {
	msg, err := event.TestMessage(b.Name, c.RequestID, c.Now)
	if err != nil {
		return err
	}
	err = send(ctx, c, b.Name, b.Owner, t, msg)
	if awserr.As(err) != nil {
		return awserr.New("InvalidArgument", 400, "Unable to validate the following destination configurations").
			With("ArgumentName", t.Queue).With("ArgumentValue", "The destination queue does not exist or its policy does not allow the bucket to send messages")
	}
	return err
}

// send puts a message into a target's queue as S3.
func send(ctx context.Context, c *service.Call, bucket string, owner arn.AccountID, t *event.Target, msg []byte) error {
	a, err := arn.Parse(t.Queue)
	if err != nil {
		return err
	}
	as := service.As{Service: "s3.amazonaws.com", SourceARN: bucketARN(bucket), SourceAccount: owner, Account: a.AccountID, Region: a.Region}
	_, err = service.Invoke(ctx, c, as, sqsapi.SendMessage, &sqsapi.SendMessageInput{
		QueueUrl: "http://localhost/" + string(a.AccountID) + "/" + a.Resource, MessageBody: string(msg),
	})
	return err
}

func (s *svc) getBucketNotificationConfiguration(ctx context.Context, c *service.Call, in *s3api.GetBucketNotificationConfigurationInput) (*s3api.GetBucketNotificationConfigurationOutput, error) {
	b, err := viewBucket(ctx, c, in.Bucket, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	return &s3api.GetBucketNotificationConfigurationOutput{QueueConfigurations: event.Output(b.Notifications)}, nil
}

// delivery is the payload of a job that delivers one event to one target.
type delivery struct {
	Event  event.Event  `cbor:"event"`
	Target event.Target `cbor:"target"`
}

// emit has an event delivered to the targets that want it, once the
// transaction has committed.
func (s *svc) emit(tx *kv.Tx, c *service.Call, b *bucket, o *object, name string) error {
	for i := range b.Notifications {
		t := &b.Notifications[i]
		if !t.Selects(name, o.Key) {
			continue
		}
		d := delivery{Target: *t, Event: event.Event{
			Name: name, Time: c.Now, Region: b.Region, Bucket: b.Name, Owner: b.Owner, Key: o.Key, Size: o.Size, ETag: o.ETag, VersionID: value(b.shown(o)),
			Sequencer: fmt.Sprintf("%016X", c.Now.UnixNano()), Principal: "AWS:" + c.Principal.UserID, SourceIP: c.Transport.SourceIP, RequestID: c.RequestID,
			HasContent: o.ETag != "",
		}}
		payload, err := cbor.Marshal(d)
		if err != nil {
			return err
		}
		j := &service.Job{Kind: notifyKind, ID: c.RequestID + " " + b.ID + " " + t.ID + " " + name + " " + o.Version + " " + o.Key, Account: b.Owner, Region: b.Region, RunAt: c.Now, Payload: payload}
		if len(j.ID) > maxJobID {
			j.ID = c.RequestID + " " + c.IDs.Hex(32)
		}
		if err := service.Enqueue(tx, j); err != nil {
			return err
		}
	}
	return nil
}

// maxJobID keeps a job's id within what a key of kv can hold.
const maxJobID = 900

// deliver sends one event to one queue. It is tried again when that fails.
func (s *svc) deliver(ctx context.Context, c *service.Call, j *service.Job) (time.Time, error) {
	var d delivery
	if err := cbor.Unmarshal(j.Payload, &d); err != nil {
		return time.Time{}, err
	}
	msg, err := d.Event.Message(&d.Target)
	if err != nil {
		return time.Time{}, err
	}
	err = send(ctx, c, d.Event.Bucket, d.Event.Owner, &d.Target, msg)
	if err != nil && j.Attempts >= maxDeliveries {
		s.env.Log.Warn("give up a notification", "bucket", d.Event.Bucket, "queue", d.Target.Queue, "error", err)
		return time.Time{}, nil
	}
	return time.Time{}, err
}
