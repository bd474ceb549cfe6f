package s3

import (
	"context"
	"time"

	"github.com/gigawatt-cloud/gigawatt/api/s3api"
	"github.com/gigawatt-cloud/gigawatt/aws/awserr"
	"github.com/gigawatt-cloud/gigawatt/aws/policy"
	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/service"
)

// lockRule is the retention of new versions: days or years.
type lockRule struct {
	Mode  string `cbor:"mode"`
	Days  int32  `cbor:"days"`
	Years int32  `cbor:"years"`
}

const (
	maxLockDays  = 36500
	maxLockYears = 100
)

func (s *svc) lockHandlers() []*service.Handler {
	return []*service.Handler{
		service.Handle(s3api.PutObjectLockConfiguration, onBucket("PutBucketObjectLockConfiguration", func(in *s3api.PutObjectLockConfigurationInput) string { return in.Bucket }), s.putObjectLockConfiguration).
			Refuse("Token", "ObjectLockConfiguration.Rule.DefaultRetention.DefaultEventHold"),
		service.Handle(s3api.GetObjectLockConfiguration, onBucket("GetBucketObjectLockConfiguration", func(in *s3api.GetObjectLockConfigurationInput) string { return in.Bucket }), s.getObjectLockConfiguration),
		service.Handle(s3api.PutObjectRetention, needPutObjectRetention, s.putObjectRetention).Refuse("Retention.EventHold", "Retention.EventHoldDuration"),
		service.Handle(s3api.GetObjectRetention, needGetObjectRetention, s.getObjectRetention),
		service.Handle(s3api.PutObjectLegalHold, needPutObjectLegalHold, s.putObjectLegalHold),
		service.Handle(s3api.GetObjectLegalHold, needGetObjectLegalHold, s.getObjectLegalHold),
	}
}

func lockMode(mode string) bool {
	return mode == s3api.ObjectLockRetentionModeGovernance || mode == s3api.ObjectLockRetentionModeCompliance
}

func errNoLock() error {
	return errInvalidRequest("Bucket is missing Object Lock Configuration")
}

