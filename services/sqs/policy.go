package sqs

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/gigawatt-cloud/gigawatt/api/sqsapi"
	"github.com/gigawatt-cloud/gigawatt/aws/arn"
	"github.com/gigawatt-cloud/gigawatt/aws/policy"
	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/service"
)

// SQS's limits on a queue's policy.
const (
	maxPolicyBytes      = 8192
	maxPolicyStatements = 20
	maxPolicyPrincipals = 50
	maxPolicyActions    = 7 // of one statement
)

// sharedActions are what a policy may open to others. The batch operations are
// covered by the action of the single one.
var sharedActions = []string{
	"*", "ChangeMessageVisibility", "DeleteMessage", "GetQueueAttributes", "GetQueueUrl", "ListDeadLetterSourceQueues",
	"PurgeQueue", "ReceiveMessage", "SendMessage",
}

// ownActions are those that a policy may name too, though they stay the owner's.
var ownActions = []string{
	"AddPermission", "CancelMessageMoveTask", "CreateQueue", "DeleteQueue", "ListMessageMoveTasks", "ListQueueTags", "ListQueues",
	"RemovePermission", "SetQueueAttributes", "StartMessageMoveTask", "TagQueue", "UntagQueue",
}

// setPolicy sets the attribute Policy; "" removes it.
func setPolicy(_ *kv.Tx, q *queue, text string) error {
	if text != "" {
		if err := checkPolicy(text); err != nil {
			return err
		}
	}
	q.Policy = text
	return nil
}

func checkPolicy(text string) error {
	if policy.Size([]byte(text)) > maxPolicyBytes {
		return errOverLimit("Submitted policy is over max allowed size.")
	}
	d, err := policy.Parse([]byte(text), policy.Resource)
	if err != nil {
		return errAttributeReason("Policy", err.Error())
	}
	if len(d.Statements) > maxPolicyStatements {
		return errOverLimit("%d statements were found in the submitted policy, max allowed is %d", len(d.Statements), maxPolicyStatements)
	}
	principals := 0
	for i := range d.Statements {
		st := &d.Statements[i]
		who, _ := st.Principals()
		principals += len(who)
		actions, _ := st.Actions()
		if len(actions) > maxPolicyActions {
			return errOverLimit("%d actions were found in a statement from the submitted policy, max allowed is %d", len(actions), maxPolicyActions)
		}
		for _, a := range actions {
			if err := checkPolicyAction(a); err != nil {
				return err
			}
		}
	}
	if principals > maxPolicyPrincipals {
		return errOverLimit("%d principals were found in the submitted policy, max allowed is %d", principals, maxPolicyPrincipals)
	}
	return nil
}

// checkPolicyAction accepts SQS's actions, with wildcards.
func checkPolicyAction(a string) error {
	service, name, ok := strings.Cut(a, ":")
	switch {
	case a == "*", ok && strings.EqualFold(service, "sqs") && strings.ContainsAny(name, "*?"):
		return nil
	case ok && strings.EqualFold(service, "sqs"):
		for _, known := range slices.Concat(sharedActions, ownActions) {
			if strings.EqualFold(known, name) {
				return nil
			}
		}
	}
	return errParameter("ActionName", "SQS:"+name, "Please refer to the appropriate WSDL for a list of valid actions.")
}

// policies keeps compiled policies by their text.
type policies struct {
	mu     sync.Mutex
	byText map[string]*policy.Document
}

const maxPolicies = 1000

func (p *policies) get(text string) (*policy.Document, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if d := p.byText[text]; d != nil {
		return d, nil
	}
	d, err := policy.Parse([]byte(text), policy.Resource)
	if err != nil {
		return nil, fmt.Errorf("parse a stored policy: %w", err)
	}
	if p.byText == nil || len(p.byText) >= maxPolicies {
		p.byText = map[string]*policy.Document{}
	}
	p.byText[text] = d
	return d, nil
}

// policyText is a policy as AddPermission and RemovePermission edit it: what
// they do not touch stays as it is.
type policyText struct {
	Version    string            `json:"Version"`
	ID         string            `json:"Id,omitempty"`
	Statements []json.RawMessage `json:"Statement"`
}

type permission struct {
	SID       string              `json:"Sid"`
	Effect    string              `json:"Effect"`
	Principal map[string]oneOrAll `json:"Principal"`
	Action    oneOrAll            `json:"Action"`
	Resource  string              `json:"Resource"`
}

// oneOrAll is a list that is written bare when it has one element.
type oneOrAll []string

// MarshalJSON implements json.Marshaler.
func (l oneOrAll) MarshalJSON() ([]byte, error) {
	if len(l) == 1 {
		return json.Marshal(l[0])
	}
	return json.Marshal([]string(l))
}

