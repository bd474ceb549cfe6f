package iam

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	api "github.com/gigawatt-cloud/gigawatt/api/iamapi"
	"github.com/gigawatt-cloud/gigawatt/aws/policy"
	"github.com/gigawatt-cloud/gigawatt/identity"
	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/service"
	"github.com/gigawatt-cloud/gigawatt/services/iam/entity"
)

// linkedService is what a service's linked role is called and may do.
type linkedService struct {
	role   string // after "AWSServiceRoleFor"
	policy string // after "aws-service-role/"
	suffix bool   // a CustomSuffix is allowed
}

// linkedServices are the services that have linked roles.
var linkedServices = map[string]linkedService{
	"access-analyzer.amazonaws.com":                   {"AccessAnalyzer", "AccessAnalyzerServiceRolePolicy", false},
	"application-autoscaling.amazonaws.com":           {"ApplicationAutoScaling", "ApplicationAutoScalingServiceRolePolicy", false},
	"autoscaling.amazonaws.com":                       {"AutoScaling", "AutoScalingServiceRolePolicy", true},
	"batch.amazonaws.com":                             {"Batch", "BatchServiceRolePolicy", false},
	"bedrock.amazonaws.com":                           {"AmazonBedrock", "AmazonBedrockServiceRolePolicy", false},
	"bedrock-agentcore.amazonaws.com":                 {"BedrockAgentCoreRuntimeIdentity", "BedrockAgentCoreRuntimeIdentityServiceRolePolicy", false},
	"cloudtrail.amazonaws.com":                        {"CloudTrail", "CloudTrailServiceRolePolicy", false},
	"cloudwatch.amazonaws.com":                        {"CloudWatchEvents", "CloudWatchEventsServiceRolePolicy", false},
	"config.amazonaws.com":                            {"Config", "AWSConfigServiceRolePolicy", false},
	"dynamodb.application-autoscaling.amazonaws.com":  {"ApplicationAutoScaling_DynamoDBTable", "AWSApplicationAutoscalingDynamoDBTablePolicy", false},
	"ec2.application-autoscaling.amazonaws.com":       {"ApplicationAutoScaling_EC2SpotFleetRequest", "AWSApplicationAutoscalingEC2SpotFleetRequestPolicy", false},
	"ecs.amazonaws.com":                               {"ECS", "AmazonECSServiceRolePolicy", false},
	"ecs.application-autoscaling.amazonaws.com":       {"ApplicationAutoScaling_ECSService", "AWSApplicationAutoscalingECSServicePolicy", false},
	"eks.amazonaws.com":                               {"AmazonEKS", "AmazonEKSServiceRolePolicy", false},
	"eks-nodegroup.amazonaws.com":                     {"AmazonEKSNodegroup", "AWSServiceRoleForAmazonEKSNodegroup", false},
	"elasticache.amazonaws.com":                       {"ElastiCache", "ElastiCacheServiceRolePolicy", false},
	"elasticfilesystem.amazonaws.com":                 {"AmazonElasticFileSystem", "AmazonElasticFileSystemServiceRolePolicy", false},
	"elasticloadbalancing.amazonaws.com":              {"ElasticLoadBalancing", "AWSElasticLoadBalancingServiceRolePolicy", false},
	"events.amazonaws.com":                            {"CloudWatchEvents", "CloudWatchEventsServiceRolePolicy", false},
	"guardduty.amazonaws.com":                         {"AmazonGuardDuty", "AmazonGuardDutyServiceRolePolicy", false},
	"kafka.amazonaws.com":                             {"Kafka", "KafkaServiceRolePolicy", false},
	"lambda.application-autoscaling.amazonaws.com":    {"ApplicationAutoScaling_LambdaConcurrency", "AWSApplicationAutoscalingLambdaConcurrencyPolicy", false},
	"lexv2.amazonaws.com":                             {"LexV2Bots", "AmazonLexV2BotPolicy", true},
	"opensearchservice.amazonaws.com":                 {"AmazonOpenSearchService", "AmazonOpenSearchServiceRolePolicy", false},
	"organizations.amazonaws.com":                     {"Organizations", "AWSOrganizationsServiceTrustPolicy", false},
	"ops.apigateway.amazonaws.com":                    {"APIGateway", "APIGatewayServiceRolePolicy", false},
	"rds.amazonaws.com":                               {"RDS", "AmazonRDSServiceRolePolicy", false},
	"replicator.lambda.amazonaws.com":                 {"LambdaReplicator", "AWSLambdaReplicator", false},
	"sagemaker.amazonaws.com":                         {"AmazonSageMakerNotebooks", "AmazonSageMakerNotebooksServiceRolePolicy", false},
	"sagemaker.application-autoscaling.amazonaws.com": {"ApplicationAutoScaling_SageMakerEndpoint", "AWSApplicationAutoscalingSageMakerEndpointPolicy", false},
	"spot.amazonaws.com":                              {"EC2Spot", "AWSEC2SpotServiceRolePolicy", false},
	"spotfleet.amazonaws.com":                         {"EC2SpotFleet", "AWSEC2SpotFleetServiceRolePolicy", false},
	"ssm.amazonaws.com":                               {"AmazonSSM", "AmazonSSMServiceRolePolicy", false},
	"support.amazonaws.com":                           {"Support", "AWSSupportServiceRolePolicy", false},
	"transitgateway.amazonaws.com":                    {"VPCTransitGateway", "AWSVPCTransitGatewayServiceRolePolicy", false},
	"trustedadvisor.amazonaws.com":                    {"TrustedAdvisor", "AWSTrustedAdvisorServiceRolePolicy", false},
}

