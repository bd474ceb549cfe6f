// Package report is what an account can learn of its own identities: the
// credential report, which services a user, group, role or policy was used
// for, and which policies let it use a service.
//
// The times come from package identity, which notes a use at most once in a
// quarter of an hour. The credential report is written by a durable job; what
// services were used is read at once, and kept under a job id as AWS does.
package report

import (
	api "github.com/gigawatt-cloud/gigawatt/api/iamapi"
	"github.com/gigawatt-cloud/gigawatt/service"
)

// Handlers are the package's operations.
func Handlers() []*service.Handler {
	return []*service.Handler{
		service.Handle(api.GenerateCredentialReport, needGenerateCredentialReport, generateCredentialReport),
		service.Handle(api.GetCredentialReport, needGetCredentialReport, getCredentialReport),
		service.Handle(api.GenerateServiceLastAccessedDetails, needGenerateLastAccessed, generateLastAccessed),
		service.Handle(api.GetServiceLastAccessedDetails, needGetLastAccessed, getLastAccessed),
		service.Handle(api.GetServiceLastAccessedDetailsWithEntities, needGetLastAccessedWithEntities, getLastAccessedWithEntities),
		service.Handle(api.ListPoliciesGrantingServiceAccess, needListPoliciesGranting, listPoliciesGranting),
	}
}

// Jobs are the package's background work.
func Jobs() []service.JobKind {
	return []service.JobKind{{Name: credentialJob, Run: writeCredentialReport, Parallel: 2}}
}
