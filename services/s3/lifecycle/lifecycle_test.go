package lifecycle

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gigawatt-cloud/gigawatt/api/s3api"
	"github.com/gigawatt-cloud/gigawatt/aws/awserr"
)

var created = time.Date(2026, 1, 1, 10, 0, 0, 0, time.UTC)

func days(n int) time.Time { return created.AddDate(0, 0, n) }

func ptr[T any](v T) *T { return &v }

func TestEvaluate(t *testing.T) {
	rule := func(change func(*Rule)) []Rule {
		r := Rule{ID: "r", Enabled: true}
		change(&r)
		return []Rule{r}
	}
	current := Version{Key: "logs/a", Size: 100, Created: created, Current: true, Only: true, Tags: map[string]string{"team": "x"}}
	old := Version{Key: "logs/a", Size: 100, Created: created, Noncurrent: created, Newer: 2}
	marker := Version{Key: "logs/a", Created: created, Current: true, Marker: true, Only: true}
	covered := marker
	covered.Only = false
	expire := func(r *Rule) { r.ExpireDays = 1 }
	for _, c := range []struct {
		name  string
		rules []Rule
		v     Version
		now   time.Time
		want  Action
	}{
		{"a day is over at the midnight after it", rule(expire), current, time.Date(2026, 1, 2, 23, 59, 59, 0, time.UTC), Keep},
		{"at midnight", rule(expire), current, time.Date(2026, 1, 3, 0, 0, 0, 0, time.UTC), Expire},
		{"disabled", rule(func(r *Rule) { r.Enabled = false; r.ExpireDays = 1 }), current, days(9), Keep},
		{"another prefix", rule(func(r *Rule) { r.Prefix = "data/"; r.ExpireDays = 1 }), current, days(9), Keep},
		{"its prefix", rule(func(r *Rule) { r.Prefix = "logs/"; r.ExpireDays = 1 }), current, days(9), Expire},
		{"its tag", rule(func(r *Rule) { r.Tags = map[string]string{"team": "x"}; r.ExpireDays = 1 }), current, days(9), Expire},
		{"another tag", rule(func(r *Rule) { r.Tags = map[string]string{"team": "y"}; r.ExpireDays = 1 }), current, days(9), Keep},
		{"not greater", rule(func(r *Rule) { r.Greater = ptr(int64(100)); r.ExpireDays = 1 }), current, days(9), Keep},
		{"less", rule(func(r *Rule) { r.Less = ptr(int64(101)); r.ExpireDays = 1 }), current, days(9), Expire},
		{"date", rule(func(r *Rule) { r.ExpireDate = days(5) }), current, days(5), Expire},
		{"before the date", rule(func(r *Rule) { r.ExpireDate = days(5) }), current, days(4), Keep},
		{"noncurrent is not expired", rule(expire), old, days(9), Keep},
		{"noncurrent", rule(func(r *Rule) { r.NoncurrentDays = 3 }), old, days(9), Remove},
		{"noncurrent too early", rule(func(r *Rule) { r.NoncurrentDays = 30 }), old, days(9), Keep},
		{"newer versions are kept", rule(func(r *Rule) { r.NoncurrentDays = 3; r.NewerNoncurrent = 3 }), old, days(9), Keep},
		{"enough newer versions", rule(func(r *Rule) { r.NoncurrentDays = 3; r.NewerNoncurrent = 2 }), old, days(9), Remove},
		{"marker", rule(func(r *Rule) { r.ExpireMarkers = true }), marker, days(0), Remove},
		{"marker with versions behind it", rule(func(r *Rule) { r.ExpireMarkers = true }), covered, days(9), Keep},
		{"marker by age", rule(expire), marker, days(9), Remove},
		{"move", rule(func(r *Rule) { r.Transitions = []Transition{{Days: 1, Class: "GLACIER"}} }), current, days(9), Move},
		{"expiry wins", rule(func(r *Rule) { r.ExpireDays = 1; r.Transitions = []Transition{{Days: 1, Class: "GLACIER"}} }), current, days(9), Expire},
	} {
		if got := Evaluate(c.rules, &c.v, c.now).Action; got != c.want {
			t.Errorf("%s: action %d, want %d", c.name, got, c.want)
		}
	}
}

func TestMoveGetsColder(t *testing.T) {
	rules := []Rule{{ID: "r", Enabled: true, Transitions: []Transition{{Days: 1, Class: "STANDARD_IA"}, {Days: 5, Class: "GLACIER"}}}}
	v := Version{Key: "k", Created: created, Current: true}
	var path []string
	for d := range 10 {
		if got := Evaluate(rules, &v, days(d)); got.Action == Move {
			v.Class = got.Class
			path = append(path, got.Class)
		}
	}
	if diff := cmp.Diff([]string{"STANDARD_IA", "GLACIER"}, path); diff != "" {
		t.Error(diff)
	}
}

