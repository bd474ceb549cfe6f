package provider

import (
	"context"

	api "github.com/gigawatt-cloud/gigawatt/api/iamapi"
	"github.com/gigawatt-cloud/gigawatt/aws/policy"
	"github.com/gigawatt-cloud/gigawatt/aws/saml"
	"github.com/gigawatt-cloud/gigawatt/identity"
	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/service"
	"github.com/gigawatt-cloud/gigawatt/services/iam/entity"
)

const maxSAMLProviders = 100

func getSAML(tx *kv.Tx, c *service.Call, providerARN string) (*identity.SAMLProvider, error) {
	p, err := identity.FindSAMLProvider(tx, c.Account, providerARN)
	return p, entity.OrNoSuchEntity(err, "Manifest not found for arn %s", providerARN)
}

func needCreateSAMLProvider(c *service.Call, in *api.CreateSAMLProviderInput) []policy.Need {
	return entity.WithTagging(entity.NeedNew(c, "CreateSAMLProvider", identity.KindSAMLProvider, nil, in.Name,
		entity.TagKeys(nil, in.Tags)), "TagSAMLProvider", in.Tags)
}

func (s *svc) createSAMLProvider(ctx context.Context, c *service.Call, in *api.CreateSAMLProviderInput) (*api.CreateSAMLProviderOutput, error) {
	p := &identity.SAMLProvider{Entity: entity.New(c, "ASMP", nil, in.Name)}
	err := setMetadata(p, in.SAMLMetadataDocument, c)
	if err != nil {
		return nil, err
	}
	if p.Tags, err = entity.Retag(nil, in.Tags); err != nil {
		return nil, err
	}
	err = c.Update(ctx, func(tx *kv.Tx) error {
		if err := entity.Quota(tx, c.Account, identity.KindSAMLProvider, "SAMLProvidersPerAccount", maxSAMLProviders); err != nil {
			return err
		}
		return entity.OrExists(identity.SAMLProviders.Create(tx, c.Account, p), "SAMLProvider with name %s already exists.", in.Name)
	})
	if err != nil {
		return nil, err
	}
	a := identity.SAMLProviders.ARN(c.Account, p)
	return &api.CreateSAMLProviderOutput{SAMLProviderArn: &a, Tags: entity.Tags(p.Tags)}, nil
}

// endless is for how long metadata is good that does not say so.
const endless = 100 // years

func setMetadata(p *identity.SAMLProvider, document string, c *service.Call) error {
	md, err := saml.ParseMetadata([]byte(document))
	if err != nil {
		return api.ErrInvalidInputException("Could not parse metadata")
	}
	p.Metadata, p.ValidUntil = document, md.ValidUntil
	if p.ValidUntil.IsZero() {
		p.ValidUntil = entity.Second(c).AddDate(endless, 0, 0)
	}
	return nil
}

func needGetSAMLProvider(_ *service.Call, in *api.GetSAMLProviderInput) []policy.Need {
	return entity.NeedARN("GetSAMLProvider", in.SAMLProviderArn, nil)
}

func (s *svc) getSAMLProvider(ctx context.Context, c *service.Call, in *api.GetSAMLProviderInput) (*api.GetSAMLProviderOutput, error) {
	out := &api.GetSAMLProviderOutput{}
	return out, c.View(ctx, func(tx *kv.Tx) error {
		p, err := getSAML(tx, c, in.SAMLProviderArn)
		if err != nil {
			return err
		}
		*out = api.GetSAMLProviderOutput{
			SAMLProviderUUID: &p.ID, SAMLMetadataDocument: &p.Metadata, CreateDate: &p.Created, ValidUntil: &p.ValidUntil, Tags: entity.Tags(p.Tags),
		}
		return nil
	})
}

func needListSAMLProviders(*service.Call, *api.ListSAMLProvidersInput) []policy.Need {
	return entity.NeedAny("ListSAMLProviders")
}

func (s *svc) listSAMLProviders(ctx context.Context, c *service.Call, _ *api.ListSAMLProvidersInput) (*api.ListSAMLProvidersOutput, error) {
	out := &api.ListSAMLProvidersOutput{}
	return out, c.View(ctx, func(tx *kv.Tx) error {
		out.SAMLProviderList = []api.SAMLProviderListEntry{}
		for r, err := range identity.SAMLProviders.Scan(tx, c.Account, nil) {
			if err != nil {
				return err
			}
			p := r.Value
			a := identity.SAMLProviders.ARN(c.Account, p)
			out.SAMLProviderList = append(out.SAMLProviderList, api.SAMLProviderListEntry{Arn: &a, ValidUntil: &p.ValidUntil, CreateDate: &p.Created})
		}
		return nil
	})
}

