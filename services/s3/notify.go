package s3

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/gigawatt-cloud/gigawatt/api/s3api"
	"github.com/gigawatt-cloud/gigawatt/api/sqsapi"
	"github.com/gigawatt-cloud/gigawatt/aws/arn"
	"github.com/gigawatt-cloud/gigawatt/aws/awserr"
	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/service"
	"github.com/gigawatt-cloud/gigawatt/services/s3/event"
)

// notifyKind is the job that delivers one event to one queue.
const (
	notifyKind = "s3.notify"
	// undeliverable is how many times a delivery is tried.
	undeliverable = 20
)

func (s *svc) notificationHandlers() []*service.Handler {
	return []*service.Handler{
		service.Handle(s3api.PutBucketNotificationConfiguration, onBucket("PutBucketNotification", func(in *s3api.PutBucketNotificationConfigurationInput) string { return in.Bucket }), s.putBucketNotificationConfiguration).
			Refuse("NotificationConfiguration.TopicConfigurations", "NotificationConfiguration.LambdaFunctionConfigurations", "NotificationConfiguration.EventBridgeConfiguration"),
		service.Handle(s3api.GetBucketNotificationConfiguration, onBucket("GetBucketNotification", func(in *s3api.GetBucketNotificationConfigurationInput) string { return in.Bucket }), s.getBucketNotificationConfiguration),
	}
}

func (s *svc) putBucketNotificationConfiguration(ctx context.Context, c *service.Call, in *s3api.PutBucketNotificationConfigurationInput) (*s3api.PutBucketNotificationConfigurationOutput, error) {
	targets, err := event.Parse(in.NotificationConfiguration, func() string { return c.IDs.UUID() })
	if err != nil {
		return nil, err
	}
	b, err := viewBucket(ctx, c, in.Bucket, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	if !value(in.SkipDestinationValidation) {
		msg, err := event.TestMessage(b.Name, c.RequestID, c.Now)
		if err != nil {
			return nil, err
		}
		for i := range targets {
			if err := s.send(ctx, c, b, targets[i].Queue, msg); err != nil {
				return nil, awserr.New("InvalidArgument", 400, "Unable to validate the following destination configurations").
					With("ArgumentName1", targets[i].Queue).With("ArgumentValue1", "The destination queue does not exist or its policy does not let S3 send to it")
			}
		}
	}
	return nil, changeBucket(ctx, c, in.Bucket, in.ExpectedBucketOwner, func(_ *kv.Tx, b *bucket) error {
		b.Notifications = targets
		return nil
	})
}

func (s *svc) getBucketNotificationConfiguration(ctx context.Context, c *service.Call, in *s3api.GetBucketNotificationConfigurationInput) (*s3api.GetBucketNotificationConfigurationOutput, error) {
	b, err := viewBucket(ctx, c, in.Bucket, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	return &s3api.GetBucketNotificationConfigurationOutput{QueueConfigurations: event.Output(b.Notifications)}, nil
}

// delivery is the payload of a notifyKind job.
type delivery struct {
	Bucket string        `json:"bucket"`
	Owner  arn.AccountID `json:"owner"`
	Queue  string        `json:"queue"`
	Body   []byte        `json:"body"`
}

// emit queues an event for every target that selects it, in the transaction of
// what happened.
func (s *svc) emit(tx *kv.Tx, c *service.Call, b *bucket, o *object, name string) error {
	for i := range b.Notifications {
		t := &b.Notifications[i]
		if !t.Selects(name, o.Key) {
			continue
		}
		e := event.Event{
			Name: name, Time: c.Now, Region: b.Region, Bucket: b.Name, Owner: b.Owner, Key: o.Key, Size: o.Size, ETag: o.ETag,
			Sequencer: fmt.Sprintf("%016X", c.Now.UnixNano()), Principal: c.Principal.ARN, SourceIP: c.Transport.SourceIP,
			RequestID: c.RequestID, HasContent: !o.Marker,
		}
		if b.Versioning != "" {
			e.VersionID = o.Version
		}
		body, err := e.Message(t)
		if err != nil {
			return err
		}
		payload, err := json.Marshal(delivery{b.Name, b.Owner, t.Queue, body})
		if err != nil {
			return err
		}
		j := &service.Job{Kind: notifyKind, ID: c.RequestID + "/" + o.Key + "/" + t.ID, Account: b.Owner, Region: b.Region, RunAt: c.Now, Payload: payload}
		if err := service.Enqueue(tx, j); err != nil {
			return err
		}
	}
	return nil
}

// deliver sends one event. A queue that is gone or closed to S3 ends it, as on
// AWS, after some tries.
func (s *svc) deliver(ctx context.Context, c *service.Call, j *service.Job) (time.Time, error) {
	var d delivery
	if err := json.Unmarshal(j.Payload, &d); err != nil {
		return time.Time{}, err
	}
	err := s.send(ctx, c, &bucket{Name: d.Bucket, Owner: d.Owner}, d.Queue, d.Body)
	var refused *awserr.Error
	if errors.As(err, &refused) && (j.Attempts >= undeliverable || refused.Fault == awserr.Client && j.Attempts > 2) {
		s.env.Log.Warn("an event of a bucket cannot be delivered", "bucket", d.Bucket, "queue", d.Queue, "error", err)
		return time.Time{}, nil
	}
	return time.Time{}, err
}

// send puts a message into a queue, as S3 on behalf of the bucket.
func (s *svc) send(ctx context.Context, c *service.Call, b *bucket, queue string, body []byte) error {
	q, err := arn.Parse(queue)
	if err != nil {
		return err
	}
	as := service.As{Service: "s3.amazonaws.com", SourceARN: bucketARN(b.Name), SourceAccount: b.Owner, Account: q.AccountID, Region: q.Region}
	url := "/" + string(q.AccountID) + "/" + q.Resource
	_, err = service.Invoke(ctx, c, as, sqsapi.SendMessage, &sqsapi.SendMessageInput{QueueUrl: url, MessageBody: string(body)})
	return err
}
