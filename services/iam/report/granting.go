package report

import (
	"context"
	"slices"
	"strings"

	"github.com/gigawatt-cloud/gigawatt/api/catalog"
	api "github.com/gigawatt-cloud/gigawatt/api/iamapi"
	"github.com/gigawatt-cloud/gigawatt/aws/policy"
	"github.com/gigawatt-cloud/gigawatt/identity"
	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/service"
	"github.com/gigawatt-cloud/gigawatt/services/iam/entity"
)

// namespaces are all services by the prefix of their actions, with their names.
func namespaces() map[string]string {
	out := map[string]string{}
	for _, m := range catalog.All() {
		if _, ok := out[m.SigningName]; !ok {
			out[m.SigningName] = m.FullName
		}
	}
	return out
}

// grants reports whether a policy allows any action of a service.
func grants(doc *policy.Document, namespace string) bool {
	return slices.ContainsFunc(doc.Statements, func(st policy.Statement) bool {
		if st.Deny {
			return false
		}
		patterns, not := st.Actions()
		if not { // all but these: a service is left out only as a whole
			return !slices.ContainsFunc(patterns, func(p string) bool {
				vendor, action, _ := strings.Cut(p, ":")
				return p == "*" || action == "*" && (vendor == "*" || strings.EqualFold(vendor, namespace))
			})
		}
		return slices.ContainsFunc(patterns, func(p string) bool {
			vendor, _, _ := strings.Cut(p, ":")
			return vendor == "*" || strings.EqualFold(vendor, namespace)
		})
	})
}

// parsed is a held policy, compiled.
type parsed struct {
	entity.Held
	doc *policy.Document
}

func heldBy(tx *kv.Tx, c *service.Call, kind identity.Kind, e *identity.Entity) ([]parsed, error) {
	held, err := entity.HeldBy(tx, c.Account, kind, e)
	if err != nil {
		return nil, err
	}
	var out []parsed
	for _, h := range held {
		doc, err := policy.Parse([]byte(h.Document), policy.Identity)
		if err != nil {
			return nil, err
		}
		out = append(out, parsed{h, doc})
	}
	return out, nil
}

func needListPoliciesGranting(_ *service.Call, in *api.ListPoliciesGrantingServiceAccessInput) []policy.Need {
	return entity.NeedARN("ListPoliciesGrantingServiceAccess", in.Arn, nil)
}

func listPoliciesGranting(ctx context.Context, c *service.Call, in *api.ListPoliciesGrantingServiceAccessInput) (*api.ListPoliciesGrantingServiceAccessOutput, error) {
	known := namespaces()
	for _, ns := range in.ServiceNamespaces {
		if _, ok := known[ns]; !ok {
			return nil, api.ErrInvalidInputException("%s is not the namespace of a service.", ns)
		}
	}
	p, err := entity.NewPage(c, in.Arn+" "+strings.Join(in.ServiceNamespaces, " "), in.Marker, nil)
	if err != nil {
		return nil, err
	}
	out := &api.ListPoliciesGrantingServiceAccessOutput{}
	err = c.View(ctx, func(tx *kv.Tx) error {
		kind, e, err := entity.ByARN(tx, c.Account, in.Arn)
		if err != nil {
			return err
		}
		held, err := heldBy(tx, c, kind, e)
		if err != nil {
			return err
		}
		rows := entity.Rows(in.ServiceNamespaces, p.After)
		out.PoliciesGrantingServiceAccess, err = entity.Collect(p, rows, func(ns *string) (api.ListPoliciesGrantingServiceAccessEntry, bool, error) {
			entry := api.ListPoliciesGrantingServiceAccessEntry{ServiceNamespace: ns, Policies: []api.PolicyGrantingServiceAccess{}}
			for i := range held {
				if grants(held[i].doc, *ns) {
					entry.Policies = append(entry.Policies, held[i].granting())
				}
			}
			return entry, true, nil
		})
		return err
	})
	out.IsTruncated, out.Marker = p.Truncated(), p.Marker()
	return out, err
}

func (h *parsed) granting() api.PolicyGrantingServiceAccess {
	if h.ARN != "" {
		return api.PolicyGrantingServiceAccess{PolicyName: h.Name, PolicyType: api.PolicyTypeManaged, PolicyArn: &h.ARN}
	}
	kind := strings.ToUpper(string(h.Kind))
	return api.PolicyGrantingServiceAccess{PolicyName: h.Name, PolicyType: api.PolicyTypeInline, EntityType: &kind, EntityName: &h.Entity}
}
