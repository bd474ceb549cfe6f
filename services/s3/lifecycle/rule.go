// Package lifecycle decides what a bucket's lifecycle rules do to an object
// version or an upload at a given time. It is pure: the s3 package stores the
// rules ([Rule] is their stored form) and carries the decisions out.
package lifecycle

import (
	"time"

	"github.com/gigawatt-cloud/gigawatt/api/s3api"
	"github.com/gigawatt-cloud/gigawatt/aws/awserr"
)

// Rule is one lifecycle rule. Days count from creation, or from when a version
// became noncurrent, and end at the next midnight UTC. Zero means unset.
type Rule struct {
	ID      string `cbor:"id"`
	Enabled bool   `cbor:"enabled"`
	// Legacy says that Prefix was given beside the filter, the old way.
	Legacy  bool              `cbor:"legacy"`
	Prefix  string            `cbor:"prefix"`
	Tags    map[string]string `cbor:"tags"`
	Greater *int64            `cbor:"greater"`
	Less    *int64            `cbor:"less"`

	ExpireDays    int32     `cbor:"expire_days"`
	ExpireDate    time.Time `cbor:"expire_date"`
	ExpireMarkers bool      `cbor:"expire_markers"`

	Transitions []Transition `cbor:"transitions"`

	NoncurrentDays  int32        `cbor:"noncurrent_days"`
	NewerNoncurrent int32        `cbor:"newer_noncurrent"`
	NoncurrentMoves []Transition `cbor:"noncurrent_moves"`
	AbortDays       int32        `cbor:"abort_days"`
}

// Transition moves a version to a storage class.
type Transition struct {
	Days  int32     `cbor:"days"`
	Date  time.Time `cbor:"date"`
	Class string    `cbor:"class"`
	// Newer is how many newer noncurrent versions have to exist.
	Newer int32 `cbor:"newer"`
}

const (
	maxRules = 1000
	maxID    = 255
	maxTags  = 50
)

func malformed() error {
	return awserr.New("MalformedXML", 400, "The XML you provided was not well-formed or did not validate against our published schema")
}

func invalidArgument(message string) error {
	return awserr.New("InvalidArgument", 400, "%s", message)
}

func invalidRequest(message string) error {
	return awserr.New("InvalidRequest", 400, "%s", message)
}

// Parse checks a configuration as S3 does and returns its rules. newID makes
// the id of a rule that has none.
func Parse(in *s3api.BucketLifecycleConfiguration, newID func() string) ([]Rule, error) {
	if in == nil || len(in.Rules) == 0 || len(in.Rules) > maxRules {
		return nil, malformed()
	}
	seen := map[string]bool{}
	rules := make([]Rule, 0, len(in.Rules))
	for i := range in.Rules {
		r, err := parseRule(&in.Rules[i], newID)
		if err != nil {
			return nil, err
		}
		if seen[r.ID] {
			return nil, invalidArgument("Rule ID must be unique. Found same ID for more than one rule")
		}
		seen[r.ID] = true
		rules = append(rules, *r)
	}
	return rules, nil
}

func parseRule(in *s3api.LifecycleRule, newID func() string) (*Rule, error) {
	r := &Rule{Enabled: in.Status == "Enabled"}
	if in.Status != "Enabled" && in.Status != "Disabled" {
		return nil, malformed()
	}
	if in.ID != nil {
		r.ID = *in.ID
	}
	if len(r.ID) > maxID {
		return nil, invalidArgument("ID length should not exceed allowed limit of 255")
	}
	if r.ID == "" {
		r.ID = newID()
	}
	if err := r.parseFilter(in); err != nil {
		return nil, err
	}
	if err := r.parseExpiration(in); err != nil {
		return nil, err
	}
	if err := r.parseNoncurrent(in); err != nil {
		return nil, err
	}
	for i := range in.Transitions {
		t := &in.Transitions[i]
		move := Transition{Days: value(t.Days), Date: value(t.Date), Class: value(t.StorageClass)}
		if (t.Days == nil) == (t.Date == nil) || !movable[move.Class] {
			return nil, malformed()
		}
		if t.Days != nil && *t.Days < 0 {
			return nil, invalidArgument("'Days' for Transition action must be nonnegative")
		}
		if err := midnight(move.Date); err != nil {
			return nil, err
		}
		r.Transitions = append(r.Transitions, move)
	}
	if a := in.AbortIncompleteMultipartUpload; a != nil {
		if r.AbortDays = value(a.DaysAfterInitiation); r.AbortDays <= 0 {
			return nil, invalidArgument("'DaysAfterInitiation' for AbortIncompleteMultipartUpload action must be a positive integer")
		}
		if len(r.Tags) > 0 || r.Greater != nil || r.Less != nil {
			return nil, invalidRequest("AbortIncompleteMultipartUpload cannot be specified with Tags or object sizes.")
		}
	}
	if !r.acts() {
		return nil, invalidRequest("At least one action needs to be specified in a rule")
	}
	return r, nil
}