func linkedName(in *api.CreateServiceLinkedRoleInput) (string, bool) {
	l, ok := linkedServices[in.AWSServiceName]
	name := "AWSServiceRoleFor" + l.role
	if in.CustomSuffix != nil {
		name += "_" + *in.CustomSuffix
	}
	return name, ok
}

func needCreateServiceLinkedRole(c *service.Call, in *api.CreateServiceLinkedRoleInput) []policy.Need {
	name, ok := linkedName(in)
	if !ok {
		name = "*"
	}
	keys := policy.Context{}
	keys.Set("iam:AWSServiceName", in.AWSServiceName)
	path := linkedPath + in.AWSServiceName + "/"
	return entity.NeedNew(c, "CreateServiceLinkedRole", identity.KindRole, &path, name, keys)
}

func (s *svc) createServiceLinkedRole(ctx context.Context, c *service.Call, in *api.CreateServiceLinkedRoleInput) (*api.CreateServiceLinkedRoleOutput, error) {
	l, ok := linkedServices[in.AWSServiceName]
	if !ok {
		return nil, api.ErrInvalidInputException("%s is not a service with service-linked roles.", in.AWSServiceName)
	}
	if in.CustomSuffix != nil && !l.suffix {
		return nil, api.ErrInvalidInputException("Custom suffix is not allowed for %s", in.AWSServiceName)
	}
	name, _ := linkedName(in)
	path := linkedPath + in.AWSServiceName + "/"
	trust, err := trustService(in.AWSServiceName)
	if err != nil {
		return nil, err
	}
	r := &identity.Role{
		Entity: entity.New(c, "AROA", &path, name), Description: entity.Value(in.Description),
		Trust: trust, MaxSession: time.Hour,
	}
	err = c.Update(ctx, func(tx *kv.Tx) error {
		err := identity.Roles.Create(tx, c.Account, r)
		if errors.Is(err, identity.ErrExists) {
			return api.ErrInvalidInputException("Service role name %s has been taken in this account, please try a different suffix.", name)
		}
		if err != nil {
			return err
		}
		a := identity.ARN(identity.AWSAccount, identity.KindPolicy, linkedPath, l.policy)
		p, err := identity.FindPolicy(tx, c.Account, a)
		if err != nil {
			return err
		}
		h := &holder{kind: identity.KindRole, account: c.Account, Entity: &r.Entity, role: r}
		return attachTo(tx, h, p, a)
	})
	if err != nil {
		return nil, err
	}
	out := apiNewRole(c.Account, r, trust)
	return &api.CreateServiceLinkedRoleOutput{Role: &out}, nil
}

