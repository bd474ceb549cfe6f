package entity

import (
	"slices"
	"strings"

	api "github.com/gigawatt-cloud/gigawatt/api/iamapi"
	"github.com/gigawatt-cloud/gigawatt/aws/policy"
	"github.com/gigawatt-cloud/gigawatt/identity"
)

const maxTags = 50

// TagKeys are the condition keys of a request with tags, added to keys, which
// may be nil.
func TagKeys(keys policy.Context, tags []api.Tag) policy.Context {
	names := make([]string, len(tags))
	for i, t := range tags {
		if keys == nil {
			keys = policy.Context{}
		}
		keys.Set("aws:RequestTag/"+t.Key, t.Value)
		names[i] = t.Key
	}
	return UntagKeys(keys, names)
}

// UntagKeys are the condition keys of a request that names tags' keys.
func UntagKeys(keys policy.Context, names []string) policy.Context {
	if len(names) == 0 {
		return keys
	}
	if keys == nil {
		keys = policy.Context{}
	}
	keys.Set("aws:TagKeys", names...)
	return keys
}

// Retag returns tags with a request's set over them. Keys are the same
// regardless of case, and keep the spelling of the last request.
func Retag(tags []identity.Tag, set []api.Tag) ([]identity.Tag, error) {
	out := slices.Clone(tags)
	for i, t := range set {
		if strings.HasPrefix(strings.ToLower(t.Key), "aws:") {
			return nil, api.ErrInvalidInputException("Tag keys that begin with aws: are reserved for the system.")
		}
		if slices.ContainsFunc(set[:i], func(o api.Tag) bool { return strings.EqualFold(o.Key, t.Key) }) {
			return nil, api.ErrInvalidInputException("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
		}
		n := identity.Tag{Key: t.Key, Value: t.Value}
		if at := slices.IndexFunc(out, func(o identity.Tag) bool { return strings.EqualFold(o.Key, t.Key) }); at >= 0 {
			out[at] = n
		} else {
			out = append(out, n)
		}
	}
	if len(out) > maxTags {
		return nil, api.ErrLimitExceededException("The number of tags has reached the maximum limit.")
	}
	return out, nil
}

// Untag returns tags without some keys.
func Untag(tags []identity.Tag, keys []string) []identity.Tag {
	return slices.DeleteFunc(slices.Clone(tags), func(t identity.Tag) bool {
		return slices.ContainsFunc(keys, func(k string) bool { return strings.EqualFold(k, t.Key) })
	})
}

// Tags are tags as the API has them; nil for none.
func Tags(tags []identity.Tag) []api.Tag {
	var out []api.Tag
	for _, t := range tags {
		out = append(out, api.Tag{Key: t.Key, Value: t.Value})
	}
	return out
}

// TagPage lists tags.
func TagPage(p *Page, tags []identity.Tag) ([]api.Tag, error) {
	return Collect(p, Rows(Tags(tags), p.After), All[api.Tag])
}
