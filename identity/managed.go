package identity

import (
	_ "embed" // managed.json
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"
)

// managedJSON holds the AWS-managed policies that infrastructure code looks
// up: {"path/Name": document}. The documents are our own and grant what the
// names say.
//
//go:embed managed.json
var managedJSON []byte

var readManaged = sync.OnceValue(func() map[string]*Policy {
	var docs map[string]json.RawMessage
	if err := json.Unmarshal(managedJSON, &docs); err != nil {
		panic(fmt.Sprintf("identity: managed.json: %v", err))
	}
	out := make(map[string]*Policy, len(docs))
	for name, doc := range docs {
		i := strings.LastIndexByte(name, '/')
		p := &Policy{common: common{Path: "/" + name[:i+1], Name: name[i+1:], Created: managedSince}, Default: "v1", Updated: managedSince}
		p.Versions = []Version{{ID: "v1", Document: string(doc), Created: managedSince}}
		out["arn:aws:iam::aws:policy/"+name] = p
	}
	return out
})

// managedSince is the date that the AWS-managed policies carry.
var managedSince = time.Date(2015, 2, 6, 18, 39, 46, 0, time.UTC)

// awsManaged returns an AWS-managed policy by its ARN, or nil.
func awsManaged(policyARN string) *Policy { return readManaged()[policyARN] }