// movable are the storage classes that a transition can lead to.
var movable = map[string]bool{
	"STANDARD_IA": true, "ONEZONE_IA": true, "INTELLIGENT_TIERING": true, "GLACIER": true, "GLACIER_IR": true, "DEEP_ARCHIVE": true,
}

func (r *Rule) acts() bool {
	return r.ExpireDays > 0 || !r.ExpireDate.IsZero() || r.ExpireMarkers || len(r.Transitions) > 0 ||
		r.NoncurrentDays > 0 || len(r.NoncurrentMoves) > 0 || r.AbortDays > 0
}

func (r *Rule) parseFilter(in *s3api.LifecycleRule) error {
	f := in.Filter
	if (f == nil) == (in.Prefix == nil) {
		return malformed()
	}
	if f == nil {
		r.Legacy, r.Prefix = true, *in.Prefix
		return nil
	}
	set := 0
	for _, is := range []bool{f.Prefix != nil, f.Tag != nil, f.ObjectSizeGreaterThan != nil, f.ObjectSizeLessThan != nil, f.And != nil} {
		if is {
			set++
		}
	}
	if set > 1 {
		return malformed()
	}
	r.Prefix, r.Greater, r.Less = value(f.Prefix), f.ObjectSizeGreaterThan, f.ObjectSizeLessThan
	tags := []s3api.Tag{}
	if f.Tag != nil {
		tags = append(tags, *f.Tag)
	}
	if a := f.And; a != nil {
		r.Prefix, r.Greater, r.Less = value(a.Prefix), a.ObjectSizeGreaterThan, a.ObjectSizeLessThan
		tags = a.Tags
	}
	if len(tags) > maxTags {
		return malformed()
	}
	for _, t := range tags {
		if _, twice := r.Tags[t.Key]; twice {
			return invalidRequest("Duplicate Tag Keys are not allowed.")
		}
		if r.Tags == nil {
			r.Tags = map[string]string{}
		}
		r.Tags[t.Key] = t.Value
	}
	if r.Greater != nil && r.Less != nil && *r.Greater >= *r.Less {
		return invalidRequest("'ObjectSizeLessThan' has to be a value greater than 'ObjectSizeGreaterThan'.")
	}
	return nil
}

func (r *Rule) parseExpiration(in *s3api.LifecycleRule) error {
	e := in.Expiration
	if e == nil {
		return nil
	}
	set := 0
	for _, is := range []bool{e.Days != nil, e.Date != nil, e.ExpiredObjectDeleteMarker != nil} {
		if is {
			set++
		}
	}
	if set != 1 {
		return malformed()
	}
	if e.Days != nil && *e.Days <= 0 {
		return invalidArgument("'Days' for Expiration action must be a positive integer")
	}
	r.ExpireDays, r.ExpireDate, r.ExpireMarkers = value(e.Days), value(e.Date), value(e.ExpiredObjectDeleteMarker)
	if r.ExpireMarkers && len(r.Tags) > 0 {
		return invalidRequest("ExpiredObjectDeleteMarker cannot be specified with Tags.")
	}
	return midnight(r.ExpireDate)
}

