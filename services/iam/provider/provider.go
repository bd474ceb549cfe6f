// Package provider is whom an account trusts to vouch for others, and what it
// shows to be trusted itself: OpenID Connect providers, SAML providers and
// server certificates.
//
// services/sts reads the providers from package identity and verifies tokens
// and assertions with them; this package keeps them.
package provider

import (
	"slices"

	api "github.com/gigawatt-cloud/gigawatt/api/iamapi"
	"github.com/gigawatt-cloud/gigawatt/identity"
	"github.com/gigawatt-cloud/gigawatt/service"
)

type svc struct{ who *identity.Store }

// Handlers are the package's operations.
func Handlers(who *identity.Store) []*service.Handler {
	s := &svc{who}
	return slices.Concat(s.federation(), s.certificates())
}

// federation are the operations on identity providers.
func (s *svc) federation() []*service.Handler {
	return []*service.Handler{
		// OpenID Connect.
		service.Handle(api.CreateOpenIDConnectProvider, needCreateOpenIDConnectProvider, s.createOpenIDConnectProvider),
		service.Handle(api.GetOpenIDConnectProvider, needGetOpenIDConnectProvider, s.getOpenIDConnectProvider),
		service.Handle(api.ListOpenIDConnectProviders, needListOpenIDConnectProviders, s.listOpenIDConnectProviders),
		service.Handle(api.AddClientIDToOpenIDConnectProvider, needAddClientID, s.addClientID),
		service.Handle(api.RemoveClientIDFromOpenIDConnectProvider, needRemoveClientID, s.removeClientID),
		service.Handle(api.UpdateOpenIDConnectProviderThumbprint, needUpdateThumbprint, s.updateThumbprint),
		service.Handle(api.DeleteOpenIDConnectProvider, needDeleteOpenIDConnectProvider, s.deleteOpenIDConnectProvider),
		service.Handle(api.TagOpenIDConnectProvider, needTagOpenIDConnectProvider, s.tagOpenIDConnectProvider),
		service.Handle(api.UntagOpenIDConnectProvider, needUntagOpenIDConnectProvider, s.untagOpenIDConnectProvider),
		service.Handle(api.ListOpenIDConnectProviderTags, needListOpenIDConnectProviderTags, s.listOpenIDConnectProviderTags),
		// SAML.
		service.Handle(api.CreateSAMLProvider, needCreateSAMLProvider, s.createSAMLProvider).Refuse("AssertionEncryptionMode", "AddPrivateKey"),
		service.Handle(api.GetSAMLProvider, needGetSAMLProvider, s.getSAMLProvider),
		service.Handle(api.ListSAMLProviders, needListSAMLProviders, s.listSAMLProviders),
		service.Handle(api.UpdateSAMLProvider, needUpdateSAMLProvider, s.updateSAMLProvider).Refuse("AssertionEncryptionMode", "AddPrivateKey", "RemovePrivateKey"),
		service.Handle(api.DeleteSAMLProvider, needDeleteSAMLProvider, s.deleteSAMLProvider),
		service.Handle(api.TagSAMLProvider, needTagSAMLProvider, s.tagSAMLProvider),
		service.Handle(api.UntagSAMLProvider, needUntagSAMLProvider, s.untagSAMLProvider),
		service.Handle(api.ListSAMLProviderTags, needListSAMLProviderTags, s.listSAMLProviderTags),
	}
}

// certificates are the operations on server certificates.
func (s *svc) certificates() []*service.Handler {
	return []*service.Handler{
		service.Handle(api.UploadServerCertificate, needUploadServerCertificate, s.uploadServerCertificate),
		service.Handle(api.GetServerCertificate, s.needGetServerCertificate, s.getServerCertificate),
		service.Handle(api.ListServerCertificates, needListServerCertificates, s.listServerCertificates),
		service.Handle(api.UpdateServerCertificate, s.needUpdateServerCertificate, s.updateServerCertificate),
		service.Handle(api.DeleteServerCertificate, s.needDeleteServerCertificate, s.deleteServerCertificate),
		service.Handle(api.TagServerCertificate, s.needTagServerCertificate, s.tagServerCertificate),
		service.Handle(api.UntagServerCertificate, s.needUntagServerCertificate, s.untagServerCertificate),
		service.Handle(api.ListServerCertificateTags, s.needListServerCertificateTags, s.listServerCertificateTags),
	}
}
