// Package event is S3's notifications without their delivery: a bucket's
// configuration ([Target] is its stored form), which events it selects, and
// the messages that are sent. It is pure.
package event

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gigawatt-cloud/gigawatt/api/s3api"
	"github.com/gigawatt-cloud/gigawatt/aws/arn"
	"github.com/gigawatt-cloud/gigawatt/aws/awserr"
)

// The events that this server emits, by the names of the API.
const (
	CreatedPut       = "s3:ObjectCreated:Put"
	CreatedPost      = "s3:ObjectCreated:Post"
	CreatedCopy      = "s3:ObjectCreated:Copy"
	CreatedMultipart = "s3:ObjectCreated:CompleteMultipartUpload"
	RemovedDelete    = "s3:ObjectRemoved:Delete"
	RemovedMarker    = "s3:ObjectRemoved:DeleteMarkerCreated"
	TaggingPut       = "s3:ObjectTagging:Put"
	TaggingDelete    = "s3:ObjectTagging:Delete"
	ACLPut           = "s3:ObjectAcl:Put"
	ExpiredDelete    = "s3:LifecycleExpiration:Delete"
	ExpiredMarker    = "s3:LifecycleExpiration:DeleteMarkerCreated"
	Transition       = "s3:LifecycleTransition"
)

// emitted is every event that can be subscribed to; what AWS has besides is refused.
var emitted = []string{
	CreatedPut, CreatedPost, CreatedCopy, CreatedMultipart, RemovedDelete, RemovedMarker,
	TaggingPut, TaggingDelete, ACLPut, ExpiredDelete, ExpiredMarker, Transition,
}

// Target is a queue and the events that go there.
type Target struct {
	ID     string   `cbor:"id"`
	Queue  string   `cbor:"queue"`
	Events []string `cbor:"events"`
	Prefix string   `cbor:"prefix"`
	Suffix string   `cbor:"suffix"`
}

func invalid(format string, args ...any) error {
	return awserr.New("InvalidArgument", 400, format, args...)
}

// Parse checks a configuration and returns its targets. newID makes the id of
// a target that has none. Topics, functions and
// event buses are refused where the operation is handled.
func Parse(in *s3api.NotificationConfiguration, newID func() string) ([]Target, error) {
	if in == nil {
		return nil, awserr.New("MalformedXML", 400, "The XML you provided was not well-formed or did not validate against our published schema")
	}
	seen := map[string]bool{}
	var out []Target
	for i := range in.QueueConfigurations {
		t, err := parse(&in.QueueConfigurations[i], newID)
		if err != nil {
			return nil, err
		}
		if seen[t.ID] {
			return nil, invalid("Same ID used for multiple configurations. IDs must be unique")
		}
		seen[t.ID] = true
		for j := range out {
			if out[j].overlaps(t) {
				return nil, invalid("Configurations overlap. Configurations on the same bucket cannot share a common event type.")
			}
		}
		out = append(out, *t)
	}
	return out, nil
}

func parse(in *s3api.QueueConfiguration, newID func() string) (*Target, error) {
	a, err := arn.Parse(in.QueueArn)
	if err != nil || a.Service != "sqs" || !a.AccountID.Valid() || a.Region == "" {
		return nil, invalid("The ARN is not well formed")
	}
	t := &Target{Queue: in.QueueArn, Events: in.Events}
	if in.Id != nil {
		t.ID = *in.Id
	}
	if t.ID == "" {
		t.ID = newID()
	}
	if len(t.Events) == 0 {
		return nil, awserr.New("MalformedXML", 400, "The XML you provided was not well-formed or did not validate against our published schema")
	}
	for _, e := range t.Events {
		if !slices.ContainsFunc(emitted, func(name string) bool { return selects(e, name) }) {
			if !slices.Contains(known, e) {
				return nil, invalid("The event '%s' is not supported for notifications", e)
			}
			return nil, awserr.New("NotImplemented", 501, "The event %s is not emitted by this version of Gigawatt.", e)
		}
	}
	if in.Filter == nil || in.Filter.Key == nil {
		return t, nil
	}
	prefix, suffix := false, false
	for _, f := range in.Filter.Key.FilterRules {
		var name, v string
		if f.Name != nil {
			name = strings.ToLower(*f.Name)
		}
		if f.Value != nil {
			v = *f.Value
		}
		switch {
		case name == "prefix" && !prefix:
			t.Prefix, prefix = v, true
		case name == "suffix" && !suffix:
			t.Suffix, suffix = v, true
		case name == "prefix" || name == "suffix":
			return nil, invalid("Cannot specify more than one %s rule in a filter.", name)
		default:
			return nil, invalid("filter rule name must be either prefix or suffix")
		}
	}
	return t, nil
}

// known are the events of the API.
var known = []string{
	"s3:ReducedRedundancyLostObject", "s3:ObjectRestore:*", "s3:ObjectRestore:Post", "s3:ObjectRestore:Completed", "s3:ObjectRestore:Delete",
	"s3:Replication:*", "s3:Replication:OperationFailedReplication", "s3:Replication:OperationNotTracked",
	"s3:Replication:OperationMissedThreshold", "s3:Replication:OperationReplicatedAfterThreshold", "s3:IntelligentTiering",
}

// selects reports whether a configured event, which may end in a wildcard,
// stands for an event.
func selects(configured, name string) bool {
	if p, ok := strings.CutSuffix(configured, "*"); ok {
		return strings.HasSuffix(p, ":") && strings.HasPrefix(name, p) && p != "s3:"
	}
	return configured == name
}

