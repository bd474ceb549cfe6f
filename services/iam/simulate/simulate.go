// Package simulate answers what policies would allow: SimulateCustomPolicy and
// SimulatePrincipalPolicy, and the operations that name the condition keys
// that policies read.
//
// It decides with the same code as every real call, aws/policy. What is
// simulated is a [scene]: policies with their text, so that a statement can be
// pointed at, who calls, and which condition keys the caller gives. The policy
// of a resource is never looked up, as AWS does not: it is given with the call.
package simulate

import (
	"context"
	"strconv"

	api "github.com/gigawatt-cloud/gigawatt/api/iamapi"
	"github.com/gigawatt-cloud/gigawatt/aws/arn"
	"github.com/gigawatt-cloud/gigawatt/aws/policy"
	"github.com/gigawatt-cloud/gigawatt/identity"
	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/service"
	"github.com/gigawatt-cloud/gigawatt/services/iam/entity"
)

// Handlers are the package's operations.
func Handlers() []*service.Handler {
	return []*service.Handler{
		service.Handle(api.SimulateCustomPolicy, needSimulateCustomPolicy, simulateCustomPolicy).Refuse("ResourceHandlingOption"),
		service.Handle(api.SimulatePrincipalPolicy, needSimulatePrincipalPolicy, simulatePrincipalPolicy).
			Refuse("ResourceHandlingOption", "PolicyExclusionList"),
		service.Handle(api.GetContextKeysForCustomPolicy, needGetContextKeysForCustomPolicy, getContextKeysForCustomPolicy),
		service.Handle(api.GetContextKeysForPrincipalPolicy, needGetContextKeysForPrincipalPolicy, getContextKeysForPrincipalPolicy),
	}
}

func needSimulateCustomPolicy(*service.Call, *api.SimulateCustomPolicyInput) []policy.Need {
	return entity.NeedAny("SimulateCustomPolicy")
}

func simulateCustomPolicy(ctx context.Context, c *service.Call, in *api.SimulateCustomPolicyInput) (*api.SimulateCustomPolicyOutput, error) {
	sc := newScene()
	if err := sc.inputs(in.PolicyInputList); err != nil {
		return nil, err
	}
	if err := sc.organization(in.OrderedOrganizationPolicyInputList); err != nil {
		return nil, err
	}
	caller, err := callerOf(in.CallerArn, in.ResourcePolicy, "")
	if err != nil {
		return nil, err
	}
	if err := sc.caller(ctx, c, caller); err != nil {
		return nil, err
	}
	q := &query{
		boundaries: in.PermissionsBoundaryPolicyInputList, actions: in.ActionNames, resources: in.ResourceArns, entries: in.ContextEntries,
		resourcePolicy: in.ResourcePolicy, resourceOwner: in.ResourceOwner, marker: in.Marker, maxItems: in.MaxItems,
	}
	out := &api.SimulateCustomPolicyOutput{}
	out.EvaluationResults, out.IsTruncated, out.Marker, err = sc.run(c, q)
	return out, err
}

func needSimulatePrincipalPolicy(_ *service.Call, in *api.SimulatePrincipalPolicyInput) []policy.Need {
	return entity.NeedARN("SimulatePrincipalPolicy", in.PolicySourceArn, nil)
}

func simulatePrincipalPolicy(ctx context.Context, c *service.Call, in *api.SimulatePrincipalPolicyInput) (*api.SimulatePrincipalPolicyOutput, error) {
	sc := newScene()
	err := c.View(ctx, func(tx *kv.Tx) error {
		return sc.source(tx, c, in.PolicySourceArn, len(in.PermissionsBoundaryPolicyInputList) == 0)
	})
	if err != nil {
		return nil, err
	}
	if err := sc.inputs(in.PolicyInputList); err != nil {
		return nil, err
	}
	caller, err := callerOf(in.CallerArn, in.ResourcePolicy, in.PolicySourceArn)
	if err != nil {
		return nil, err
	}
	if err := sc.caller(ctx, c, caller); err != nil {
		return nil, err
	}
	q := &query{
		boundaries: in.PermissionsBoundaryPolicyInputList, actions: in.ActionNames, resources: in.ResourceArns, entries: in.ContextEntries,
		resourcePolicy: in.ResourcePolicy, resourceOwner: in.ResourceOwner, marker: in.Marker, maxItems: in.MaxItems,
	}
	out := &api.SimulatePrincipalPolicyOutput{}
	out.EvaluationResults, out.IsTruncated, out.Marker, err = sc.run(c, q)
	return out, err
}

