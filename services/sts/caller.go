package sts

import (
	"context"

	api "github.com/gigawatt-cloud/gigawatt/api/stsapi"
	"github.com/gigawatt-cloud/gigawatt/aws/policy"
	"github.com/gigawatt-cloud/gigawatt/identity"
	"github.com/gigawatt-cloud/gigawatt/service"
)

func (s *svc) getCallerIdentity(_ context.Context, c *service.Call, _ *api.GetCallerIdentityInput) (*api.GetCallerIdentityOutput, error) {
	p := c.Principal
	account := string(p.AccountID)
	return &api.GetCallerIdentityOutput{UserId: &p.UserID, Account: &account, Arn: &p.ARN}, nil
}

func needGetAccessKeyInfo(*service.Call, *api.GetAccessKeyInfoInput) []policy.Need {
	return []policy.Need{{Action: "sts:GetAccessKeyInfo", Resource: "*"}}
}

// getAccessKeyInfo reads the account out of a key's id, whether or not the key exists.
func (s *svc) getAccessKeyInfo(_ context.Context, _ *service.Call, in *api.GetAccessKeyInfoInput) (*api.GetAccessKeyInfoOutput, error) {
	a, ok := identity.AccountOfKey(in.AccessKeyId)
	if !ok {
		return nil, errValidation("%s is not an access key id.", in.AccessKeyId)
	}
	account := string(a)
	return &api.GetAccessKeyInfoOutput{Account: &account}, nil
}

func needDecodeAuthorizationMessage(*service.Call, *api.DecodeAuthorizationMessageInput) []policy.Need {
	return []policy.Need{{Action: "sts:DecodeAuthorizationMessage", Resource: "*"}}
}

func (s *svc) decodeAuthorizationMessage(_ context.Context, _ *service.Call, in *api.DecodeAuthorizationMessageInput) (*api.DecodeAuthorizationMessageOutput, error) {
	b, err := s.who.DecodeMessage(in.EncodedMessage)
	if err != nil {
		return nil, api.ErrInvalidAuthorizationMessageException("The encoded message is not one that this cloud has made.")
	}
	text := string(b)
	return &api.DecodeAuthorizationMessageOutput{DecodedMessage: &text}, nil
}
