package provider

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"strings"

	api "github.com/gigawatt-cloud/gigawatt/api/iamapi"
	"github.com/gigawatt-cloud/gigawatt/aws/policy"
	"github.com/gigawatt-cloud/gigawatt/identity"
	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/service"
	"github.com/gigawatt-cloud/gigawatt/services/iam/entity"
)

const maxServerCertificates = 20

func getCertificate(tx *kv.Tx, c *service.Call, name string) (*identity.ServerCertificate, error) {
	x, err := identity.ServerCertificates.Find(tx, c.Account, name)
	return x, entity.OrNoSuchEntity(err, "The Server Certificate with name %s cannot be found.", name)
}

func apiCertificate(c *service.Call, x *identity.ServerCertificate) *api.ServerCertificateMetadata {
	return &api.ServerCertificateMetadata{
		Path: x.Path, ServerCertificateName: x.Name, ServerCertificateId: x.ID, Arn: identity.ServerCertificates.ARN(c.Account, x),
		UploadDate: &x.Created, Expiration: &x.Expires,
	}
}

func needUploadServerCertificate(c *service.Call, in *api.UploadServerCertificateInput) []policy.Need {
	return entity.WithTagging(entity.NeedNew(c, "UploadServerCertificate", identity.KindServerCertificate, in.Path, in.ServerCertificateName,
		entity.TagKeys(nil, in.Tags)), "TagServerCertificate", in.Tags)
}

func (s *svc) uploadServerCertificate(ctx context.Context, c *service.Call, in *api.UploadServerCertificateInput) (*api.UploadServerCertificateOutput, error) {
	leaf, err := checkPair(in.CertificateBody, in.PrivateKey, entity.Value(in.CertificateChain))
	if err != nil {
		return nil, err
	}
	x := &identity.ServerCertificate{
		Entity: entity.New(c, "ASCA", in.Path, in.ServerCertificateName),
		Body:   in.CertificateBody, Chain: entity.Value(in.CertificateChain), Expires: leaf.NotAfter.UTC(),
	}
	if x.Tags, err = entity.Retag(nil, in.Tags); err != nil {
		return nil, err
	}
	if x.PrivateKey, err = s.who.SealPrivateKey(x.ID, []byte(in.PrivateKey)); err != nil {
		return nil, err
	}
	err = c.Update(ctx, func(tx *kv.Tx) error {
		if err := entity.Quota(tx, c.Account, identity.KindServerCertificate, "ServerCertificatesPerAccount", maxServerCertificates); err != nil {
			return err
		}
		return entity.OrExists(identity.ServerCertificates.Create(tx, c.Account, x),
			"The Server Certificate with name %s already exists.", in.ServerCertificateName)
	})
	if err != nil {
		return nil, err
	}
	return &api.UploadServerCertificateOutput{ServerCertificateMetadata: apiCertificate(c, x), Tags: entity.Tags(x.Tags)}, nil
}

// checkPair verifies that a key belongs to a certificate and that each
// certificate of a chain has signed the one before it.
func checkPair(body, key, chain string) (*x509.Certificate, error) {
	list, err := parseCertificates(body)
	if err != nil {
		return nil, err
	}
	if len(list) != 1 {
		return nil, api.ErrMalformedCertificateException("CertificateBody has to hold exactly one certificate.")
	}
	leaf := list[0]
	private, err := parsePrivateKey(key)
	if err != nil {
		return nil, err
	}
	public, ok := private.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !public.Equal(leaf.PublicKey) {
		return nil, api.ErrKeyPairMismatchException("The private key does not match the certificate.")
	}
	if chain == "" {
		return leaf, nil
	}
	above, err := parseCertificates(chain)
	if err != nil {
		return nil, err
	}
	signed := leaf
	for _, x := range above {
		if err := signed.CheckSignatureFrom(x); err != nil {
			return nil, api.ErrMalformedCertificateException("Unable to validate certificate chain. The certificate chain must start with the immediate signing certificate, followed by any intermediaries in order.")
		}
		signed = x
	}
	return leaf, nil
}