// callerOf is who the simulated call comes from: the named user, or the source
// of the policies if that is a user; "" for nobody in particular.
func callerOf(named, resourcePolicy *string, source string) (string, error) {
	_, kind, _ := identity.ParseARN(source)
	switch {
	case named != nil:
		if _, kind, _ := identity.ParseARN(*named); kind != identity.KindUser {
			return "", api.ErrInvalidInputException("Invalid CallerArn %s: it has to be the ARN of a user.", *named)
		}
		return *named, nil
	case kind == identity.KindUser:
		return source, nil
	case resourcePolicy != nil:
		return "", api.ErrInvalidInputException("CallerArn is required with ResourcePolicy.")
	}
	return "", nil
}

// query is what both operations ask of a scene.
type query struct {
	boundaries, actions, resources []string
	entries                        []api.ContextEntry
	resourcePolicy, resourceOwner  *string
	marker                         *string
	maxItems                       *int32
}

// run decides every action on every resource.
func (sc *scene) run(c *service.Call, q *query) (results []api.EvaluationResult, truncated *bool, marker *string, err error) {
	for i, text := range q.boundaries {
		src, err := sc.add("PermissionsBoundaryPolicyInputList."+strconv.Itoa(i+1), api.PolicySourceTypeNone, text, policy.Boundary)
		if err != nil {
			return nil, nil, nil, err
		}
		sc.set.Boundary = src
	}
	if q.resourcePolicy != nil {
		src, err := sc.add("ResourcePolicy", api.PolicySourceTypeResource, *q.resourcePolicy, policy.Resource)
		if err != nil {
			return nil, nil, nil, err
		}
		sc.set.Resource = []policy.Source{*src}
	}
	if sc.keys, err = contextKeys(q.entries); err != nil {
		return nil, nil, nil, err
	}
	if sc.owner, err = ownerOf(q.resourceOwner); err != nil {
		return nil, nil, nil, err
	}
	resources := q.resources
	if len(resources) == 0 {
		resources = []string{"*"}
	}
	for _, r := range resources {
		if reason := policy.ValidateResource(r, policy.Identity); reason != "" {
			return nil, nil, nil, api.ErrInvalidInputException("Invalid ResourceArns: %s", reason)
		}
	}
	type pair struct{ action, resource string }
	var pairs []pair
	for _, a := range q.actions {
		if reason := policy.ValidateAction(a); reason != "" || a == "*" {
			return nil, nil, nil, api.ErrInvalidInputException("Invalid ActionNames: %s is not an action, such as s3:GetObject.", a)
		}
		for _, r := range resources {
			pairs = append(pairs, pair{a, r})
		}
	}
	p, err := entity.NewPage(c, "", q.marker, q.maxItems)
	if err != nil {
		return nil, nil, nil, err
	}
	results, err = entity.Collect(p, entity.Rows(pairs, p.After), func(x *pair) (api.EvaluationResult, bool, error) {
		return sc.decide(x.action, x.resource), true, nil
	})
	return results, p.Truncated(), p.Marker(), err
}

// ownerOf is the account that a resource is said to belong to.
func ownerOf(resourceOwner *string) (arn.AccountID, error) {
	if resourceOwner == nil {
		return "", nil
	}
	if a := arn.AccountID(*resourceOwner); a.Valid() {
		return a, nil
	}
	a, err := arn.Parse(*resourceOwner)
	if err != nil || !a.AccountID.Valid() {
		return "", api.ErrInvalidInputException("Invalid ResourceOwner %s: it has to be the ARN of an account.", *resourceOwner)
	}
	return a.AccountID, nil
}

