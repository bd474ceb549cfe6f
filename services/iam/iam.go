// Package iam is AWS Identity and Access Management: users, groups, roles,
// their keys and their policies.
//
// Its tables are in package identity, because the gateway reads them with
// every call; this package is their API. One file is one kind of thing, with
// its operations in the order of their life. What users, groups and roles have
// in common (inline and attached policies, boundaries) goes through [holder].
// Package entity below has what operations on all kinds share.
package iam

import (
	"slices"

	api "github.com/gigawatt-cloud/gigawatt/api/iamapi"
	"github.com/gigawatt-cloud/gigawatt/identity"
	"github.com/gigawatt-cloud/gigawatt/service"
	"github.com/gigawatt-cloud/gigawatt/services/iam/credential"
	"github.com/gigawatt-cloud/gigawatt/services/iam/entity"
	"github.com/gigawatt-cloud/gigawatt/services/iam/provider"
	"github.com/gigawatt-cloud/gigawatt/services/iam/report"
	"github.com/gigawatt-cloud/gigawatt/services/iam/simulate"
)

type svc struct{ who *identity.Store }

// New returns the service. who is the store that the gateway asks.
func New(_ service.Env, who *identity.Store) *service.Service {
	s := &svc{who}
	return &service.Service{Name: "iam", Resource: entity.Resource, Handlers: slices.Concat(
		s.principals(), s.policies(), credential.Handlers(who), provider.Handlers(who), simulate.Handlers(), report.Handlers(),
	), Jobs: report.Jobs()}
}

// principals is every operation on users, groups, roles and what they have.
func (s *svc) principals() []*service.Handler {
	return []*service.Handler{
		// Users.
		service.Handle(api.CreateUser, needCreateUser, s.createUser),
		service.Handle(api.GetUser, s.needGetUser, s.getUser),
		service.Handle(api.ListUsers, needListUsers, s.listUsers),
		service.Handle(api.UpdateUser, s.needUpdateUser, s.updateUser),
		service.Handle(api.DeleteUser, s.needDeleteUser, s.deleteUser),
		service.Handle(api.TagUser, s.needTagUser, s.tagUser),
		service.Handle(api.UntagUser, s.needUntagUser, s.untagUser),
		service.Handle(api.ListUserTags, s.needListUserTags, s.listUserTags),
		// Access keys.
		service.Handle(api.CreateAccessKey, s.needCreateAccessKey, s.createAccessKey),
		service.Handle(api.ListAccessKeys, s.needListAccessKeys, s.listAccessKeys),
		service.Handle(api.GetAccessKeyLastUsed, s.needGetAccessKeyLastUsed, s.getAccessKeyLastUsed),
		service.Handle(api.UpdateAccessKey, s.needUpdateAccessKey, s.updateAccessKey),
		service.Handle(api.DeleteAccessKey, s.needDeleteAccessKey, s.deleteAccessKey),
		// Groups.
		service.Handle(api.CreateGroup, needCreateGroup, s.createGroup),
		service.Handle(api.GetGroup, s.needGetGroup, s.getGroup),
		service.Handle(api.ListGroups, needListGroups, s.listGroups),
		service.Handle(api.ListGroupsForUser, s.needListGroupsForUser, s.listGroupsForUser),
		service.Handle(api.UpdateGroup, s.needUpdateGroup, s.updateGroup),
		service.Handle(api.AddUserToGroup, s.needAddUserToGroup, s.addUserToGroup),
		service.Handle(api.RemoveUserFromGroup, s.needRemoveUserFromGroup, s.removeUserFromGroup),
		service.Handle(api.DeleteGroup, s.needDeleteGroup, s.deleteGroup),
		// Roles.
		service.Handle(api.CreateRole, needCreateRole, s.createRole),
		service.Handle(api.GetRole, s.needGetRole, s.getRole),
		service.Handle(api.ListRoles, needListRoles, s.listRoles),
		service.Handle(api.UpdateRole, s.needUpdateRole, s.updateRole),
		service.Handle(api.UpdateRoleDescription, s.needUpdateRoleDescription, s.updateRoleDescription),
		service.Handle(api.UpdateAssumeRolePolicy, s.needUpdateAssumeRolePolicy, s.updateAssumeRolePolicy),
		service.Handle(api.DeleteRole, s.needDeleteRole, s.deleteRole),
		service.Handle(api.TagRole, s.needTagRole, s.tagRole),
		service.Handle(api.UntagRole, s.needUntagRole, s.untagRole),
		service.Handle(api.ListRoleTags, s.needListRoleTags, s.listRoleTags),
		// Service-linked roles.
		service.Handle(api.CreateServiceLinkedRole, needCreateServiceLinkedRole, s.createServiceLinkedRole),
		service.Handle(api.DeleteServiceLinkedRole, s.needDeleteServiceLinkedRole, s.deleteServiceLinkedRole),
		service.Handle(api.GetServiceLinkedRoleDeletionStatus, needGetServiceLinkedRoleDeletionStatus, s.getServiceLinkedRoleDeletionStatus),
		// Instance profiles.
		service.Handle(api.CreateInstanceProfile, needCreateInstanceProfile, s.createInstanceProfile),
		service.Handle(api.GetInstanceProfile, s.needGetInstanceProfile, s.getInstanceProfile),
		service.Handle(api.ListInstanceProfiles, needListInstanceProfiles, s.listInstanceProfiles),
		service.Handle(api.ListInstanceProfilesForRole, s.needListInstanceProfilesForRole, s.listInstanceProfilesForRole),
		service.Handle(api.AddRoleToInstanceProfile, s.needAddRoleToInstanceProfile, s.addRoleToInstanceProfile),
		service.Handle(api.RemoveRoleFromInstanceProfile, s.needRemoveRoleFromInstanceProfile, s.removeRoleFromInstanceProfile),
		service.Handle(api.DeleteInstanceProfile, s.needDeleteInstanceProfile, s.deleteInstanceProfile),
		service.Handle(api.TagInstanceProfile, s.needTagInstanceProfile, s.tagInstanceProfile),
		service.Handle(api.UntagInstanceProfile, s.needUntagInstanceProfile, s.untagInstanceProfile),
		service.Handle(api.ListInstanceProfileTags, s.needListInstanceProfileTags, s.listInstanceProfileTags),
	}
}