func needUpdateSAMLProvider(_ *service.Call, in *api.UpdateSAMLProviderInput) []policy.Need {
	return entity.NeedARN("UpdateSAMLProvider", in.SAMLProviderArn, nil)
}

func (s *svc) updateSAMLProvider(ctx context.Context, c *service.Call, in *api.UpdateSAMLProviderInput) (*api.UpdateSAMLProviderOutput, error) {
	return &api.UpdateSAMLProviderOutput{SAMLProviderArn: &in.SAMLProviderArn}, c.Update(ctx, func(tx *kv.Tx) error {
		p, err := getSAML(tx, c, in.SAMLProviderArn)
		if err != nil {
			return err
		}
		if in.SAMLMetadataDocument == nil {
			return nil
		}
		if err := setMetadata(p, *in.SAMLMetadataDocument, c); err != nil {
			return err
		}
		return identity.SAMLProviders.Put(tx, c.Account, p)
	})
}

func needDeleteSAMLProvider(_ *service.Call, in *api.DeleteSAMLProviderInput) []policy.Need {
	return entity.NeedARN("DeleteSAMLProvider", in.SAMLProviderArn, nil)
}

func (s *svc) deleteSAMLProvider(ctx context.Context, c *service.Call, in *api.DeleteSAMLProviderInput) (*api.DeleteSAMLProviderOutput, error) {
	return &api.DeleteSAMLProviderOutput{}, c.Update(ctx, func(tx *kv.Tx) error {
		p, err := getSAML(tx, c, in.SAMLProviderArn)
		if err != nil {
			return err
		}
		return identity.SAMLProviders.Delete(tx, c.Account, p)
	})
}

func needTagSAMLProvider(_ *service.Call, in *api.TagSAMLProviderInput) []policy.Need {
	return entity.NeedARN("TagSAMLProvider", in.SAMLProviderArn, entity.TagKeys(nil, in.Tags))
}

func (s *svc) tagSAMLProvider(ctx context.Context, c *service.Call, in *api.TagSAMLProviderInput) (*api.TagSAMLProviderOutput, error) {
	return &api.TagSAMLProviderOutput{}, c.Update(ctx, func(tx *kv.Tx) error {
		v, err := getSAML(tx, c, in.SAMLProviderArn)
		if err != nil {
			return err
		}
		if v.Tags, err = entity.Retag(v.Tags, in.Tags); err != nil {
			return err
		}
		return identity.SAMLProviders.Put(tx, c.Account, v)
	})
}

func needUntagSAMLProvider(_ *service.Call, in *api.UntagSAMLProviderInput) []policy.Need {
	return entity.NeedARN("UntagSAMLProvider", in.SAMLProviderArn, entity.UntagKeys(nil, in.TagKeys))
}

func (s *svc) untagSAMLProvider(ctx context.Context, c *service.Call, in *api.UntagSAMLProviderInput) (*api.UntagSAMLProviderOutput, error) {
	return &api.UntagSAMLProviderOutput{}, c.Update(ctx, func(tx *kv.Tx) error {
		v, err := getSAML(tx, c, in.SAMLProviderArn)
		if err != nil {
			return err
		}
		v.Tags = entity.Untag(v.Tags, in.TagKeys)
		return identity.SAMLProviders.Put(tx, c.Account, v)
	})
}

func needListSAMLProviderTags(_ *service.Call, in *api.ListSAMLProviderTagsInput) []policy.Need {
	return entity.NeedARN("ListSAMLProviderTags", in.SAMLProviderArn, nil)
}

func (s *svc) listSAMLProviderTags(ctx context.Context, c *service.Call, in *api.ListSAMLProviderTagsInput) (*api.ListSAMLProviderTagsOutput, error) {
	p, err := entity.NewPage(c, in.SAMLProviderArn, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	out := &api.ListSAMLProviderTagsOutput{}
	err = c.View(ctx, func(tx *kv.Tx) error {
		v, err := getSAML(tx, c, in.SAMLProviderArn)
		if err != nil {
			return err
		}
		out.Tags, err = entity.TagPage(p, v.Tags)
		return err
	})
	out.IsTruncated, out.Marker = p.Truncated(), p.Marker()
	return out, err
}