func TestParseRefuses(t *testing.T) {
	ok := func() s3api.LifecycleRule {
		return s3api.LifecycleRule{ID: ptr("a"), Status: "Enabled", Filter: &s3api.LifecycleRuleFilter{Prefix: ptr("")}, Expiration: &s3api.LifecycleExpiration{Days: ptr(int32(1))}}
	}
	for name, c := range map[string]struct {
		change func(*s3api.LifecycleRule)
		code   string
	}{
		"status":            {func(r *s3api.LifecycleRule) { r.Status = "enabled" }, "MalformedXML"},
		"no filter":         {func(r *s3api.LifecycleRule) { r.Filter = nil }, "MalformedXML"},
		"prefix and filter": {func(r *s3api.LifecycleRule) { r.Prefix = ptr("x") }, "MalformedXML"},
		"two criteria":      {func(r *s3api.LifecycleRule) { r.Filter.Tag = &s3api.Tag{Key: "k"} }, "MalformedXML"},
		"days and marker":   {func(r *s3api.LifecycleRule) { r.Expiration.ExpiredObjectDeleteMarker = ptr(true) }, "MalformedXML"},
		"zero days":         {func(r *s3api.LifecycleRule) { r.Expiration.Days = ptr(int32(0)) }, "InvalidArgument"},
		"no action":         {func(r *s3api.LifecycleRule) { r.Expiration = nil }, "InvalidRequest"},
		"not midnight":      {func(r *s3api.LifecycleRule) { r.Expiration = &s3api.LifecycleExpiration{Date: &created} }, "InvalidArgument"},
		"unknown class": {func(r *s3api.LifecycleRule) {
			r.Transitions = []s3api.Transition{{Days: ptr(int32(1)), StorageClass: ptr("COLD")}}
		}, "MalformedXML"},
		"long id": {func(r *s3api.LifecycleRule) { r.ID = ptr(string(make([]byte, 256))) }, "InvalidArgument"},
		"abort with tags": {func(r *s3api.LifecycleRule) {
			r.Filter = &s3api.LifecycleRuleFilter{Tag: &s3api.Tag{Key: "k"}}
			r.AbortIncompleteMultipartUpload = &s3api.AbortIncompleteMultipartUpload{DaysAfterInitiation: ptr(int32(1))}
		}, "InvalidRequest"},
	} {
		r := ok()
		c.change(&r)
		_, err := Parse(&s3api.BucketLifecycleConfiguration{Rules: []s3api.LifecycleRule{r}}, func() string { return "new" })
		if !awserr.HasCode(err, c.code) {
			t.Errorf("%s: %v, want %s", name, err, c.code)
		}
	}
	if _, err := Parse(&s3api.BucketLifecycleConfiguration{Rules: []s3api.LifecycleRule{ok(), ok()}}, nil); !awserr.HasCode(err, "InvalidArgument") {
		t.Errorf("two rules with one id: %v", err)
	}
}

func TestRoundTrip(t *testing.T) {
	in := []s3api.LifecycleRule{
		{ID: ptr("legacy"), Status: "Disabled", Prefix: ptr("x"), Expiration: &s3api.LifecycleExpiration{Date: ptr(created.Truncate(day))}},
		{
			ID: ptr("all"), Status: "Enabled",
			Filter:                       &s3api.LifecycleRuleFilter{And: &s3api.LifecycleRuleAndOperator{Prefix: ptr("p"), Tags: []s3api.Tag{{Key: "a", Value: "1"}, {Key: "b", Value: "2"}}, ObjectSizeLessThan: ptr(int64(9))}},
			Transitions:                  []s3api.Transition{{Days: ptr(int32(3)), StorageClass: ptr("GLACIER")}},
			NoncurrentVersionExpiration:  &s3api.NoncurrentVersionExpiration{NoncurrentDays: ptr(int32(4)), NewerNoncurrentVersions: ptr(int32(2))},
			NoncurrentVersionTransitions: []s3api.NoncurrentVersionTransition{{NoncurrentDays: ptr(int32(1)), StorageClass: ptr("STANDARD_IA")}},
		},
		{ID: ptr("abort"), Status: "Enabled", Filter: &s3api.LifecycleRuleFilter{Prefix: ptr("")}, AbortIncompleteMultipartUpload: &s3api.AbortIncompleteMultipartUpload{DaysAfterInitiation: ptr(int32(7))}},
	}
	rules, err := Parse(&s3api.BucketLifecycleConfiguration{Rules: in}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(in, Output(rules)); diff != "" {
		t.Error(diff)
	}
	if at, rule, ok := Abort(rules, "k", created); !ok || rule != "abort" || !at.Equal(time.Date(2026, 1, 9, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("abort at %s by %s", at, rule)
	}
}

func TestExpiration(t *testing.T) {
	rules := []Rule{{ID: "late", Enabled: true, ExpireDays: 9}, {ID: "soon", Enabled: true, ExpireDays: 2}, {ID: "off", ExpireDays: 1}}
	at, rule, ok := Expiration(rules, &Version{Key: "k", Created: created, Current: true})
	if !ok || rule != "soon" || !at.Equal(time.Date(2026, 1, 4, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("expires at %s by %q", at, rule)
	}
	if _, _, ok := Expiration(rules[2:], &Version{Key: "k", Created: created, Current: true}); ok {
		t.Error("a disabled rule expires")
	}
}
