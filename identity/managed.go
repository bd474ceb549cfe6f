package identity

import (
	"crypto/sha256"
	_ "embed" // managed.json
	"encoding/base32"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gigawatt-cloud/gigawatt/aws/arn"
)

// managedJSON holds the AWS-managed policies that infrastructure code looks
// up: {"path/Name": document}. The documents are our own and grant what the
// names say.
//
//go:embed managed.json
var managedJSON []byte

var readManaged = sync.OnceValue(func() *awsPolicies {
	var docs map[string]json.RawMessage
	if err := json.Unmarshal(managedJSON, &docs); err != nil {
		panic(fmt.Sprintf("identity: managed.json: %v", err))
	}
	out := &awsPolicies{byARN: make(map[string]*Policy, len(docs)), ids: make(map[string]bool, len(docs))}
	for name, doc := range docs {
		i := strings.LastIndexByte(name, '/')
		policyARN := "arn:aws:iam::aws:policy/" + name
		sum := sha256.Sum256([]byte(policyARN))
		p := &Policy{Default: "v1", Next: 2, Updated: managedSince, Entity: Entity{
			Path: "/" + name[:i+1], Name: name[i+1:], Created: managedSince,
			ID: "ANPA" + base32.StdEncoding.EncodeToString(sum[:])[:17],
		}}
		p.Versions = []Version{{ID: "v1", Document: string(doc), Created: managedSince}}
		out.list = append(out.list, *p)
	}
	slices.SortFunc(out.list, func(a, b Policy) int { return strings.Compare(a.Path+a.Name, b.Path+b.Name) })
	for i := range out.list {
		p := &out.list[i]
		out.byARN[Policies.ARN(AWSAccount, p)], out.ids[p.ID] = p, true
	}
	return out
})

type awsPolicies struct {
	byARN map[string]*Policy
	ids   map[string]bool
	list  []Policy
}

// managedSince is the date that the AWS-managed policies carry.
var managedSince = time.Date(2015, 2, 6, 18, 39, 46, 0, time.UTC)

// awsManaged returns an AWS-managed policy by its ARN, or nil.
func awsManaged(policyARN string) *Policy { return readManaged().byARN[policyARN] }

// AWSManaged returns the AWS-managed policies, ordered by path and name. They
// are shared and must not be changed.
func AWSManaged() []Policy { return readManaged().list }

// AWSAccount stands for the account in the ARNs of AWS-managed policies.
const AWSAccount arn.AccountID = "aws"

// IsAWSManaged reports whether a policy is one of AWS's own.
func IsAWSManaged(p *Policy) bool { return readManaged().ids[p.ID] }
