package s3

import (
	"context"
	"unicode/utf8"

	"github.com/gigawatt-cloud/gigawatt/api/s3api"
	"github.com/gigawatt-cloud/gigawatt/aws/awserr"
	"github.com/gigawatt-cloud/gigawatt/aws/policy"
	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/service"
	"github.com/gigawatt-cloud/gigawatt/services/s3/event"
)

// tag is a key and its value.
type tag struct {
	Key   string `cbor:"k"`
	Value string `cbor:"v"`
}

const (
	maxBucketTags = 50
	maxObjectTags = 10
)

func (s *svc) tagHandlers() []*service.Handler {
	return []*service.Handler{
		service.Handle(s3api.PutBucketTagging, onBucket("PutBucketTagging", func(in *s3api.PutBucketTaggingInput) string { return in.Bucket }), s.putBucketTagging),
		service.Handle(s3api.GetBucketTagging, onBucket("GetBucketTagging", func(in *s3api.GetBucketTaggingInput) string { return in.Bucket }), s.getBucketTagging),
		service.Handle(s3api.DeleteBucketTagging, onBucket("PutBucketTagging", func(in *s3api.DeleteBucketTaggingInput) string { return in.Bucket }), s.deleteBucketTagging),
		service.Handle(s3api.PutObjectTagging, needPutObjectTagging, s.putObjectTagging),
		service.Handle(s3api.GetObjectTagging, needGetObjectTagging, s.getObjectTagging),
		service.Handle(s3api.DeleteObjectTagging, needDeleteObjectTagging, s.deleteObjectTagging),
	}
}

// parseTags checks a set of tags.
func parseTags(in []s3api.Tag, most int) ([]tag, error) {
	if len(in) > most {
		return nil, awserr.New("BadRequest", 400, "Object tags cannot be greater than %d", most)
	}
	seen := map[string]bool{}
	out := make([]tag, 0, len(in))
	for _, t := range in {
		switch n := utf8.RuneCountInString(t.Key); {
		case n == 0 || n > 128:
			return nil, awserr.New("InvalidTag", 400, "The TagKey you have provided is invalid")
		case utf8.RuneCountInString(t.Value) > 256:
			return nil, awserr.New("InvalidTag", 400, "The TagValue you have provided is invalid")
		case seen[t.Key]:
			return nil, awserr.New("InvalidTag", 400, "Cannot provide multiple Tags with the same key")
		}
		seen[t.Key] = true
		out = append(out, tag{t.Key, t.Value})
	}
	return out, nil
}

func tagSet(tags []tag) []s3api.Tag {
	out := make([]s3api.Tag, 0, len(tags))
	for _, t := range tags {
		out = append(out, s3api.Tag{Key: t.Key, Value: t.Value})
	}
	return out
}

func (s *svc) putBucketTagging(ctx context.Context, c *service.Call, in *s3api.PutBucketTaggingInput) (*s3api.PutBucketTaggingOutput, error) {
	if in.Tagging == nil {
		return nil, errMalformedXML()
	}
	tags, err := parseTags(in.Tagging.TagSet, maxBucketTags)
	if err != nil {
		return nil, err
	}
	return nil, changeBucket(ctx, c, in.Bucket, in.ExpectedBucketOwner, func(_ *kv.Tx, b *bucket) error {
		b.Tags = tags
		return nil
	})
}

