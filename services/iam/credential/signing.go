package credential

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"time"

	api "github.com/gigawatt-cloud/gigawatt/api/iamapi"
	"github.com/gigawatt-cloud/gigawatt/aws/policy"
	"github.com/gigawatt-cloud/gigawatt/identity"
	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/service"
	"github.com/gigawatt-cloud/gigawatt/services/iam/entity"
)

// SigningCertificate is a user's X.509 signing certificate.
type SigningCertificate struct {
	ID       string    `cbor:"id"`
	Body     string    `cbor:"body"`
	Status   string    `cbor:"status"`
	Uploaded time.Time `cbor:"uploaded"`
}

// SigningCertificates are those of all users: account, user id, certificate id.
var SigningCertificates = kv.NewTable[SigningCertificate]("iam/signingcertificate")

const (
	maxSigning       = 2
	signingBelonging = "signing certificates"
)

func (x *SigningCertificate) api(user string) api.SigningCertificate {
	return api.SigningCertificate{UserName: user, CertificateId: x.ID, CertificateBody: x.Body, Status: x.Status, UploadDate: &x.Uploaded}
}

func (s *svc) needUploadSigningCertificate(c *service.Call, in *api.UploadSigningCertificateInput) []policy.Need {
	return entity.NeedCaller(c, s.who, "UploadSigningCertificate", in.UserName)
}

func (s *svc) uploadSigningCertificate(ctx context.Context, c *service.Call, in *api.UploadSigningCertificateInput) (*api.UploadSigningCertificateOutput, error) {
	cert, err := parseCertificate(in.CertificateBody)
	if err != nil {
		return nil, err
	}
	if c.Now.After(cert.NotAfter) {
		return nil, api.ErrInvalidCertificateException("The certificate has expired.")
	}
	x := &SigningCertificate{
		ID: strings.ToUpper(c.IDs.Alnum(32)), Body: in.CertificateBody, Status: api.StatusTypeActive, Uploaded: entity.Second(c),
	}
	out := &api.UploadSigningCertificateOutput{}
	return out, c.Update(ctx, func(tx *kv.Tx) error {
		u, err := userOf(tx, c, in.UserName)
		if err != nil {
			return err
		}
		n := 0
		for r, err := range SigningCertificates.Scan(tx, kv.Scan{Prefix: []any{c.Account, u.ID}}) {
			if err != nil {
				return err
			}
			if old, err := parseCertificate(r.Value.Body); err == nil && old.Equal(cert) {
				return api.ErrDuplicateCertificateException("The certificate is already associated with the user %s.", u.Name)
			}
			n++
		}
		if n >= maxSigning {
			return entity.ErrQuota("SigningCertificatesPerUser", maxSigning)
		}
		what := signingBelonging
		if err := identity.Belongings.Put(tx, &what, c.Account, u.ID, what, x.ID); err != nil {
			return err
		}
		shown := x.api(u.Name)
		out.Certificate = &shown
		return SigningCertificates.Put(tx, x, c.Account, u.ID, x.ID)
	})
}

// parseCertificate reads one certificate in PEM.
func parseCertificate(text string) (*x509.Certificate, error) {
	block, rest := pem.Decode([]byte(text))
	if block == nil || block.Type != "CERTIFICATE" || strings.TrimSpace(string(rest)) != "" {
		return nil, api.ErrMalformedCertificateException("The certificate is not one PEM block of the type CERTIFICATE.")
	}
	x, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, api.ErrMalformedCertificateException("The certificate is not an X.509 certificate.")
	}
	return x, nil
}

func (s *svc) needListSigningCertificates(c *service.Call, in *api.ListSigningCertificatesInput) []policy.Need {
	return entity.NeedCaller(c, s.who, "ListSigningCertificates", in.UserName)
}

func (s *svc) listSigningCertificates(ctx context.Context, c *service.Call, in *api.ListSigningCertificatesInput) (*api.ListSigningCertificatesOutput, error) {
	p, err := entity.NewPage(c, entity.Value(in.UserName), in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	out := &api.ListSigningCertificatesOutput{}
	err = c.View(ctx, func(tx *kv.Tx) error {
		u, err := userOf(tx, c, in.UserName)
		if err != nil {
			return err
		}
		rows := SigningCertificates.Scan(tx, kv.Scan{Prefix: []any{c.Account, u.ID}, After: p.After})
		out.Certificates, err = entity.Collect(p, rows, func(x *SigningCertificate) (api.SigningCertificate, bool, error) {
			return x.api(u.Name), true, nil
		})
		return err
	})
	out.IsTruncated, out.Marker = p.Truncated(), p.Marker()
	return out, err
}

func getSigning(tx *kv.Tx, c *service.Call, user *string, id string) (*identity.User, *SigningCertificate, error) {
	u, err := userOf(tx, c, user)
	if err != nil {
		return nil, nil, err
	}
	x, err := SigningCertificates.Get(tx, c.Account, u.ID, id)
	return u, x, entity.OrNoSuchEntity(err, "The Certificate with id %s cannot be found.", id)
}

func (s *svc) needUpdateSigningCertificate(c *service.Call, in *api.UpdateSigningCertificateInput) []policy.Need {
	return entity.NeedCaller(c, s.who, "UpdateSigningCertificate", in.UserName)
}

func (s *svc) updateSigningCertificate(ctx context.Context, c *service.Call, in *api.UpdateSigningCertificateInput) (*api.UpdateSigningCertificateOutput, error) {
	if err := settable(in.Status); err != nil {
		return nil, err
	}
	return &api.UpdateSigningCertificateOutput{}, c.Update(ctx, func(tx *kv.Tx) error {
		u, x, err := getSigning(tx, c, in.UserName, in.CertificateId)
		if err != nil {
			return err
		}
		x.Status = in.Status
		return SigningCertificates.Put(tx, x, c.Account, u.ID, x.ID)
	})
}

func (s *svc) needDeleteSigningCertificate(c *service.Call, in *api.DeleteSigningCertificateInput) []policy.Need {
	return entity.NeedCaller(c, s.who, "DeleteSigningCertificate", in.UserName)
}

func (s *svc) deleteSigningCertificate(ctx context.Context, c *service.Call, in *api.DeleteSigningCertificateInput) (*api.DeleteSigningCertificateOutput, error) {
	return &api.DeleteSigningCertificateOutput{}, c.Update(ctx, func(tx *kv.Tx) error {
		u, x, err := getSigning(tx, c, in.UserName, in.CertificateId)
		if err != nil {
			return err
		}
		if err := identity.Belongings.Delete(tx, c.Account, u.ID, signingBelonging, x.ID); err != nil {
			return err
		}
		return SigningCertificates.Delete(tx, c.Account, u.ID, x.ID)
	})
}
