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

// lockRule is the retention that new versions of a bucket get.
type lockRule struct {
	Mode  string `cbor:"mode"`
	Days  int32  `cbor:"days"`
	Years int32  `cbor:"years"`
}

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

func (s *svc) putObjectLockConfiguration(ctx context.Context, c *service.Call, in *s3api.PutObjectLockConfigurationInput) (*s3api.PutObjectLockConfigurationOutput, error) {
	cfg := in.ObjectLockConfiguration
	if cfg == nil || value(cfg.ObjectLockEnabled) != s3api.ObjectLockEnabledEnabled {
		return nil, errMalformedXML()
	}
	rule, err := parseLockRule(cfg.Rule)
	if err != nil {
		return nil, err
	}
	out := &s3api.PutObjectLockConfigurationOutput{}
	return out, changeBucket(ctx, c, in.Bucket, in.ExpectedBucketOwner, func(_ *kv.Tx, b *bucket) error {
		if out.RequestCharged, err = b.admitPayer(c, in.RequestPayer); err != nil {
			return err
		}
		if b.Versioning != s3api.BucketVersioningStatusEnabled {
			return awserr.New("InvalidBucketState", 409, "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration")
		}
		b.Lock, b.DefaultLock = true, rule
		return nil
	})
}

func parseLockRule(in *s3api.ObjectLockRule) (*lockRule, error) {
	if in == nil {
		return nil, nil
	}
	d := in.DefaultRetention
	if d == nil || !validMode(value(d.Mode)) || (d.Days == nil) == (d.Years == nil) {
		return nil, errMalformedXML()
	}
	r := &lockRule{value(d.Mode), value(d.Days), value(d.Years)}
	switch {
	case r.Days < 0 || r.Years < 0 || r.Days == 0 && r.Years == 0:
		return nil, errInvalidArgument("Default retention period must be a positive integer value.", "Days", "")
	case r.Days > 36500 || r.Years > 100:
		return nil, errInvalidArgument("Default retention period is too large", "Days", "")
	}
	return r, nil
}

func validMode(mode string) bool {
	return mode == s3api.ObjectLockModeGovernance || mode == s3api.ObjectLockModeCompliance
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
	if d := b.DefaultLock; d != nil {
		cfg.Rule = &s3api.ObjectLockRule{DefaultRetention: &s3api.DefaultRetention{Mode: &d.Mode, Days: optional(d.Days), Years: optional(d.Years)}}
	}
	return &s3api.GetObjectLockConfigurationOutput{ObjectLockConfiguration: cfg}, nil
}

// lock gives a new version the locks that the request asks for, or the
// bucket's default.
func (a *attributes) lock(c *service.Call, b *bucket, o *object) error {
	if a.lockMode == nil && a.lockUntil == nil && a.legalHold == nil {
		if d := b.DefaultLock; d != nil {
			o.Mode, o.RetainUntil = d.Mode, c.Now.AddDate(int(d.Years), 0, int(d.Days))
		}
		return nil
	}
	switch {
	case !b.Lock:
		return errInvalidRequest("Bucket is missing Object Lock Configuration")
	case (a.lockMode == nil) != (a.lockUntil == nil):
		return errInvalidArgument("x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied", "x-amz-object-lock-mode", value(a.lockMode))
	case a.lockMode != nil && !validMode(*a.lockMode):
		return errInvalidArgument("Unknown wormMode directive.", "x-amz-object-lock-mode", *a.lockMode)
	case a.lockUntil != nil && !a.lockUntil.After(c.Now):
		return errInvalidArgument("The retain until date must be in the future!", "x-amz-object-lock-retain-until-date", a.lockUntil.Format(time.RFC3339))
	case a.legalHold != nil && *a.legalHold != s3api.ObjectLockLegalHoldStatusOn && *a.legalHold != s3api.ObjectLockLegalHoldStatusOff:
		return errInvalidArgument("Legal Hold must be either of 'ON' or 'OFF'", "x-amz-object-lock-legal-hold", *a.legalHold)
	}
	o.Mode, o.RetainUntil = value(a.lockMode), value(a.lockUntil)
	o.LegalHold = value(a.legalHold) == s3api.ObjectLockLegalHoldStatusOn
	return nil
}

// locked reports whether a version must not be deleted or lose its retention.
func (o *object) locked(now time.Time, bypass bool) bool {
	if o.LegalHold {
		return true
	}
	return o.RetainUntil.After(now) && (o.Mode == s3api.ObjectLockModeCompliance || !bypass)
}

func errLocked() error {
	return errAccessDenied("Access Denied because object protected by object lock.")
}

// needBypass is the permission to override governance retention.
func needBypass(bucket, key string, bypass *bool) []policy.Need {
	if !value(bypass) {
		return nil
	}
	return []policy.Need{{Action: "s3:BypassGovernanceRetention", Resource: objectARN(bucket, key)}}
}

func needPutObjectRetention(_ *service.Call, in *s3api.PutObjectRetentionInput) []policy.Need {
	n := policy.Need{Action: "s3:PutObjectRetention", Resource: objectARN(in.Bucket, in.Key)}
	if r := in.Retention; r != nil && r.Mode != nil {
		n.Context = policy.Context{"s3:object-lock-mode": {*r.Mode}}
	}
	return append([]policy.Need{n}, needBypass(in.Bucket, in.Key, in.BypassGovernanceRetention)...)
}

func needGetObjectRetention(_ *service.Call, in *s3api.GetObjectRetentionInput) []policy.Need {
	return []policy.Need{{Action: "s3:GetObjectRetention", Resource: objectARN(in.Bucket, in.Key)}}
}