// Selects reports whether the target wants an event of a key.
func (t *Target) Selects(name, key string) bool {
	return strings.HasPrefix(key, t.Prefix) && strings.HasSuffix(key, t.Suffix) &&
		slices.ContainsFunc(t.Events, func(e string) bool { return selects(e, name) })
}

// overlaps reports whether one event of one key could go to both targets.
func (t *Target) overlaps(u *Target) bool {
	prefixes := strings.HasPrefix(t.Prefix, u.Prefix) || strings.HasPrefix(u.Prefix, t.Prefix)
	suffixes := strings.HasSuffix(t.Suffix, u.Suffix) || strings.HasSuffix(u.Suffix, t.Suffix)
	if !prefixes || !suffixes {
		return false
	}
	for _, name := range emitted {
		in := func(e string) bool { return selects(e, name) }
		if slices.ContainsFunc(t.Events, in) && slices.ContainsFunc(u.Events, in) {
			return true
		}
	}
	return false
}

// Output is the configuration of targets as the API returns it.
func Output(targets []Target) []s3api.QueueConfiguration {
	out := make([]s3api.QueueConfiguration, 0, len(targets))
	for i := range targets {
		t := &targets[i]
		c := s3api.QueueConfiguration{Id: &t.ID, QueueArn: t.Queue, Events: t.Events}
		var rules []s3api.FilterRule
		for _, f := range []struct {
			name  string
			value *string
		}{{"Prefix", &t.Prefix}, {"Suffix", &t.Suffix}} {
			if *f.value != "" {
				rules = append(rules, s3api.FilterRule{Name: &f.name, Value: f.value})
			}
		}
		if rules != nil {
			c.Filter = &s3api.NotificationConfigurationFilter{Key: &s3api.S3KeyFilter{FilterRules: rules}}
		}
		out = append(out, c)
	}
	return out
}

// Event is something that happened to an object.
type Event struct {
	// Name is one of the names above.
	Name       string        `cbor:"name"`
	Time       time.Time     `cbor:"time"`
	Region     string        `cbor:"region"`
	Bucket     string        `cbor:"bucket"`
	Owner      arn.AccountID `cbor:"owner"`
	Key        string        `cbor:"key"`
	Size       int64         `cbor:"size"`
	ETag       string        `cbor:"etag"`
	VersionID  string        `cbor:"version"`
	Sequencer  string        `cbor:"sequencer"`
	Principal  string        `cbor:"principal"`
	SourceIP   string        `cbor:"ip"`
	RequestID  string        `cbor:"request"`
	HasContent bool          `cbor:"content"`
}

type record struct {
	EventVersion      string            `json:"eventVersion"`
	EventSource       string            `json:"eventSource"`
	AWSRegion         string            `json:"awsRegion"`
	EventTime         string            `json:"eventTime"`
	EventName         string            `json:"eventName"`
	UserIdentity      identity          `json:"userIdentity"`
	RequestParameters map[string]string `json:"requestParameters"`
	ResponseElements  map[string]string `json:"responseElements"`
	S3                detail            `json:"s3"`
}

type identity struct {
	PrincipalID string `json:"principalId"`
}

type detail struct {
	SchemaVersion   string `json:"s3SchemaVersion"`
	ConfigurationID string `json:"configurationId"`
	Bucket          struct {
		Name          string   `json:"name"`
		OwnerIdentity identity `json:"ownerIdentity"`
		ARN           string   `json:"arn"`
	} `json:"bucket"`
	Object struct {
		Key       string `json:"key"`
		Size      *int64 `json:"size,omitempty"`
		ETag      string `json:"eTag,omitempty"`
		VersionID string `json:"versionId,omitempty"`
		Sequencer string `json:"sequencer"`
	} `json:"object"`
}

const stamp = "2006-01-02T15:04:05.000Z"

// Message is the body that a target gets for an event.
func (e *Event) Message(t *Target) ([]byte, error) {
	r := record{
		EventVersion: "2.1", EventSource: "aws:s3", AWSRegion: e.Region, EventTime: e.Time.UTC().Format(stamp),
		EventName: strings.TrimPrefix(e.Name, "s3:"), UserIdentity: identity{e.Principal},
		RequestParameters: map[string]string{"sourceIPAddress": e.SourceIP},
		ResponseElements:  map[string]string{"x-amz-request-id": e.RequestID, "x-amz-id-2": e.RequestID},
	}
	r.S3.SchemaVersion, r.S3.ConfigurationID = "1.0", t.ID
	r.S3.Bucket.Name, r.S3.Bucket.OwnerIdentity, r.S3.Bucket.ARN = e.Bucket, identity{string(e.Owner)}, "arn:aws:s3:::"+e.Bucket
	o := &r.S3.Object
	o.Key, o.ETag, o.VersionID, o.Sequencer = escape(e.Key), e.ETag, e.VersionID, e.Sequencer
	if e.HasContent {
		o.Size = &e.Size
	}
	return json.Marshal(map[string][]record{"Records": {r}})
}

// escape writes a key as form encoding does, but for slashes.
func escape(key string) string {
	return strings.ReplaceAll(url.QueryEscape(key), "%2F", "/")
}

// TestMessage is the body that a queue gets when a bucket is pointed at it.
func TestMessage(bucket, requestID string, now time.Time) ([]byte, error) {
	return json.Marshal(struct {
		Service   string
		Event     string
		Time      string
		Bucket    string
		RequestID string `json:"RequestId"`
		HostID    string `json:"HostId"`
	}{"Amazon S3", "s3:TestEvent", now.UTC().Format(stamp), bucket, requestID, requestID})
}
