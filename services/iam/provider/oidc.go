package provider

import (
	"context"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	api "github.com/gigawatt-cloud/gigawatt/api/iamapi"
	"github.com/gigawatt-cloud/gigawatt/aws/policy"
	"github.com/gigawatt-cloud/gigawatt/identity"
	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/service"
	"github.com/gigawatt-cloud/gigawatt/services/iam/entity"
)

// What an account may have of OpenID Connect.
const (
	maxOIDCProviders = 100
	maxClientIDs     = 100
	maxThumbprints   = 5
)

func getOIDC(tx *kv.Tx, c *service.Call, providerARN string) (*identity.OIDCProvider, error) {
	p, err := identity.FindOIDCProvider(tx, c.Account, providerARN)
	return p, entity.OrNoSuchEntity(err, "OpenIDConnect Provider not found for arn %s", providerARN)
}

func needCreateOpenIDConnectProvider(c *service.Call, in *api.CreateOpenIDConnectProviderInput) []policy.Need {
	return entity.WithTagging(entity.NeedNew(c, "CreateOpenIDConnectProvider", identity.KindOIDCProvider, nil, identity.OIDCName(in.Url),
		entity.TagKeys(nil, in.Tags)), "TagOpenIDConnectProvider", in.Tags)
}

// createOpenIDConnectProvider asks the provider nothing: its keys are fetched
// when the first token comes.
//
// Differs from AWS: without ThumbprintList none is fetched, and the issuer's server has to have a certificate that this machine trusts.
func (s *svc) createOpenIDConnectProvider(ctx context.Context, c *service.Call, in *api.CreateOpenIDConnectProviderInput) (*api.CreateOpenIDConnectProviderOutput, error) {
	if err := checkIssuer(in.Url); err != nil {
		return nil, err
	}
	prints, err := thumbprints(in.ThumbprintList)
	if err != nil {
		return nil, err
	}
	clients, err := clientIDs(in.ClientIDList)
	if err != nil {
		return nil, err
	}
	p := &identity.OIDCProvider{
		Entity: entity.New(c, "AOIP", nil, identity.OIDCName(in.Url)), URL: in.Url, ClientIDs: clients, Thumbprints: prints,
	}
	if p.Tags, err = entity.Retag(nil, in.Tags); err != nil {
		return nil, err
	}
	err = c.Update(ctx, func(tx *kv.Tx) error {
		if err := entity.Quota(tx, c.Account, identity.KindOIDCProvider, "OpenIdConnectProvidersPerAccount", maxOIDCProviders); err != nil {
			return err
		}
		return entity.OrExists(identity.OIDCProviders.Create(tx, c.Account, p), "Provider with url %s already exists.", in.Url)
	})
	if err != nil {
		return nil, err
	}
	a := identity.OIDCProviders.ARN(c.Account, p)
	return &api.CreateOpenIDConnectProviderOutput{OpenIDConnectProviderArn: &a, Tags: entity.Tags(p.Tags)}, nil
}

// checkIssuer wants an address that tokens can name as their issuer.
//
// Differs from AWS: an issuer on a loopback address may use http, and any issuer may have a port.
func checkIssuer(issuer string) error {
	u, err := url.Parse(issuer)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.Contains(issuer, "*") {
		return entity.ErrValidation("Invalid Open ID Connect Provider URL")
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())) {
		return entity.ErrValidation("Invalid Open ID Connect Provider URL: it has to begin with https://")
	}
	return nil
}

func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

func thumbprints(list []string) ([]string, error) {
	if len(list) > maxThumbprints {
		return nil, api.ErrInvalidInputException("Thumbprint list must contain fewer than %d entries.", maxThumbprints)
	}
	var out []string
	for _, t := range list {
		t = strings.ToLower(t)
		if len(t) != 40 || strings.Trim(t, "0123456789abcdef") != "" {
			return nil, api.ErrInvalidInputException("A thumbprint has 40 hexadecimal digits.")
		}
		if !slices.Contains(out, t) {
			out = append(out, t)
		}
	}
	return out, nil
}

