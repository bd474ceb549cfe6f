package iam

import (
	"context"
	"slices"
	"strings"

	api "github.com/gigawatt-cloud/gigawatt/api/iamapi"
	"github.com/gigawatt-cloud/gigawatt/aws/arn"
	"github.com/gigawatt-cloud/gigawatt/aws/policy"
	"github.com/gigawatt-cloud/gigawatt/identity"
	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/service"
	"github.com/gigawatt-cloud/gigawatt/services/iam/entity"
)

func needGetAccountAuthorizationDetails(*service.Call, *api.GetAccountAuthorizationDetailsInput) []policy.Need {
	return entity.NeedAny("GetAccountAuthorizationDetails")
}

// detailer gathers one page of everything an account has.
type detailer struct {
	tx      *kv.Tx
	account arn.AccountID
	out     *api.GetAccountAuthorizationDetailsOutput
	left    int
}

// section is one kind of what is listed. fill adds entries that follow after,
// until d.left is used up; it returns the key of the last and whether there
// are more.
type section struct {
	filter string
	fill   func(d *detailer, after kv.Key) (last kv.Key, more bool, err error)
}

var sections = []section{
	{api.EntityTypeUser, (*detailer).users},
	{api.EntityTypeGroup, (*detailer).groups},
	{api.EntityTypeRole, (*detailer).roles},
	{api.EntityTypeLocalManagedPolicy, (*detailer).localPolicies},
	{api.EntityTypeAWSManagedPolicy, (*detailer).awsPolicies},
}

func (s *svc) getAccountAuthorizationDetails(ctx context.Context, c *service.Call, in *api.GetAccountAuthorizationDetailsInput) (*api.GetAccountAuthorizationDetailsOutput, error) {
	filter := slices.Clone(in.Filter)
	slices.Sort(filter)
	scope := strings.Join(filter, " ")
	at, err := c.OpenPage(scope, entity.Value(in.Marker))
	if err != nil {
		return nil, entity.ErrValidation("Invalid Marker.")
	}
	no := false
	out := &api.GetAccountAuthorizationDetailsOutput{
		UserDetailList: []api.UserDetail{}, GroupDetailList: []api.GroupDetail{}, RoleDetailList: []api.RoleDetail{},
		Policies: []api.ManagedPolicyDetail{}, IsTruncated: &no,
	}
	err = c.View(ctx, func(tx *kv.Tx) error {
		d := &detailer{tx: tx, account: c.Account, out: out, left: 100}
		if in.MaxItems != nil {
			d.left = int(*in.MaxItems)
		}
		var last []byte
		last, err := d.fill(filter, at)
		if err != nil || last == nil {
			return err
		}
		yes, marker := true, c.PageToken(scope, last)
		out.IsTruncated, out.Marker = &yes, &marker
		return nil
	})
	return out, err
}

// fill goes through the sections from a position, which is a section's number
// and a key in it, and returns the position where it stopped; nil at the end.
func (d *detailer) fill(filter []string, at []byte) ([]byte, error) {
	first, after := 0, kv.Key(nil)
	if len(at) > 0 {
		first, after = int(at[0]), at[1:]
	}
	for i := first; i < len(sections); i++ {
		if len(filter) > 0 && !slices.Contains(filter, sections[i].filter) {
			continue
		}
		last, more, err := sections[i].fill(d, after)
		if err != nil {
			return nil, err
		}
		if more {
			if last == nil {
				last = after
			}
			return append([]byte{byte(i)}, last...), nil
		}
		after = nil
	}
	return nil, nil
}

// take calls add for the rows of a section while there is room for them.
func take[T any](d *detailer, rows func(yield func(kv.Row[T], error) bool), add func(*T) error) (last kv.Key, more bool, err error) {
	for r, err := range rows {
		if err != nil {
			return nil, false, err
		}
		if d.left == 0 {
			return last, true, nil
		}
		if err := add(r.Value); err != nil {
			return nil, false, err
		}
		d.left--
		last = r.Key
	}
	return last, false, nil
}

func (d *detailer) users(after kv.Key) (kv.Key, bool, error) {
	return take(d, identity.Users.Scan(d.tx, d.account, after), func(u *identity.User) error {
		a := identity.Users.ARN(d.account, u)
		out := api.UserDetail{
			Path: &u.Path, UserName: &u.Name, UserId: &u.ID, Arn: &a, CreateDate: &u.Created, GroupList: []string{},
			PermissionsBoundary: apiBoundary(u.Boundary), Tags: entity.Tags(u.Tags),
		}
		for r, err := range identity.Members.Scan(d.tx, kv.Scan{Prefix: []any{d.account, u.ID}}) {
			if err != nil {
				return err
			}
			g, err := identity.Groups.ByID(d.tx, d.account, *r.Value)
			if err != nil {
				return err
			}
			out.GroupList = append(out.GroupList, g.Name)
		}
		var err error
		out.UserPolicyList, out.AttachedManagedPolicies, err = d.policiesOf(u.ID)
		d.out.UserDetailList = append(d.out.UserDetailList, out)
		return err
	})
}