func parseCertificates(text string) ([]*x509.Certificate, error) {
	var out []*x509.Certificate
	rest := []byte(text)
	for strings.TrimSpace(string(rest)) != "" {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil || block.Type != "CERTIFICATE" {
			return nil, api.ErrMalformedCertificateException("Unable to parse certificate. Please ensure the certificate is in PEM format.")
		}
		x, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, api.ErrMalformedCertificateException("Unable to parse certificate. Please ensure the certificate is in PEM format.")
		}
		out = append(out, x)
	}
	if len(out) == 0 {
		return nil, api.ErrMalformedCertificateException("Unable to parse certificate. Please ensure the certificate is in PEM format.")
	}
	return out, nil
}

func parsePrivateKey(text string) (crypto.Signer, error) {
	bad := api.ErrMalformedCertificateException("Unable to parse key. Please ensure the private key is in PEM format and not encrypted.")
	block, rest := pem.Decode([]byte(text))
	if block != nil && block.Type == "EC PARAMETERS" { // openssl puts them before the key
		block, _ = pem.Decode(rest)
	}
	if block == nil {
		return nil, bad
	}
	var k any
	var err error
	switch block.Type {
	case "PRIVATE KEY":
		k, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		k, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		k, err = x509.ParseECPrivateKey(block.Bytes)
	default:
		return nil, bad
	}
	signer, ok := k.(crypto.Signer)
	if err != nil || !ok {
		return nil, bad
	}
	return signer, nil
}

func (s *svc) needGetServerCertificate(c *service.Call, in *api.GetServerCertificateInput) []policy.Need {
	return entity.Need(c, s.who, "GetServerCertificate", identity.KindServerCertificate, in.ServerCertificateName, nil)
}

func (s *svc) getServerCertificate(ctx context.Context, c *service.Call, in *api.GetServerCertificateInput) (*api.GetServerCertificateOutput, error) {
	out := &api.GetServerCertificateOutput{}
	return out, c.View(ctx, func(tx *kv.Tx) error {
		x, err := getCertificate(tx, c, in.ServerCertificateName)
		if err != nil {
			return err
		}
		out.ServerCertificate = &api.ServerCertificate{
			ServerCertificateMetadata: apiCertificate(c, x), CertificateBody: x.Body, CertificateChain: entity.Ptr(x.Chain), Tags: entity.Tags(x.Tags),
		}
		return nil
	})
}

func needListServerCertificates(c *service.Call, in *api.ListServerCertificatesInput) []policy.Need {
	return entity.NeedList(c, "ListServerCertificates", identity.KindServerCertificate, in.PathPrefix)
}

