package server

import (
	"github.com/gigawatt-cloud/gigawatt/identity"
	"github.com/gigawatt-cloud/gigawatt/service"
	"github.com/gigawatt-cloud/gigawatt/services/gigawatt"
)

// services is the list of what this cloud serves, one line each. It starts
// nothing, so that it also serves to print the support table.
func services(env service.Env, who *identity.Store, op gigawatt.Operator) []*service.Service {
	_ = who // until iam is listed
	return []*service.Service{
		gigawatt.New(op, env.Account),
	}
}