func (d *detailer) groups(after kv.Key) (kv.Key, bool, error) {
	return take(d, identity.Groups.Scan(d.tx, d.account, after), func(g *identity.Group) error {
		a := identity.Groups.ARN(d.account, g)
		out := api.GroupDetail{Path: &g.Path, GroupName: &g.Name, GroupId: &g.ID, Arn: &a, CreateDate: &g.Created}
		var err error
		out.GroupPolicyList, out.AttachedManagedPolicies, err = d.policiesOf(g.ID)
		d.out.GroupDetailList = append(d.out.GroupDetailList, out)
		return err
	})
}

func (d *detailer) roles(after kv.Key) (kv.Key, bool, error) {
	return take(d, identity.Roles.Scan(d.tx, d.account, after), func(r *identity.Role) error {
		trust, err := identity.TrustText(d.tx, r)
		if err != nil {
			return err
		}
		a := identity.Roles.ARN(d.account, r)
		trust = encode(trust)
		out := api.RoleDetail{
			Path: &r.Path, RoleName: &r.Name, RoleId: &r.ID, Arn: &a, CreateDate: &r.Created, AssumeRolePolicyDocument: &trust,
			InstanceProfileList: []api.InstanceProfile{}, PermissionsBoundary: apiBoundary(r.Boundary), Tags: entity.Tags(r.Tags),
		}
		for row, err := range identity.ProfilesOf.Scan(d.tx, kv.Scan{Prefix: []any{d.account, r.ID}}) {
			if err != nil {
				return err
			}
			v, err := identity.Profiles.ByID(d.tx, d.account, *row.Value)
			if err != nil {
				return err
			}
			p, err := apiProfile(d.tx, d.account, v)
			if err != nil {
				return err
			}
			out.InstanceProfileList = append(out.InstanceProfileList, p)
		}
		if out.RoleLastUsed, err = lastUsed(d.tx, d.account, r); err != nil {
			return err
		}
		out.RolePolicyList, out.AttachedManagedPolicies, err = d.policiesOf(r.ID)
		d.out.RoleDetailList = append(d.out.RoleDetailList, out)
		return err
	})
}

func (d *detailer) policiesOf(id string) ([]api.PolicyDetail, []api.AttachedPolicy, error) {
	inline, attached := []api.PolicyDetail{}, []api.AttachedPolicy{}
	for r, err := range identity.Inlines.Scan(d.tx, kv.Scan{Prefix: []any{d.account, id}}) {
		if err != nil {
			return nil, nil, err
		}
		document := encode(r.Value.Document)
		inline = append(inline, api.PolicyDetail{PolicyName: &r.Value.Name, PolicyDocument: &document})
	}
	for r, err := range identity.Attached.Scan(d.tx, kv.Scan{Prefix: []any{d.account, id}}) {
		if err != nil {
			return nil, nil, err
		}
		attached = append(attached, apiAttached(*r.Value))
	}
	return inline, attached, nil
}

func (d *detailer) localPolicies(after kv.Key) (kv.Key, bool, error) {
	return take(d, identity.Policies.Scan(d.tx, d.account, after), d.managed)
}

// awsPolicies lists AWS's policies that the account uses.
func (d *detailer) awsPolicies(after kv.Key) (kv.Key, bool, error) {
	used := func(yield func(kv.Row[identity.Policy], error) bool) {
		for r, err := range entity.Rows(identity.AWSManaged(), after) {
			var in bool
			if err == nil {
				in, err = entity.Any(identity.Attachment, d.tx, []any{d.account, r.Value.ID})
			}
			if err == nil && !in {
				in, err = entity.Any(identity.Bounded, d.tx, []any{d.account, r.Value.ID})
			}
			if (in || err != nil) && !yield(r, err) {
				return
			}
		}
	}
	return take(d, used, d.managed)
}

func (d *detailer) managed(p *identity.Policy) error {
	a, err := apiPolicy(d.tx, d.account, p)
	if err != nil {
		return err
	}
	out := api.ManagedPolicyDetail{
		PolicyName: a.PolicyName, PolicyId: a.PolicyId, Arn: a.Arn, Path: a.Path, DefaultVersionId: a.DefaultVersionId,
		AttachmentCount: a.AttachmentCount, PermissionsBoundaryUsageCount: a.PermissionsBoundaryUsageCount,
		IsAttachable: a.IsAttachable, Description: entity.Ptr(p.Description), CreateDate: a.CreateDate, UpdateDate: a.UpdateDate,
	}
	for i := range p.Versions {
		out.PolicyVersionList = append(out.PolicyVersionList, apiWholeVersion(p, &p.Versions[i]))
	}
	d.out.Policies = append(d.out.Policies, out)
	return nil
}
