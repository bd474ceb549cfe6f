// Package arn parses and formats Amazon Resource Names.
package arn

import (
	"fmt"
	"strings"
)

// AccountID is a 12-digit AWS account number.
type AccountID string

// Valid reports whether a is twelve decimal digits.
func (a AccountID) Valid() bool {
	if len(a) != 12 {
		return false
	}
	for i := range len(a) {
		if a[i] < '0' || a[i] > '9' {
			return false
		}
	}
	return true
}

// ARN is a parsed Amazon Resource Name: arn:partition:service:region:account:resource.
type ARN struct {
	Partition string
	Service   string
	Region    string
	AccountID AccountID
	Resource  string
}

// Parse splits s into its six parts. The resource keeps its own colons.
func Parse(s string) (ARN, error) {
	p := strings.SplitN(s, ":", 6)
	if len(p) != 6 || p[0] != "arn" || p[1] == "" || p[2] == "" || p[5] == "" {
		return ARN{}, fmt.Errorf("not an ARN: %q", s)
	}
	return ARN{Partition: p[1], Service: p[2], Region: p[3], AccountID: AccountID(p[4]), Resource: p[5]}, nil
}

// New makes an ARN in the aws partition.
func New(service, region string, account AccountID, resource string) ARN {
	return ARN{Partition: "aws", Service: service, Region: region, AccountID: account, Resource: resource}
}

// String formats a as AWS writes it.
func (a ARN) String() string {
	return "arn:" + a.Partition + ":" + a.Service + ":" + a.Region + ":" + string(a.AccountID) + ":" + a.Resource
}