func readPolicyText(q *queue) (*policyText, error) {
	p := &policyText{Version: policy.Version2008, ID: q.address().arn() + "/SQSDefaultPolicy"}
	if q.Policy == "" {
		return p, nil
	}
	var in struct {
		Version   string
		ID        string `json:"Id"`
		Statement json.RawMessage
	}
	if err := json.Unmarshal([]byte(q.Policy), &in); err != nil {
		return nil, fmt.Errorf("read the policy of %s: %w", q.address().arn(), err)
	}
	p.ID = in.ID
	if in.Version != "" {
		p.Version = in.Version
	}
	if len(in.Statement) > 0 && in.Statement[0] == '{' {
		p.Statements = []json.RawMessage{in.Statement}
		return p, nil
	}
	return p, json.Unmarshal(in.Statement, &p.Statements)
}

// find returns the position of the statement with a label, or -1.
func (p *policyText) find(label string) int {
	return slices.IndexFunc(p.Statements, func(raw json.RawMessage) bool {
		var st struct{ Sid string }
		return json.Unmarshal(raw, &st) == nil && st.Sid == label
	})
}

// store makes p the queue's policy, or leaves it without one.
func (p *policyText) store(q *queue) error {
	if len(p.Statements) == 0 {
		q.Policy = ""
		return nil
	}
	b, err := json.Marshal(p)
	if err != nil {
		return err
	}
	q.Policy = string(b)
	return checkPolicy(q.Policy)
}

func needAddPermission(c *service.Call, in *sqsapi.AddPermissionInput) []policy.Need {
	return need(c, "AddPermission", in.QueueUrl)
}

func (s *svc) addPermission(ctx context.Context, c *service.Call, in *sqsapi.AddPermissionInput) (*sqsapi.AddPermissionOutput, error) {
	if err := checkPermission(in); err != nil {
		return nil, err
	}
	var principals, actions oneOrAll
	for _, a := range in.AWSAccountIds {
		principals = append(principals, "arn:aws:iam::"+a+":root")
	}
	for _, a := range in.Actions {
		actions = append(actions, "SQS:"+a)
	}
	return nil, s.updateQueue(ctx, c, in.QueueUrl, func(tx *kv.Tx, q *queue) error {
		p, err := readPolicyText(q)
		if err != nil {
			return err
		}
		if p.find(in.Label) >= 0 {
			return errParameter("Label", in.Label, "Already exists.")
		}
		raw, err := json.Marshal(&permission{
			SID: in.Label, Effect: "Allow", Principal: map[string]oneOrAll{"AWS": principals}, Action: actions, Resource: q.address().arn(),
		})
		if err != nil {
			return err
		}
		p.Statements = append(p.Statements, raw)
		if err := p.store(q); err != nil {
			return err
		}
		return putQueue(tx, q)
	})
}

func checkPermission(in *sqsapi.AddPermissionInput) error {
	switch {
	case len(in.Actions) == 0:
		return errMissing("Actions")
	case len(in.AWSAccountIds) == 0:
		return errParameter("PrincipalId", "[]", "Unable to verify.")
	case len(in.Actions) > maxPolicyActions:
		return errOverLimit("%d Actions were found, maximum allowed is %d.", len(in.Actions), maxPolicyActions)
	case len(in.Label) > maxName || !nameForm.MatchString(in.Label):
		return errParameter("Label", in.Label, "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length")
	}
	for _, a := range in.AWSAccountIds {
		if !arn.AccountID(a).Valid() {
			return errParameter("PrincipalId", "["+a+"]", "Unable to verify.")
		}
	}
	for _, a := range in.Actions {
		switch {
		case slices.Contains(sharedActions, a):
		case slices.Contains(ownActions, a):
			return errParameter("ActionName", "SQS:"+a, "Only the queue owner is allowed to invoke this action.")
		default:
			return errParameter("ActionName", "SQS:"+a, "Please refer to the appropriate WSDL for a list of valid actions.")
		}
	}
	return nil
}

func needRemovePermission(c *service.Call, in *sqsapi.RemovePermissionInput) []policy.Need {
	return need(c, "RemovePermission", in.QueueUrl)
}

func (s *svc) removePermission(ctx context.Context, c *service.Call, in *sqsapi.RemovePermissionInput) (*sqsapi.RemovePermissionOutput, error) {
	return nil, s.updateQueue(ctx, c, in.QueueUrl, func(tx *kv.Tx, q *queue) error {
		p, err := readPolicyText(q)
		if err != nil {
			return err
		}
		i := p.find(in.Label)
		if i < 0 {
			return errParameter("Label", in.Label, "can't find label.")
		}
		p.Statements = slices.Delete(p.Statements, i, i+1)
		if err := p.store(q); err != nil {
			return err
		}
		return putQueue(tx, q)
	})
}