// decide is one simulated call.
func (sc *scene) decide(action, resource string) api.EvaluationResult {
	rq := &policy.Request{
		Principal: sc.who, Need: policy.Need{Action: action, Resource: resource, Context: sc.keys, ResourceAccount: sc.owner},
	}
	d := policy.Evaluate(rq, &sc.set)
	missing := policy.MissingContextKeys(rq, &sc.set)
	statements := sc.statements(d.By)
	out := api.EvaluationResult{
		EvalActionName: action, EvalResourceName: &resource, EvalDecision: d.Effect.String(),
		MatchedStatements: statements, MissingContextValues: missing,
	}
	specific := api.ResourceSpecificResult{
		EvalResourceName: resource, EvalResourceDecision: d.Effect.String(), MatchedStatements: statements, MissingContextValues: missing,
	}
	if len(sc.set.Resource) > 0 {
		details := map[string]string{"IAM Policy": d.Verdicts.Identity.String(), "Resource Policy": d.Verdicts.Resource.String()}
		if sc.set.Boundary != nil {
			details["Permissions Boundary Policy"] = d.Verdicts.Boundary.String()
		}
		out.EvalDecisionDetails, specific.EvalDecisionDetails = details, details
	}
	if sc.set.Boundary != nil {
		detail := &api.PermissionsBoundaryDecisionDetail{AllowedByPermissionsBoundary: new(d.Verdicts.Boundary == policy.Allowed)}
		out.PermissionsBoundaryDecisionDetail, specific.PermissionsBoundaryDecisionDetail = detail, detail
	}
	if len(sc.set.SCPs) > 0 {
		out.OrganizationsDecisionDetail = &api.OrganizationsDecisionDetail{AllowedByOrganizations: new(d.Verdicts.SCP == policy.Allowed)}
	}
	if resource != "*" {
		out.ResourceSpecificResults = []api.ResourceSpecificResult{specific}
	}
	return out
}

func needGetContextKeysForCustomPolicy(*service.Call, *api.GetContextKeysForCustomPolicyInput) []policy.Need {
	return entity.NeedAny("GetContextKeysForCustomPolicy")
}

func getContextKeysForCustomPolicy(_ context.Context, _ *service.Call, in *api.GetContextKeysForCustomPolicyInput) (*api.GetContextKeysForCustomPolicyOutput, error) {
	sc := newScene()
	if err := sc.inputs(in.PolicyInputList); err != nil {
		return nil, err
	}
	return &api.GetContextKeysForCustomPolicyOutput{ContextKeyNames: sc.contextKeysIn()}, nil
}

func needGetContextKeysForPrincipalPolicy(_ *service.Call, in *api.GetContextKeysForPrincipalPolicyInput) []policy.Need {
	return entity.NeedARN("GetContextKeysForPrincipalPolicy", in.PolicySourceArn, nil)
}

func getContextKeysForPrincipalPolicy(ctx context.Context, c *service.Call, in *api.GetContextKeysForPrincipalPolicyInput) (*api.GetContextKeysForPrincipalPolicyOutput, error) {
	sc := newScene()
	if err := c.View(ctx, func(tx *kv.Tx) error { return sc.source(tx, c, in.PolicySourceArn, false) }); err != nil {
		return nil, err
	}
	if err := sc.inputs(in.PolicyInputList); err != nil {
		return nil, err
	}
	return &api.GetContextKeysForPrincipalPolicyOutput{ContextKeyNames: sc.contextKeysIn()}, nil
}

func (sc *scene) contextKeysIn() []string {
	var docs []*policy.Document
	for i := range sc.set.Identity {
		docs = append(docs, sc.set.Identity[i].Doc)
	}
	return policy.ContextKeysIn(docs...)
}