// policies is every operation on policies and on the account as a whole.
func (s *svc) policies() []*service.Handler {
	return []*service.Handler{
		// Managed policies.
		service.Handle(api.CreatePolicy, needCreatePolicy, s.createPolicy),
		service.Handle(api.GetPolicy, needGetPolicy, s.getPolicy),
		service.Handle(api.ListPolicies, needListPolicies, s.listPolicies),
		service.Handle(api.DeletePolicy, needDeletePolicy, s.deletePolicy),
		service.Handle(api.TagPolicy, needTagPolicy, s.tagPolicy),
		service.Handle(api.UntagPolicy, needUntagPolicy, s.untagPolicy),
		service.Handle(api.ListPolicyTags, needListPolicyTags, s.listPolicyTags),
		service.Handle(api.ListEntitiesForPolicy, needListEntitiesForPolicy, s.listEntitiesForPolicy),
		service.Handle(api.CreatePolicyVersion, needCreatePolicyVersion, s.createPolicyVersion),
		service.Handle(api.GetPolicyVersion, needGetPolicyVersion, s.getPolicyVersion),
		service.Handle(api.ListPolicyVersions, needListPolicyVersions, s.listPolicyVersions),
		service.Handle(api.SetDefaultPolicyVersion, needSetDefaultPolicyVersion, s.setDefaultPolicyVersion),
		service.Handle(api.DeletePolicyVersion, needDeletePolicyVersion, s.deletePolicyVersion),
		// Their use.
		service.Handle(api.AttachUserPolicy, s.needAttachUserPolicy, s.attachUserPolicy),
		service.Handle(api.ListAttachedUserPolicies, s.needListAttachedUserPolicies, s.listAttachedUserPolicies),
		service.Handle(api.DetachUserPolicy, s.needDetachUserPolicy, s.detachUserPolicy),
		service.Handle(api.AttachGroupPolicy, s.needAttachGroupPolicy, s.attachGroupPolicy),
		service.Handle(api.ListAttachedGroupPolicies, s.needListAttachedGroupPolicies, s.listAttachedGroupPolicies),
		service.Handle(api.DetachGroupPolicy, s.needDetachGroupPolicy, s.detachGroupPolicy),
		service.Handle(api.AttachRolePolicy, s.needAttachRolePolicy, s.attachRolePolicy),
		service.Handle(api.ListAttachedRolePolicies, s.needListAttachedRolePolicies, s.listAttachedRolePolicies),
		service.Handle(api.DetachRolePolicy, s.needDetachRolePolicy, s.detachRolePolicy),
		// Inline policies.
		service.Handle(api.PutUserPolicy, s.needPutUserPolicy, s.putUserPolicy),
		service.Handle(api.GetUserPolicy, s.needGetUserPolicy, s.getUserPolicy),
		service.Handle(api.ListUserPolicies, s.needListUserPolicies, s.listUserPolicies),
		service.Handle(api.DeleteUserPolicy, s.needDeleteUserPolicy, s.deleteUserPolicy),
		service.Handle(api.PutGroupPolicy, s.needPutGroupPolicy, s.putGroupPolicy),
		service.Handle(api.GetGroupPolicy, s.needGetGroupPolicy, s.getGroupPolicy),
		service.Handle(api.ListGroupPolicies, s.needListGroupPolicies, s.listGroupPolicies),
		service.Handle(api.DeleteGroupPolicy, s.needDeleteGroupPolicy, s.deleteGroupPolicy),
		service.Handle(api.PutRolePolicy, s.needPutRolePolicy, s.putRolePolicy),
		service.Handle(api.GetRolePolicy, s.needGetRolePolicy, s.getRolePolicy),
		service.Handle(api.ListRolePolicies, s.needListRolePolicies, s.listRolePolicies),
		service.Handle(api.DeleteRolePolicy, s.needDeleteRolePolicy, s.deleteRolePolicy),
		// Boundaries.
		service.Handle(api.PutUserPermissionsBoundary, s.needPutUserPermissionsBoundary, s.putUserPermissionsBoundary),
		service.Handle(api.DeleteUserPermissionsBoundary, s.needDeleteUserPermissionsBoundary, s.deleteUserPermissionsBoundary),
		service.Handle(api.PutRolePermissionsBoundary, s.needPutRolePermissionsBoundary, s.putRolePermissionsBoundary),
		service.Handle(api.DeleteRolePermissionsBoundary, s.needDeleteRolePermissionsBoundary, s.deleteRolePermissionsBoundary),
		// The account.
		service.Handle(api.CreateAccountAlias, needCreateAccountAlias, s.createAccountAlias),
		service.Handle(api.ListAccountAliases, needListAccountAliases, s.listAccountAliases),
		service.Handle(api.DeleteAccountAlias, needDeleteAccountAlias, s.deleteAccountAlias),
		service.Handle(api.UpdateAccountPasswordPolicy, needUpdateAccountPasswordPolicy, s.updateAccountPasswordPolicy),
		service.Handle(api.GetAccountPasswordPolicy, needGetAccountPasswordPolicy, s.getAccountPasswordPolicy),
		service.Handle(api.DeleteAccountPasswordPolicy, needDeleteAccountPasswordPolicy, s.deleteAccountPasswordPolicy),
		service.Handle(api.GetAccountSummary, needGetAccountSummary, s.getAccountSummary),
		service.Handle(api.GetAccountAuthorizationDetails, needGetAccountAuthorizationDetails, s.getAccountAuthorizationDetails),
	}
}