func (s *svc) putObjectLockConfiguration(ctx context.Context, c *service.Call, in *s3api.PutObjectLockConfigurationInput) (*s3api.PutObjectLockConfigurationOutput, error) {
	cfg := in.ObjectLockConfiguration
	if cfg == nil || value(cfg.ObjectLockEnabled) != s3api.ObjectLockEnabledEnabled {
		return nil, errMalformedXML()
	}
	var rule *lockRule
	if cfg.Rule != nil {
		d := cfg.Rule.DefaultRetention
		if d == nil || !lockMode(value(d.Mode)) || (d.Days == nil) == (d.Years == nil) {
			return nil, errMalformedXML()
		}
		rule = &lockRule{Mode: *d.Mode, Days: value(d.Days), Years: value(d.Years)}
		if rule.Days < 0 || rule.Years < 0 || rule.Days == 0 && rule.Years == 0 {
			return nil, awserr.New("InvalidRetentionPeriod", 400, "Default retention period must be a positive integer value")
		}
		if rule.Days > maxLockDays || rule.Years > maxLockYears {
			return nil, awserr.New("InvalidRetentionPeriod", 400, "Default retention period too large")
		}
	}
	var charged *string
	err := changeBucket(ctx, c, in.Bucket, in.ExpectedBucketOwner, func(_ *kv.Tx, b *bucket) (err error) {
		if charged, err = b.AdmitPayer(c, b.Owner, in.RequestPayer); err != nil {
			return err
		}
		if b.Versioning != s3api.BucketVersioningStatusEnabled {
			return awserr.New("InvalidBucketState", 409, "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration")
		}
		b.Lock, b.DefaultLock = true, rule
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &s3api.PutObjectLockConfigurationOutput{RequestCharged: charged}, nil
}

func (s *svc) getObjectLockConfiguration(ctx context.Context, c *service.Call, in *s3api.GetObjectLockConfigurationInput) (*s3api.GetObjectLockConfigurationOutput, error) {
	b, err := viewBucket(ctx, c, in.Bucket, in.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	if !b.Lock {
		return nil, errNoConfiguration("ObjectLockConfigurationNotFoundError", "Object Lock configuration does not exist for this bucket", b.Name)
	}
	cfg := &s3api.ObjectLockConfiguration{ObjectLockEnabled: ptr(s3api.ObjectLockEnabledEnabled)}
	if r := b.DefaultLock; r != nil {
		cfg.Rule = &s3api.ObjectLockRule{DefaultRetention: &s3api.DefaultRetention{Mode: &r.Mode, Days: optional(r.Days), Years: optional(r.Years)}}
	}
	return &s3api.GetObjectLockConfigurationOutput{ObjectLockConfiguration: cfg}, nil
}

// lock sets a new version's retention and legal hold: the request's, or the
// bucket's default.
func (a *attributes) lock(c *service.Call, b *bucket, o *object) error {
	switch {
	case (a.lockMode == nil) != (a.lockUntil == nil):
		return errInvalidArgument("x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied", "x-amz-object-lock-mode", value(a.lockMode))
	case !b.Lock && (a.lockMode != nil || a.legalHold != nil):
		return errNoLock()
	case a.legalHold != nil && *a.legalHold != s3api.ObjectLockLegalHoldStatusOn && *a.legalHold != s3api.ObjectLockLegalHoldStatusOff:
		return errInvalidArgument("Legal Hold must be either of 'ON' or 'OFF'", "x-amz-object-lock-legal-hold", *a.legalHold)
	}
	o.LegalHold = value(a.legalHold) == s3api.ObjectLockLegalHoldStatusOn
	switch r := b.DefaultLock; {
	case a.lockMode != nil:
		if !lockMode(*a.lockMode) {
			return errInvalidArgument("Unknown wormMode directive.", "x-amz-object-lock-mode", *a.lockMode)
		}
		if !a.lockUntil.After(c.Now) {
			return errInvalidArgument("The retain until date must be in the future!", "x-amz-object-lock-retain-until-date", a.lockUntil.UTC().Format(time.RFC3339))
		}
		o.Mode, o.RetainUntil = *a.lockMode, a.lockUntil.UTC()
	case b.Lock && r != nil:
		o.Mode, o.RetainUntil = r.Mode, c.Now.AddDate(int(r.Years), 0, int(r.Days)).UTC()
	}
	return nil
}

// admitRemoval refuses to remove a version that is locked.
func (o *object) admitRemoval(now time.Time, bypass bool) error {
	active := o.Mode != "" && now.Before(o.RetainUntil)
	if o.LegalHold || active && (o.Mode == s3api.ObjectLockRetentionModeCompliance || !bypass) {
		return errAccessDenied("Access Denied because object protected by object lock.")
	}
	return nil
}

// needBypass is the permission to remove what is under governance.
func needBypass(bucket, key string, bypass *bool) []policy.Need {
	if !value(bypass) {
		return nil
	}
	return []policy.Need{{Action: "s3:BypassGovernanceRetention", Resource: objectARN(bucket, key)}}
}

func needPutObjectRetention(c *service.Call, in *s3api.PutObjectRetentionInput) []policy.Need {
	n := needObject("PutObjectRetention", "PutObjectRetention", in.Bucket, in.Key, in.VersionId)
	if r := in.Retention; r != nil && r.Mode != nil {
		if n.Context == nil {
			n.Context = policy.Context{}
		}
		n.Context.Set("s3:object-lock-mode", *r.Mode)
		if r.RetainUntilDate != nil {
			n.Context.Set("s3:object-lock-retain-until-date", r.RetainUntilDate.UTC().Format(time.RFC3339))
		}
	}
	return append([]policy.Need{n}, needBypass(in.Bucket, in.Key, in.BypassGovernanceRetention)...)
}

func needGetObjectRetention(_ *service.Call, in *s3api.GetObjectRetentionInput) []policy.Need {
	return []policy.Need{needObject("GetObjectRetention", "GetObjectRetention", in.Bucket, in.Key, in.VersionId)}
}

func needPutObjectLegalHold(_ *service.Call, in *s3api.PutObjectLegalHoldInput) []policy.Need {
	return []policy.Need{needObject("PutObjectLegalHold", "PutObjectLegalHold", in.Bucket, in.Key, in.VersionId)}
}

func needGetObjectLegalHold(_ *service.Call, in *s3api.GetObjectLegalHoldInput) []policy.Need {
	return []policy.Need{needObject("GetObjectLegalHold", "GetObjectLegalHold", in.Bucket, in.Key, in.VersionId)}
}

// lockable is one object version, named by a request that looks at its lock.
type lockable struct {
	bucket, key              string
	version, expected, payer *string
}

// find returns the version, in a bucket whose versions can be locked.
func (l *lockable) find(tx *kv.Tx, c *service.Call) (b *bucket, o *object, charged *string, err error) {
	if b, err = findBucket(tx, l.bucket, l.expected); err != nil {
		return nil, nil, nil, err
	}
	if charged, err = b.AdmitPayer(c, b.Owner, l.payer); err != nil {
		return nil, nil, nil, err
	}
	if !b.Lock {
		return nil, nil, nil, errNoLock()
	}
	o, err = findVersion(tx, b, l.key, value(l.version))
	return b, o, charged, err
}

// change changes the version's lock.
func (l *lockable) change(ctx context.Context, c *service.Call, change func(o *object) error) (charged *string, err error) {
	err = c.Update(ctx, func(tx *kv.Tx) error {
		var b *bucket
		var o *object
		if b, o, charged, err = l.find(tx, c); err != nil {
			return err
		}
		if err := change(o); err != nil {
			return err
		}
		return putRow(tx, b, o)
	})
	return charged, err
}

func (s *svc) putObjectRetention(ctx context.Context, c *service.Call, in *s3api.PutObjectRetentionInput) (*s3api.PutObjectRetentionOutput, error) {
	if in.Retention == nil {
		return nil, errMalformedXML()
	}
	mode, until := value(in.Retention.Mode), value(in.Retention.RetainUntilDate).UTC()
	if (mode == "") != (in.Retention.RetainUntilDate == nil) || mode != "" && !lockMode(mode) {
		return nil, errMalformedXML()
	}
	if mode != "" && !until.After(c.Now) {
		return nil, errInvalidArgument("The retain until date must be in the future!", "RetainUntilDate", until.Format(time.RFC3339))
	}
	l := &lockable{in.Bucket, in.Key, in.VersionId, in.ExpectedBucketOwner, in.RequestPayer}
	charged, err := l.change(ctx, c, func(o *object) error {
		weaker := mode != o.Mode || until.Before(o.RetainUntil)
		if o.Mode != "" && c.Now.Before(o.RetainUntil) && weaker {
			if o.Mode == s3api.ObjectLockRetentionModeCompliance || !value(in.BypassGovernanceRetention) {
				return errAccessDenied("Access Denied because object protected by object lock.")
			}
		}
		if o.Mode = mode; mode == "" {
			until = time.Time{}
		}
		o.RetainUntil = until
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &s3api.PutObjectRetentionOutput{RequestCharged: charged}, nil
}

func (s *svc) getObjectRetention(ctx context.Context, c *service.Call, in *s3api.GetObjectRetentionInput) (*s3api.GetObjectRetentionOutput, error) {
	out := &s3api.GetObjectRetentionOutput{}
	l := &lockable{in.Bucket, in.Key, in.VersionId, in.ExpectedBucketOwner, in.RequestPayer}
	err := c.View(ctx, func(tx *kv.Tx) error {
		_, o, _, err := l.find(tx, c)
		if err != nil {
			return err
		}
		if o.Mode == "" {
			return errNoObjectLock()
		}
		out.Retention = &s3api.ObjectLockRetention{Mode: &o.Mode, RetainUntilDate: &o.RetainUntil}
		return nil
	})
	return out, err
}

func errNoObjectLock() error {
	return awserr.New("NoSuchObjectLockConfiguration", 404, "The specified object does not have a ObjectLock configuration")
}

func (s *svc) putObjectLegalHold(ctx context.Context, c *service.Call, in *s3api.PutObjectLegalHoldInput) (*s3api.PutObjectLegalHoldOutput, error) {
	if in.LegalHold == nil {
		return nil, errMalformedXML()
	}
	status := value(in.LegalHold.Status)
	if status != s3api.ObjectLockLegalHoldStatusOn && status != s3api.ObjectLockLegalHoldStatusOff {
		return nil, errMalformedXML()
	}
	l := &lockable{in.Bucket, in.Key, in.VersionId, in.ExpectedBucketOwner, in.RequestPayer}
	charged, err := l.change(ctx, c, func(o *object) error {
		o.LegalHold = status == s3api.ObjectLockLegalHoldStatusOn
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &s3api.PutObjectLegalHoldOutput{RequestCharged: charged}, nil
}

func (s *svc) getObjectLegalHold(ctx context.Context, c *service.Call, in *s3api.GetObjectLegalHoldInput) (*s3api.GetObjectLegalHoldOutput, error) {
	out := &s3api.GetObjectLegalHoldOutput{}
	l := &lockable{in.Bucket, in.Key, in.VersionId, in.ExpectedBucketOwner, in.RequestPayer}
	err := c.View(ctx, func(tx *kv.Tx) error {
		_, o, _, err := l.find(tx, c)
		if err != nil {
			return err
		}
		status := s3api.ObjectLockLegalHoldStatusOff
		if o.LegalHold {
			status = s3api.ObjectLockLegalHoldStatusOn
		}
		out.LegalHold = &s3api.ObjectLockLegalHold{Status: &status}
		return nil
	})
	return out, err
}
