package lifecycle

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// Version is what a decision depends on.
type Version struct {
	Key     string
	Size    int64
	Tags    map[string]string
	Class   string
	Created time.Time
	// Current says that it is the newest version of its key. Marker that it is
	// a delete marker. Only that the key has no other version.
	Current, Marker, Only bool
	// Noncurrent is when a newer version took its place; Newer how many
	// noncurrent versions are newer.
	Noncurrent time.Time
	Newer      int
}

// Action is what is to be done to a version.
type Action uint8

// The actions, from the weakest.
const (
	// Keep: nothing is due.
	Keep Action = iota
	// Move: the storage class changes.
	Move
	// Expire: what DeleteObject without a version does.
	Expire
	// Remove: this version is deleted for good.
	Remove
)

// Decision is an action and why.
type Decision struct {
	Action Action
	// Class is where Move leads.
	Class string
	Rule  string
}

const day = 24 * time.Hour

// due is when a period of days from t is over: the midnight after it.
func due(t time.Time, days int32) time.Time {
	end := t.Add(time.Duration(days) * day)
	up := end.Truncate(day)
	if up.Before(end) {
		up = up.Add(day)
	}
	return up
}

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }

// covers reports whether the rule's filter selects a version.
func (r *Rule) covers(v *Version) bool {
	if !r.Enabled || !strings.HasPrefix(v.Key, r.Prefix) ||
		r.Greater != nil && v.Size <= *r.Greater || r.Less != nil && v.Size >= *r.Less {
		return false
	}
	for k, want := range r.Tags {
		if got, ok := v.Tags[k]; !ok || got != want {
			return false
		}
	}
	return true
}

// classRank orders storage classes by how cold they are: versions only get colder.
var classRank = map[string]int{
	"": 0, "STANDARD": 0, "REDUCED_REDUNDANCY": 0, "STANDARD_IA": 1, "INTELLIGENT_TIERING": 2, "ONEZONE_IA": 3,
	"GLACIER_IR": 4, "GLACIER": 5, "DEEP_ARCHIVE": 6,
}

// Evaluate decides what is due for a version at a time. Deletion goes before
// transition, and the coldest class that is due before warmer ones.
func Evaluate(rules []Rule, v *Version, now time.Time) Decision {
	var best Decision
	for i := range rules {
		r := &rules[i]
		if !r.covers(v) {
			continue
		}
		d := r.decide(v, now)
		colder := d.Action == Move && best.Action == Move && classRank[d.Class] > classRank[best.Class]
		if d.Action > best.Action || colder {
			best = d
			best.Rule = r.ID
		}
	}
	return best
}

func (r *Rule) decide(v *Version, now time.Time) Decision {
	switch {
	case v.Current && v.Marker:
		// A delete marker goes when nothing is left behind it.
		aged := r.ExpireDays > 0 && !now.Before(due(v.Created, r.ExpireDays))
		if v.Only && (r.ExpireMarkers || aged) {
			return Decision{Action: Remove}
		}
		return Decision{}
	case v.Current:
		if at, ok := r.expiration(v); ok && !now.Before(at) {
			return Decision{Action: Expire}
		}
		return r.move(v, r.Transitions, v.Created, now)
	}
	if r.NoncurrentDays > 0 && v.Newer >= int(r.NewerNoncurrent) && !now.Before(due(v.Noncurrent, r.NoncurrentDays)) {
		return Decision{Action: Remove}
	}
	if v.Marker {
		return Decision{}
	}
	return r.move(v, r.NoncurrentMoves, v.Noncurrent, now)
}

func (r *Rule) expiration(v *Version) (time.Time, bool) {
	switch {
	case r.ExpireDays > 0:
		return due(v.Created, r.ExpireDays), true
	case !r.ExpireDate.IsZero():
		return r.ExpireDate, true
	}
	return time.Time{}, false
}

func (r *Rule) move(v *Version, moves []Transition, from, now time.Time) Decision {
	var d Decision
	for _, t := range moves {
		at := t.Date
		if at.IsZero() {
			at = due(from, t.Days)
		}
		if now.Before(at) || v.Newer < int(t.Newer) || classRank[t.Class] <= max(classRank[v.Class], classRank[d.Class]) {
			continue
		}
		d = Decision{Action: Move, Class: t.Class}
	}
	return d
}

// Expiration is when a current version will expire and by which rule, for the
// x-amz-expiration header; ok is false when none expires it.
func Expiration(rules []Rule, v *Version) (at time.Time, rule string, ok bool) {
	for i := range rules {
		r := &rules[i]
		if !r.covers(v) {
			continue
		}
		if t, is := r.expiration(v); is && (!ok || t.Before(at)) {
			at, rule, ok = t, r.ID, true
		}
	}
	return at, rule, ok
}

// Abort is when an upload that goes on will be aborted and by which rule.
func Abort(rules []Rule, key string, initiated time.Time) (at time.Time, rule string, ok bool) {
	for i := range rules {
		r := &rules[i]
		if !r.Enabled || r.AbortDays == 0 || !strings.HasPrefix(key, r.Prefix) {
			continue
		}
		if t := due(initiated, r.AbortDays); !ok || t.Before(at) {
			at, rule, ok = t, r.ID, true
		}
	}
	return at, rule, ok
}
