package server

import (
	"github.com/gigawatt-cloud/gigawatt/identity"
	"github.com/gigawatt-cloud/gigawatt/service"
	"github.com/gigawatt-cloud/gigawatt/services/gigawatt"
	"github.com/gigawatt-cloud/gigawatt/services/iam"
	"github.com/gigawatt-cloud/gigawatt/services/s3"
	"github.com/gigawatt-cloud/gigawatt/services/sqs"
	"github.com/gigawatt-cloud/gigawatt/services/sts"
)

// services is the list of what this cloud serves, one line each. It starts
// nothing, so that it also serves to print the support table.
func services(env service.Env, who *identity.Store, op gigawatt.Operator) []*service.Service {
	return []*service.Service{
		gigawatt.New(op, env.Account),
		iam.New(env, who),
		s3.New(env),
		sqs.New(env),
		sts.New(env, who, newFetcher()),
	}
}