func (s *svc) getBucketTagging(ctx context.Context, c *service.Call, in *s3api.GetBucketTaggingInput) (*s3api.GetBucketTaggingOutput, error) {
	b, err := viewBucket(ctx, c, in.Bucket, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	if len(b.Tags) == 0 {
		return nil, errNoConfiguration("NoSuchTagSet", "The TagSet does not exist", b.Name)
	}
	return &s3api.GetBucketTaggingOutput{TagSet: tagSet(b.Tags)}, nil
}

func (s *svc) deleteBucketTagging(ctx context.Context, c *service.Call, in *s3api.DeleteBucketTaggingInput) (*s3api.DeleteBucketTaggingOutput, error) {
	return nil, changeBucket(ctx, c, in.Bucket, in.ExpectedBucketOwner, func(_ *kv.Tx, b *bucket) error {
		b.Tags = nil
		return nil
	})
}

func needPutObjectTagging(_ *service.Call, in *s3api.PutObjectTaggingInput) []policy.Need {
	return []policy.Need{needObject("PutObjectTagging", "PutObjectVersionTagging", in.Bucket, in.Key, in.VersionId)}
}

func needGetObjectTagging(_ *service.Call, in *s3api.GetObjectTaggingInput) []policy.Need {
	return []policy.Need{needObject("GetObjectTagging", "GetObjectVersionTagging", in.Bucket, in.Key, in.VersionId)}
}

func needDeleteObjectTagging(_ *service.Call, in *s3api.DeleteObjectTaggingInput) []policy.Need {
	return []policy.Need{needObject("DeleteObjectTagging", "DeleteObjectVersionTagging", in.Bucket, in.Key, in.VersionId)}
}

// setTags replaces the tags of a version and returns its id.
func (s *svc) setTags(ctx context.Context, c *service.Call, bucket, key string, version, expected, payer *string, tags []tag) (shown *string, err error) {
	err = c.Update(ctx, func(tx *kv.Tx) error {
		b, err := findBucket(tx, bucket, expected)
		if err != nil {
			return err
		}
		if _, err := b.AdmitPayer(c, b.Owner, payer); err != nil {
			return err
		}
		o, err := findVersion(tx, b, key, value(version))
		if err != nil {
			return err
		}
		o.Tags, shown = tags, b.shown(o)
		if err := putRow(tx, b, o); err != nil {
			return err
		}
		name := event.TaggingPut
		if tags == nil {
			name = event.TaggingDelete
		}
		return s.emit(tx, c, b, o, name)
	})
	return shown, err
}

func (s *svc) putObjectTagging(ctx context.Context, c *service.Call, in *s3api.PutObjectTaggingInput) (*s3api.PutObjectTaggingOutput, error) {
	if in.Tagging == nil {
		return nil, errMalformedXML()
	}
	tags, err := parseTags(in.Tagging.TagSet, maxObjectTags)
	if err != nil {
		return nil, err
	}
	version, err := s.setTags(ctx, c, in.Bucket, in.Key, in.VersionId, in.ExpectedBucketOwner, in.RequestPayer, tags)
	if err != nil {
		return nil, err
	}
	return &s3api.PutObjectTaggingOutput{VersionId: version}, nil
}

func (s *svc) getObjectTagging(ctx context.Context, c *service.Call, in *s3api.GetObjectTaggingInput) (*s3api.GetObjectTaggingOutput, error) {
	out := &s3api.GetObjectTaggingOutput{}
	err := c.View(ctx, func(tx *kv.Tx) error {
		b, err := findBucket(tx, in.Bucket, in.ExpectedBucketOwner)
		if err != nil {
			return err
		}
		if _, err := b.AdmitPayer(c, b.Owner, in.RequestPayer); err != nil {
			return err
		}
		o, err := findVersion(tx, b, in.Key, value(in.VersionId))
		if err != nil {
			return err
		}
		out.TagSet, out.VersionId = tagSet(o.Tags), b.shown(o)
		return nil
	})
	return out, err
}

func (s *svc) deleteObjectTagging(ctx context.Context, c *service.Call, in *s3api.DeleteObjectTaggingInput) (*s3api.DeleteObjectTaggingOutput, error) {
	version, err := s.setTags(ctx, c, in.Bucket, in.Key, in.VersionId, in.ExpectedBucketOwner, nil, nil)
	if err != nil {
		return nil, err
	}
	return &s3api.DeleteObjectTaggingOutput{VersionId: version}, nil
}