// trustService is the trust policy of a service-linked role.
func trustService(name string) (string, error) {
	type object = map[string]any
	b, err := json.Marshal(object{"Version": policy.Version2012, "Statement": []object{{
		"Effect": "Allow", "Principal": object{"Service": name}, "Action": "sts:AssumeRole",
	}}})
	return string(b), err
}

// deletion is a finished task that deleted a service-linked role.
type deletion struct {
	Done time.Time `cbor:"done"`
}

var deletions = kv.NewTable[deletion]("iam/deletion", kv.Small()) // account, task id

func (s *svc) needDeleteServiceLinkedRole(c *service.Call, in *api.DeleteServiceLinkedRoleInput) []policy.Need {
	return entity.Need(c, s.who, "DeleteServiceLinkedRole", identity.KindRole, in.RoleName, nil)
}

// deleteServiceLinkedRole is done when it answers: no service keeps what would
// have to be asked about first.
func (s *svc) deleteServiceLinkedRole(ctx context.Context, c *service.Call, in *api.DeleteServiceLinkedRoleInput) (*api.DeleteServiceLinkedRoleOutput, error) {
	out := &api.DeleteServiceLinkedRoleOutput{}
	uuid := c.IDs.UUID()
	return out, c.Update(ctx, func(tx *kv.Tx) error {
		r, err := getRole(tx, c.Account, in.RoleName)
		if err != nil {
			return err
		}
		if !isLinked(r) {
			return api.ErrNoSuchEntityException("The role %s is not a service-linked role.", r.Name)
		}
		h := &holder{kind: identity.KindRole, account: c.Account, Entity: &r.Entity, role: r}
		for row, err := range identity.Attached.Scan(tx, kv.Scan{Prefix: []any{c.Account, r.ID}}) {
			if err != nil {
				return err
			}
			p, err := identity.FindPolicy(tx, c.Account, *row.Value)
			if err != nil {
				return err
			}
			if err := detachFrom(tx, h, p); err != nil {
				return err
			}
		}
		if err := dropRole(tx, h); err != nil {
			return err
		}
		out.DeletionTaskId = "task" + r.Path + r.Name + "/" + uuid
		return deletions.Put(tx, &deletion{Done: c.Now}, c.Account, out.DeletionTaskId)
	})
}

func needGetServiceLinkedRoleDeletionStatus(c *service.Call, in *api.GetServiceLinkedRoleDeletionStatusInput) []policy.Need {
	role := strings.TrimPrefix(in.DeletionTaskId, "task/")
	if i := strings.LastIndexByte(role, '/'); i >= 0 {
		role = role[:i]
	}
	return entity.NeedARN("GetServiceLinkedRoleDeletionStatus", identity.ARN(c.Account, identity.KindRole, "/", role), nil)
}

func (s *svc) getServiceLinkedRoleDeletionStatus(ctx context.Context, c *service.Call, in *api.GetServiceLinkedRoleDeletionStatusInput) (*api.GetServiceLinkedRoleDeletionStatusOutput, error) {
	err := c.View(ctx, func(tx *kv.Tx) error {
		_, err := deletions.Get(tx, c.Account, in.DeletionTaskId)
		return entity.OrNoSuchEntity(err, "The deletion task with id %s cannot be found.", in.DeletionTaskId)
	})
	if err != nil {
		return nil, err
	}
	return &api.GetServiceLinkedRoleDeletionStatusOutput{Status: api.DeletionTaskStatusTypeSucceeded}, nil
}