func (r *Rule) parseNoncurrent(in *s3api.LifecycleRule) error {
	if n := in.NoncurrentVersionExpiration; n != nil {
		if r.NoncurrentDays = value(n.NoncurrentDays); r.NoncurrentDays <= 0 {
			return invalidArgument("'NoncurrentDays' for NoncurrentVersionExpiration action must be a positive integer")
		}
		if n.NewerNoncurrentVersions != nil {
			if r.NewerNoncurrent = *n.NewerNoncurrentVersions; r.NewerNoncurrent <= 0 || r.NewerNoncurrent > 100 {
				return invalidArgument("'NewerNoncurrentVersions' for NoncurrentVersionExpiration action must be between 1 and 100")
			}
		}
	}
	for _, t := range in.NoncurrentVersionTransitions {
		move := Transition{Days: value(t.NoncurrentDays), Class: value(t.StorageClass), Newer: value(t.NewerNoncurrentVersions)}
		if t.NoncurrentDays == nil || !movable[move.Class] {
			return malformed()
		}
		r.NoncurrentMoves = append(r.NoncurrentMoves, move)
	}
	return nil
}

func midnight(t time.Time) error {
	if !t.IsZero() && !t.Equal(t.Truncate(24*time.Hour)) {
		return invalidArgument("'Date' must be at midnight GMT")
	}
	return nil
}

func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

// Output is the configuration of rules as the API returns it.
func Output(rules []Rule) []s3api.LifecycleRule {
	out := make([]s3api.LifecycleRule, 0, len(rules))
	for i := range rules {
		out = append(out, rules[i].output())
	}
	return out
}

func (r *Rule) output() s3api.LifecycleRule {
	out := s3api.LifecycleRule{ID: &r.ID, Status: "Disabled"}
	if r.Enabled {
		out.Status = "Enabled"
	}
	if r.Legacy {
		out.Prefix = &r.Prefix
	} else {
		out.Filter = r.filter()
	}
	switch {
	case r.ExpireDays > 0:
		out.Expiration = &s3api.LifecycleExpiration{Days: &r.ExpireDays}
	case !r.ExpireDate.IsZero():
		out.Expiration = &s3api.LifecycleExpiration{Date: &r.ExpireDate}
	case r.ExpireMarkers:
		out.Expiration = &s3api.LifecycleExpiration{ExpiredObjectDeleteMarker: &r.ExpireMarkers}
	}
	for i := range r.Transitions {
		t := &r.Transitions[i]
		move := s3api.Transition{StorageClass: &t.Class}
		if t.Date.IsZero() {
			move.Days = &t.Days
		} else {
			move.Date = &t.Date
		}
		out.Transitions = append(out.Transitions, move)
	}
	if r.NoncurrentDays > 0 {
		n := &s3api.NoncurrentVersionExpiration{NoncurrentDays: &r.NoncurrentDays}
		if r.NewerNoncurrent > 0 {
			n.NewerNoncurrentVersions = &r.NewerNoncurrent
		}
		out.NoncurrentVersionExpiration = n
	}
	for i := range r.NoncurrentMoves {
		t := &r.NoncurrentMoves[i]
		move := s3api.NoncurrentVersionTransition{NoncurrentDays: &t.Days, StorageClass: &t.Class}
		if t.Newer > 0 {
			move.NewerNoncurrentVersions = &t.Newer
		}
		out.NoncurrentVersionTransitions = append(out.NoncurrentVersionTransitions, move)
	}
	if r.AbortDays > 0 {
		out.AbortIncompleteMultipartUpload = &s3api.AbortIncompleteMultipartUpload{DaysAfterInitiation: &r.AbortDays}
	}
	return out
}

// filter writes one criterion alone, and several in And.
func (r *Rule) filter() *s3api.LifecycleRuleFilter {
	tags := make([]s3api.Tag, 0, len(r.Tags))
	for _, k := range sortedKeys(r.Tags) {
		tags = append(tags, s3api.Tag{Key: k, Value: r.Tags[k]})
	}
	n := len(tags)
	for _, is := range []bool{r.Prefix != "", r.Greater != nil, r.Less != nil} {
		if is {
			n++
		}
	}
	f := &s3api.LifecycleRuleFilter{}
	switch {
	case n > 1:
		f.And = &s3api.LifecycleRuleAndOperator{Tags: tags, ObjectSizeGreaterThan: r.Greater, ObjectSizeLessThan: r.Less}
		if r.Prefix != "" {
			f.And.Prefix = &r.Prefix
		}
	case len(tags) == 1:
		f.Tag = &tags[0]
	case r.Greater != nil || r.Less != nil:
		f.ObjectSizeGreaterThan, f.ObjectSizeLessThan = r.Greater, r.Less
	default:
		f.Prefix = &r.Prefix
	}
	return f
}