func needPutObjectLegalHold(_ *service.Call, in *s3api.PutObjectLegalHoldInput) []policy.Need {
	return []policy.Need{{Action: "s3:PutObjectLegalHold", Resource: objectARN(in.Bucket, in.Key)}}
}

func needGetObjectLegalHold(_ *service.Call, in *s3api.GetObjectLegalHoldInput) []policy.Need {
	return []policy.Need{{Action: "s3:GetObjectLegalHold", Resource: objectARN(in.Bucket, in.Key)}}
}

// lockable names a version whose locks are read or changed.
type lockable struct {
	bucket, key              string
	version, expected, payer *string
}

func (l *lockable) find(tx *kv.Tx, c *service.Call) (b *bucket, o *object, charged *string, err error) {
	if b, err = findBucket(tx, l.bucket, l.expected); err != nil {
		return nil, nil, nil, err
	}
	if charged, err = b.admitPayer(c, l.payer); err != nil {
		return nil, nil, nil, err
	}
	if !b.Lock {
		return nil, nil, nil, errInvalidRequest("Bucket is missing Object Lock Configuration")
	}
	o, err = findVersion(tx, b, l.key, value(l.version))
	return b, o, charged, err
}

// change changes a version's row.
func (l *lockable) change(ctx context.Context, c *service.Call, change func(o *object) error) (charged *string, err error) {
	err = c.Update(ctx, func(tx *kv.Tx) error {
		b, o, paid, err := l.find(tx, c)
		if err != nil {
			return err
		}
		charged = paid
		if err := change(o); err != nil {
			return err
		}
		return putRow(tx, b, o)
	})
	return charged, err
}

// view reads a version's row.
func (l *lockable) view(ctx context.Context, c *service.Call) (o *object, err error) {
	err = c.View(ctx, func(tx *kv.Tx) (err error) {
		_, o, _, err = l.find(tx, c)
		return err
	})
	return o, err
}

func (s *svc) putObjectRetention(ctx context.Context, c *service.Call, in *s3api.PutObjectRetentionInput) (*s3api.PutObjectRetentionOutput, error) {
	r := in.Retention
	if r == nil {
		return nil, errMalformedXML()
	}
	clears := r.Mode == nil && r.RetainUntilDate == nil
	switch {
	case clears:
	case !validMode(value(r.Mode)) || r.RetainUntilDate == nil:
		return nil, errMalformedXML()
	case !r.RetainUntilDate.After(c.Now):
		return nil, errInvalidArgument("The retain until date must be in the future!", "RetainUntilDate", r.RetainUntilDate.Format(time.RFC3339))
	}
	l := lockable{in.Bucket, in.Key, in.VersionId, in.ExpectedBucketOwner, in.RequestPayer}
	charged, err := l.change(ctx, c, func(o *object) error {
		until := value(r.RetainUntilDate)
		weaker := until.Before(o.RetainUntil) || o.Mode == s3api.ObjectLockModeCompliance && value(r.Mode) != o.Mode || o.Mode != "" && clears ||
			o.Mode == s3api.ObjectLockModeGovernance && value(r.Mode) == s3api.ObjectLockModeCompliance && !value(in.BypassGovernanceRetention)
		held := o.RetainUntil.After(c.Now) && (o.Mode == s3api.ObjectLockModeCompliance || !value(in.BypassGovernanceRetention))
		if weaker && held {
			return errLocked()
		}
		o.Mode, o.RetainUntil = value(r.Mode), until
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &s3api.PutObjectRetentionOutput{RequestCharged: charged}, nil
}

func (s *svc) getObjectRetention(ctx context.Context, c *service.Call, in *s3api.GetObjectRetentionInput) (*s3api.GetObjectRetentionOutput, error) {
	l := lockable{in.Bucket, in.Key, in.VersionId, in.ExpectedBucketOwner, in.RequestPayer}
	o, err := l.view(ctx, c)
	if err != nil {
		return nil, err
	}
	if o.Mode == "" {
		return nil, awserr.New("NoSuchObjectLockConfiguration", 404, "The specified object does not have a ObjectLock configuration")
	}
	return &s3api.GetObjectRetentionOutput{Retention: &s3api.ObjectLockRetention{Mode: &o.Mode, RetainUntilDate: &o.RetainUntil}}, nil
}

func (s *svc) putObjectLegalHold(ctx context.Context, c *service.Call, in *s3api.PutObjectLegalHoldInput) (*s3api.PutObjectLegalHoldOutput, error) {
	if in.LegalHold == nil {
		return nil, errMalformedXML()
	}
	status := value(in.LegalHold.Status)
	if status != s3api.ObjectLockLegalHoldStatusOn && status != s3api.ObjectLockLegalHoldStatusOff {
		return nil, errMalformedXML()
	}
	l := lockable{in.Bucket, in.Key, in.VersionId, in.ExpectedBucketOwner, in.RequestPayer}
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
	l := lockable{in.Bucket, in.Key, in.VersionId, in.ExpectedBucketOwner, in.RequestPayer}
	o, err := l.view(ctx, c)
	if err != nil {
		return nil, err
	}
	status := s3api.ObjectLockLegalHoldStatusOff
	if o.LegalHold {
		status = s3api.ObjectLockLegalHoldStatusOn
	}
	return &s3api.GetObjectLegalHoldOutput{LegalHold: &s3api.ObjectLockLegalHold{Status: &status}}, nil
}
