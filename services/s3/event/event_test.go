package event

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gigawatt-cloud/gigawatt/api/s3api"
	"github.com/gigawatt-cloud/gigawatt/aws/awserr"
)

const queue = "arn:aws:sqs:us-east-1:111111111111:q"

func config(events []string, filter ...string) s3api.QueueConfiguration {
	c := s3api.QueueConfiguration{QueueArn: queue, Events: events}
	if len(filter) > 0 {
		c.Filter = &s3api.NotificationConfigurationFilter{Key: &s3api.S3KeyFilter{}}
		for i := 0; i < len(filter); i += 2 {
			c.Filter.Key.FilterRules = append(c.Filter.Key.FilterRules, s3api.FilterRule{Name: &filter[i], Value: &filter[i+1]})
		}
	}
	return c
}

func parseAll(cs ...s3api.QueueConfiguration) ([]Target, error) {
	n := 0
	return Parse(&s3api.NotificationConfiguration{QueueConfigurations: cs}, func() string { n++; return strings.Repeat("i", n) })
}

func TestSelects(t *testing.T) {
	targets, err := parseAll(config([]string{"s3:ObjectCreated:*"}, "Prefix", "in/", "suffix", ".jpg"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, key string
		want      bool
	}{
		{CreatedPut, "in/a.jpg", true},
		{CreatedMultipart, "in/a.jpg", true},
		{RemovedDelete, "in/a.jpg", false},
		{CreatedPut, "out/a.jpg", false},
		{CreatedPut, "in/a.png", false},
	} {
		if got := targets[0].Selects(c.name, c.key); got != c.want {
			t.Errorf("%s of %s: %t", c.name, c.key, got)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	created := []string{"s3:ObjectCreated:*"}
	bad := config(created)
	bad.QueueArn = "arn:aws:s3:::b"
	for name, c := range map[string]struct {
		configs []s3api.QueueConfiguration
		code    string
	}{
		"no event":       {[]s3api.QueueConfiguration{config(nil)}, "MalformedXML"},
		"unknown event":  {[]s3api.QueueConfiguration{config([]string{"s3:Object"})}, "InvalidArgument"},
		"not emitted":    {[]s3api.QueueConfiguration{config([]string{"s3:ObjectRestore:Post"})}, "NotImplemented"},
		"everything":     {[]s3api.QueueConfiguration{config([]string{"s3:*"})}, "InvalidArgument"},
		"not a queue":    {[]s3api.QueueConfiguration{bad}, "InvalidArgument"},
		"overlap":        {[]s3api.QueueConfiguration{config(created, "prefix", "a"), config([]string{CreatedPut}, "prefix", "ab")}, "InvalidArgument"},
		"two prefixes":   {[]s3api.QueueConfiguration{config(created, "prefix", "a", "prefix", "b")}, "InvalidArgument"},
		"unknown filter": {[]s3api.QueueConfiguration{config(created, "infix", "a")}, "InvalidArgument"},
	} {
		if _, err := parseAll(c.configs...); !awserr.HasCode(err, c.code) {
			t.Errorf("%s: %v, want %s", name, err, c.code)
		}
	}
	if _, err := parseAll(config(created, "prefix", "a"), config(created, "prefix", "b")); err != nil {
		t.Errorf("disjoint prefixes: %v", err)
	}
}

func TestEventMessage(t *testing.T) {
	e := &Event{
		Name: CreatedPut, Time: time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.UTC), Region: "us-east-1", Bucket: "b", Owner: "111111111111",
		Key: "a b/ü+.txt", Size: 0, HasContent: true, ETag: "e", Sequencer: "01",
	}
	b, err := e.Message(&Target{ID: "cfg"})
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Records []struct {
			EventName, EventTime string
			S3                   struct {
				ConfigurationID string
				Object          struct {
					Key  string
					Size *int64
				}
			}
		}
	}
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	r := got.Records[0]
	if r.EventName != "ObjectCreated:Put" || r.EventTime != "2026-01-02T03:04:05.006Z" || r.S3.ConfigurationID != "cfg" ||
		r.S3.Object.Key != "a+b/%C3%BC%2B.txt" || r.S3.Object.Size == nil || *r.S3.Object.Size != 0 {
		t.Errorf("message = %s", b)
	}
}

func TestConfigurationComesBack(t *testing.T) {
	in := config([]string{"s3:ObjectCreated:*"}, "Prefix", "in/", "Suffix", ".jpg")
	id := "cfg"
	in.Id = &id
	targets, err := parseAll(in)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]s3api.QueueConfiguration{in}, Output(targets)); diff != "" {
		t.Error(diff)
	}
}

func TestTestMessage(t *testing.T) {
	b, err := TestMessage("b", "id", time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	const want = `{"Service":"Amazon S3","Event":"s3:TestEvent","Time":"2026-01-02T03:04:05.000Z","Bucket":"b","RequestId":"id","HostId":"id"}`
	if err != nil || string(b) != want {
		t.Errorf("message = %s, %v", b, err)
	}
}