func clientIDs(list []string) ([]string, error) {
	var out []string
	for _, id := range list {
		if !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	if len(out) > maxClientIDs {
		return nil, entity.ErrQuota("ClientIdsPerOpenIdConnectProvider", maxClientIDs)
	}
	return out, nil
}

func needGetOpenIDConnectProvider(_ *service.Call, in *api.GetOpenIDConnectProviderInput) []policy.Need {
	return entity.NeedARN("GetOpenIDConnectProvider", in.OpenIDConnectProviderArn, nil)
}

func (s *svc) getOpenIDConnectProvider(ctx context.Context, c *service.Call, in *api.GetOpenIDConnectProviderInput) (*api.GetOpenIDConnectProviderOutput, error) {
	out := &api.GetOpenIDConnectProviderOutput{}
	return out, c.View(ctx, func(tx *kv.Tx) error {
		p, err := getOIDC(tx, c, in.OpenIDConnectProviderArn)
		if err != nil {
			return err
		}
		*out = api.GetOpenIDConnectProviderOutput{
			Url: &p.Name, ClientIDList: p.ClientIDs, ThumbprintList: p.Thumbprints, CreateDate: &p.Created, Tags: entity.Tags(p.Tags),
		}
		return nil
	})
}

func needListOpenIDConnectProviders(*service.Call, *api.ListOpenIDConnectProvidersInput) []policy.Need {
	return entity.NeedAny("ListOpenIDConnectProviders")
}

func (s *svc) listOpenIDConnectProviders(ctx context.Context, c *service.Call, _ *api.ListOpenIDConnectProvidersInput) (*api.ListOpenIDConnectProvidersOutput, error) {
	out := &api.ListOpenIDConnectProvidersOutput{}
	return out, c.View(ctx, func(tx *kv.Tx) error {
		out.OpenIDConnectProviderList = []api.OpenIDConnectProviderListEntry{}
		for r, err := range identity.OIDCProviders.Scan(tx, c.Account, nil) {
			if err != nil {
				return err
			}
			a := identity.OIDCProviders.ARN(c.Account, r.Value)
			out.OpenIDConnectProviderList = append(out.OpenIDConnectProviderList, api.OpenIDConnectProviderListEntry{Arn: &a})
		}
		return nil
	})
}

// updateOIDC changes a provider in one transaction.
func updateOIDC(ctx context.Context, c *service.Call, providerARN string, fn func(p *identity.OIDCProvider) error) error {
	return c.Update(ctx, func(tx *kv.Tx) error {
		p, err := getOIDC(tx, c, providerARN)
		if err != nil {
			return err
		}
		if err := fn(p); err != nil {
			return err
		}
		return identity.OIDCProviders.Put(tx, c.Account, p)
	})
}

func needAddClientID(_ *service.Call, in *api.AddClientIDToOpenIDConnectProviderInput) []policy.Need {
	return entity.NeedARN("AddClientIDToOpenIDConnectProvider", in.OpenIDConnectProviderArn, nil)
}

func (s *svc) addClientID(ctx context.Context, c *service.Call, in *api.AddClientIDToOpenIDConnectProviderInput) (*api.AddClientIDToOpenIDConnectProviderOutput, error) {
	return &api.AddClientIDToOpenIDConnectProviderOutput{}, updateOIDC(ctx, c, in.OpenIDConnectProviderArn, func(p *identity.OIDCProvider) (err error) {
		p.ClientIDs, err = clientIDs(append(p.ClientIDs, in.ClientID))
		return err
	})
}

func needRemoveClientID(_ *service.Call, in *api.RemoveClientIDFromOpenIDConnectProviderInput) []policy.Need {
	return entity.NeedARN("RemoveClientIDFromOpenIDConnectProvider", in.OpenIDConnectProviderArn, nil)
}

func (s *svc) removeClientID(ctx context.Context, c *service.Call, in *api.RemoveClientIDFromOpenIDConnectProviderInput) (*api.RemoveClientIDFromOpenIDConnectProviderOutput, error) {
	return &api.RemoveClientIDFromOpenIDConnectProviderOutput{}, updateOIDC(ctx, c, in.OpenIDConnectProviderArn, func(p *identity.OIDCProvider) error {
		p.ClientIDs = slices.DeleteFunc(p.ClientIDs, func(id string) bool { return id == in.ClientID })
		return nil
	})
}

func needUpdateThumbprint(_ *service.Call, in *api.UpdateOpenIDConnectProviderThumbprintInput) []policy.Need {
	return entity.NeedARN("UpdateOpenIDConnectProviderThumbprint", in.OpenIDConnectProviderArn, nil)
}

func (s *svc) updateThumbprint(ctx context.Context, c *service.Call, in *api.UpdateOpenIDConnectProviderThumbprintInput) (*api.UpdateOpenIDConnectProviderThumbprintOutput, error) {
	prints, err := thumbprints(in.ThumbprintList)
	if err != nil {
		return nil, err
	}
	return &api.UpdateOpenIDConnectProviderThumbprintOutput{}, updateOIDC(ctx, c, in.OpenIDConnectProviderArn, func(p *identity.OIDCProvider) error {
		p.Thumbprints = prints
		return nil
	})
}

func needDeleteOpenIDConnectProvider(_ *service.Call, in *api.DeleteOpenIDConnectProviderInput) []policy.Need {
	return entity.NeedARN("DeleteOpenIDConnectProvider", in.OpenIDConnectProviderArn, nil)
}

func (s *svc) deleteOpenIDConnectProvider(ctx context.Context, c *service.Call, in *api.DeleteOpenIDConnectProviderInput) (*api.DeleteOpenIDConnectProviderOutput, error) {
	return &api.DeleteOpenIDConnectProviderOutput{}, c.Update(ctx, func(tx *kv.Tx) error {
		p, err := getOIDC(tx, c, in.OpenIDConnectProviderArn)
		if err != nil {
			return err
		}
		return identity.OIDCProviders.Delete(tx, c.Account, p)
	})
}

func needTagOpenIDConnectProvider(_ *service.Call, in *api.TagOpenIDConnectProviderInput) []policy.Need {
	return entity.NeedARN("TagOpenIDConnectProvider", in.OpenIDConnectProviderArn, entity.TagKeys(nil, in.Tags))
}

func (s *svc) tagOpenIDConnectProvider(ctx context.Context, c *service.Call, in *api.TagOpenIDConnectProviderInput) (*api.TagOpenIDConnectProviderOutput, error) {
	return &api.TagOpenIDConnectProviderOutput{}, c.Update(ctx, func(tx *kv.Tx) error {
		v, err := getOIDC(tx, c, in.OpenIDConnectProviderArn)
		if err != nil {
			return err
		}
		if v.Tags, err = entity.Retag(v.Tags, in.Tags); err != nil {
			return err
		}
		return identity.OIDCProviders.Put(tx, c.Account, v)
	})
}

func needUntagOpenIDConnectProvider(_ *service.Call, in *api.UntagOpenIDConnectProviderInput) []policy.Need {
	return entity.NeedARN("UntagOpenIDConnectProvider", in.OpenIDConnectProviderArn, entity.UntagKeys(nil, in.TagKeys))
}

func (s *svc) untagOpenIDConnectProvider(ctx context.Context, c *service.Call, in *api.UntagOpenIDConnectProviderInput) (*api.UntagOpenIDConnectProviderOutput, error) {
	return &api.UntagOpenIDConnectProviderOutput{}, c.Update(ctx, func(tx *kv.Tx) error {
		v, err := getOIDC(tx, c, in.OpenIDConnectProviderArn)
		if err != nil {
			return err
		}
		v.Tags = entity.Untag(v.Tags, in.TagKeys)
		return identity.OIDCProviders.Put(tx, c.Account, v)
	})
}

func needListOpenIDConnectProviderTags(_ *service.Call, in *api.ListOpenIDConnectProviderTagsInput) []policy.Need {
	return entity.NeedARN("ListOpenIDConnectProviderTags", in.OpenIDConnectProviderArn, nil)
}

func (s *svc) listOpenIDConnectProviderTags(ctx context.Context, c *service.Call, in *api.ListOpenIDConnectProviderTagsInput) (*api.ListOpenIDConnectProviderTagsOutput, error) {
	p, err := entity.NewPage(c, in.OpenIDConnectProviderArn, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	out := &api.ListOpenIDConnectProviderTagsOutput{}
	err = c.View(ctx, func(tx *kv.Tx) error {
		v, err := getOIDC(tx, c, in.OpenIDConnectProviderArn)
		if err != nil {
			return err
		}
		out.Tags, err = entity.TagPage(p, v.Tags)
		return err
	})
	out.IsTruncated, out.Marker = p.Truncated(), p.Marker()
	return out, err
}