func (s *svc) listServerCertificates(ctx context.Context, c *service.Call, in *api.ListServerCertificatesInput) (*api.ListServerCertificatesOutput, error) {
	prefix := entity.Value(in.PathPrefix)
	p, err := entity.NewPage(c, prefix, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	out := &api.ListServerCertificatesOutput{}
	err = c.View(ctx, func(tx *kv.Tx) error {
		rows := identity.ServerCertificates.Scan(tx, c.Account, p.After)
		out.ServerCertificateMetadataList, err = entity.Collect(p, rows, func(x *identity.ServerCertificate) (api.ServerCertificateMetadata, bool, error) {
			return *apiCertificate(c, x), entity.Under(x.Path, prefix), nil
		})
		return err
	})
	out.IsTruncated, out.Marker = p.Truncated(), p.Marker()
	return out, err
}

func (s *svc) needUpdateServerCertificate(c *service.Call, in *api.UpdateServerCertificateInput) []policy.Need {
	needs := entity.Need(c, s.who, "UpdateServerCertificate", identity.KindServerCertificate, in.ServerCertificateName, nil)
	if in.NewPath == nil && in.NewServerCertificateName == nil {
		return needs
	}
	path, name := entity.PathOf(needs[0].Resource), in.ServerCertificateName
	if in.NewPath != nil {
		path = *in.NewPath
	}
	if in.NewServerCertificateName != nil {
		name = *in.NewServerCertificateName
	}
	return append(needs, entity.NeedNew(c, "UpdateServerCertificate", identity.KindServerCertificate, &path, name, nil)...)
}

func (s *svc) updateServerCertificate(ctx context.Context, c *service.Call, in *api.UpdateServerCertificateInput) (*api.UpdateServerCertificateOutput, error) {
	return &api.UpdateServerCertificateOutput{}, c.Update(ctx, func(tx *kv.Tx) error {
		x, err := getCertificate(tx, c, in.ServerCertificateName)
		if err != nil {
			return err
		}
		if in.NewPath != nil {
			x.Path = *in.NewPath
		}
		name := x.Name
		if in.NewServerCertificateName != nil {
			name = *in.NewServerCertificateName
		}
		return entity.OrExists(identity.ServerCertificates.Rename(tx, c.Account, x, name), "The Server Certificate with name %s already exists.", name)
	})
}

func (s *svc) needDeleteServerCertificate(c *service.Call, in *api.DeleteServerCertificateInput) []policy.Need {
	return entity.Need(c, s.who, "DeleteServerCertificate", identity.KindServerCertificate, in.ServerCertificateName, nil)
}

func (s *svc) deleteServerCertificate(ctx context.Context, c *service.Call, in *api.DeleteServerCertificateInput) (*api.DeleteServerCertificateOutput, error) {
	return &api.DeleteServerCertificateOutput{}, c.Update(ctx, func(tx *kv.Tx) error {
		x, err := getCertificate(tx, c, in.ServerCertificateName)
		if err != nil {
			return err
		}
		return identity.ServerCertificates.Delete(tx, c.Account, x)
	})
}

func (s *svc) needTagServerCertificate(c *service.Call, in *api.TagServerCertificateInput) []policy.Need {
	return entity.Need(c, s.who, "TagServerCertificate", identity.KindServerCertificate, in.ServerCertificateName, entity.TagKeys(nil, in.Tags))
}

func (s *svc) tagServerCertificate(ctx context.Context, c *service.Call, in *api.TagServerCertificateInput) (*api.TagServerCertificateOutput, error) {
	return &api.TagServerCertificateOutput{}, c.Update(ctx, func(tx *kv.Tx) error {
		v, err := getCertificate(tx, c, in.ServerCertificateName)
		if err != nil {
			return err
		}
		if v.Tags, err = entity.Retag(v.Tags, in.Tags); err != nil {
			return err
		}
		return identity.ServerCertificates.Put(tx, c.Account, v)
	})
}

func (s *svc) needUntagServerCertificate(c *service.Call, in *api.UntagServerCertificateInput) []policy.Need {
	return entity.Need(c, s.who, "UntagServerCertificate", identity.KindServerCertificate, in.ServerCertificateName, entity.UntagKeys(nil, in.TagKeys))
}

func (s *svc) untagServerCertificate(ctx context.Context, c *service.Call, in *api.UntagServerCertificateInput) (*api.UntagServerCertificateOutput, error) {
	return &api.UntagServerCertificateOutput{}, c.Update(ctx, func(tx *kv.Tx) error {
		v, err := getCertificate(tx, c, in.ServerCertificateName)
		if err != nil {
			return err
		}
		v.Tags = entity.Untag(v.Tags, in.TagKeys)
		return identity.ServerCertificates.Put(tx, c.Account, v)
	})
}

func (s *svc) needListServerCertificateTags(c *service.Call, in *api.ListServerCertificateTagsInput) []policy.Need {
	return entity.Need(c, s.who, "ListServerCertificateTags", identity.KindServerCertificate, in.ServerCertificateName, nil)
}

func (s *svc) listServerCertificateTags(ctx context.Context, c *service.Call, in *api.ListServerCertificateTagsInput) (*api.ListServerCertificateTagsOutput, error) {
	p, err := entity.NewPage(c, in.ServerCertificateName, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	out := &api.ListServerCertificateTagsOutput{}
	err = c.View(ctx, func(tx *kv.Tx) error {
		v, err := getCertificate(tx, c, in.ServerCertificateName)
		if err != nil {
			return err
		}
		out.Tags, err = entity.TagPage(p, v.Tags)
		return err
	})
	out.IsTruncated, out.Marker = p.Truncated(), p.Marker()
	return out, err
}
