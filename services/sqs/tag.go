package sqs

import (
	"context"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/gigawatt-cloud/gigawatt/api/sqsapi"
	"github.com/gigawatt-cloud/gigawatt/aws/policy"
	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/service"
)

// AWS's limits on tags.
const (
	maxTags     = 50
	maxTagKey   = 128
	maxTagValue = 256
)

func checkTags(tags map[string]string) error {
	for _, k := range sortedKeys(tags) {
		switch n := utf8.RuneCountInString(k); {
		case n < 1 || n > maxTagKey:
			return errInvalidValue("Tag keys must be between 1 and 128 characters in length.")
		case strings.HasPrefix(lower(k), "aws:"):
			return errInvalidValue("Tag keys that begin with aws: are reserved: %s.", k)
		case utf8.RuneCountInString(tags[k]) > maxTagValue:
			return errInvalidValue("Tag values must be between 0 and 256 characters in length.")
		}
	}
	if len(tags) > maxTags {
		return errInvalidValue("Too many tags added. Maximum allowed is %d.", maxTags)
	}
	return nil
}

// requestTags are the condition keys of a request that sets tags.
func requestTags(tags map[string]string) policy.Context {
	out := policy.Context{"aws:tagkeys": sortedKeys(tags)}
	for k, v := range tags {
		out["aws:requesttag/"+lower(k)] = []string{v}
	}
	return out
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func needTagQueue(c *service.Call, in *sqsapi.TagQueueInput) []policy.Need {
	n := need(c, "TagQueue", in.QueueUrl)
	n[0].Context = requestTags(in.Tags)
	return n
}

func (s *svc) tagQueue(ctx context.Context, c *service.Call, in *sqsapi.TagQueueInput) (*sqsapi.TagQueueOutput, error) {
	if len(in.Tags) == 0 {
		return nil, errMissing("Tags")
	}
	if err := checkTags(in.Tags); err != nil {
		return nil, err
	}
	return nil, s.updateQueue(ctx, c, in.QueueUrl, func(tx *kv.Tx, q *queue) error {
		if q.Tags == nil {
			q.Tags = map[string]string{}
		}
		maps.Copy(q.Tags, in.Tags)
		if len(q.Tags) > maxTags {
			return errInvalidValue("Too many tags added for queue %s. Maximum allowed is %d.", q.Name, maxTags)
		}
		return putQueue(tx, q)
	})
}

func needUntagQueue(c *service.Call, in *sqsapi.UntagQueueInput) []policy.Need {
	n := need(c, "UntagQueue", in.QueueUrl)
	n[0].Context = policy.Context{"aws:tagkeys": in.TagKeys}
	return n
}

func (s *svc) untagQueue(ctx context.Context, c *service.Call, in *sqsapi.UntagQueueInput) (*sqsapi.UntagQueueOutput, error) {
	if len(in.TagKeys) == 0 {
		return nil, errMissing("TagKeys")
	}
	return nil, s.updateQueue(ctx, c, in.QueueUrl, func(tx *kv.Tx, q *queue) error {
		for _, k := range in.TagKeys {
			delete(q.Tags, k)
		}
		return putQueue(tx, q)
	})
}

func needListQueueTags(c *service.Call, in *sqsapi.ListQueueTagsInput) []policy.Need {
	return need(c, "ListQueueTags", in.QueueUrl)
}

func (s *svc) listQueueTags(ctx context.Context, c *service.Call, in *sqsapi.ListQueueTagsInput) (*sqsapi.ListQueueTagsOutput, error) {
	a, err := addressOf(c, in.QueueUrl)
	if err != nil {
		return nil, err
	}
	if err := own(c, a); err != nil {
		return nil, err
	}
	out := &sqsapi.ListQueueTagsOutput{}
	err = c.View(ctx, func(tx *kv.Tx) error {
		q, err := getQueue(tx, a)
		if err == nil {
			out.Tags = q.Tags
		}
		return err
	})
	return out, err
}
