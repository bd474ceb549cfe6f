package sts

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	api "github.com/gigawatt-cloud/gigawatt/api/stsapi"
	"github.com/gigawatt-cloud/gigawatt/aws/policy"
	"github.com/gigawatt-cloud/gigawatt/identity"
)

// algorithms are the signatures that a token may have.
var algorithms = []jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.RS512, jose.ES256, jose.ES384, jose.ES512}

// token is an OpenID Connect ID token.
type token struct {
	jws *jose.JSONWebSignature
	// claims are those of a token whose signature was verified, or not yet.
	claims
	all map[string]any
}

type claims struct {
	Issuer   string   `json:"iss"`
	Subject  string   `json:"sub"`
	Audience audience `json:"aud"`
	Party    string   `json:"azp"`
	Expires  *seconds `json:"exp"`
	Issued   *seconds `json:"iat"`
	From     *seconds `json:"nbf"`
	Source   string   `json:"https://aws.amazon.com/source_identity"`
	Tags     struct {
		Principal  map[string][]string `json:"principal_tags"`
		Transitive []string            `json:"transitive_tag_keys"`
	} `json:"https://aws.amazon.com/tags"`
}

// audience is one audience or several.
type audience []string

// UnmarshalJSON takes a string or a list.
func (a *audience) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*a = audience{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(a))
}

// seconds is a time as tokens have it, which may have a fraction.
type seconds float64

func (s *seconds) time() time.Time { return time.Unix(int64(*s), 0).UTC() }

// parseToken reads a token; nothing of it is verified.
func parseToken(text string) (*token, error) {
	jws, err := jose.ParseSignedCompact(text, algorithms)
	if err != nil {
		return nil, errToken("The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)")
	}
	t := &token{jws: jws}
	if err := t.read(jws.UnsafePayloadWithoutVerification()); err != nil {
		return nil, err
	}
	return t, nil
}

func (t *token) read(payload []byte) error {
	t.claims, t.all = claims{}, nil
	if json.Unmarshal(payload, &t.claims) != nil || json.Unmarshal(payload, &t.all) != nil {
		return errToken("The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)")
	}
	for name, present := range map[string]bool{
		"issuer": t.Issuer != "", "subject": t.Subject != "", "audience": len(t.Audience) > 0, "expiration": t.Expires != nil, "issued-at": t.Issued != nil,
	} {
		if !present {
			return errToken("Missing a required claim: %s", name)
		}
	}
	return nil
}

func errToken(format string, args ...any) error {
	return api.ErrInvalidIdentityTokenException(format, args...)
}

// verify checks the signature with one of the provider's keys, then the time
// and the audience.
func (s *svc) verify(ctx context.Context, t *token, p *identity.OIDCProvider, now time.Time) error {
	header := t.jws.Signatures[0].Header
	keys, err := s.keys.keys(ctx, p, header.KeyID, now)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return api.ErrIDPCommunicationErrorException("Couldn't retrieve verification key from your identity provider: %s", p.Name)
	}
	verified := false
	for i := range keys {
		k := &keys[i]
		if k.Use == "enc" || k.Algorithm != "" && k.Algorithm != header.Algorithm || !k.IsPublic() {
			continue
		}
		payload, err := t.jws.Verify(k)
		if err != nil {
			continue
		}
		if err := t.read(payload); err != nil {
			return err
		}
		verified = true
		break
	}
	switch {
	case !verified:
		return errToken("Provided Token is not signed by a key of the identity provider")
	case !now.Before(t.Expires.time()):
		return api.ErrExpiredTokenException("Token expired: current date/time %d must be before the expiration date/time %d", now.Unix(), t.Expires.time().Unix())
	case t.From != nil && now.Before(t.From.time()):
		return api.ErrIDPRejectedClaimException("The token is not valid before %d", t.From.time().Unix())
	case !t.accepted(p.ClientIDs):
		return errToken("Incorrect token audience")
	}
	return nil
}

// accepted reports whether the token is for one of the provider's clients.
func (t *token) accepted(clients []string) bool {
	if t.Party != "" && slices.Contains(clients, t.Party) {
		return true
	}
	return slices.ContainsFunc(t.Audience, func(a string) bool { return slices.Contains(clients, a) })
}

// keys are the condition keys of the token: its claims under the provider's
// name, such as "token.actions.githubusercontent.com:sub".
//
// Differs from AWS: every claim that is a text, a number, a truth value or a list of texts is a condition key, not only those of AWS's table.
//
// Differs from AWS: the keys hold for AssumeRoleWithWebIdentity itself, not for later calls of the session.
func (t *token) keys(provider string) policy.Context {
	out := policy.Context{}
	for name, v := range t.all {
		if strings.HasPrefix(name, "https://aws.amazon.com/") {
			continue
		}
		if values := claimValues(v); values != nil {
			out.Set(provider+":"+name, values...)
		}
	}
	if t.Party != "" { // who the token was made for, where that is told apart
		out.Set(provider+":aud", t.Party)
		out.Set(provider+":oaud", t.Audience...)
	}
	return out
}

func claimValues(v any) []string {
	switch v := v.(type) {
	case string:
		return []string{v}
	case bool:
		return []string{strconv.FormatBool(v)}
	case float64:
		return []string{strconv.FormatFloat(v, 'f', -1, 64)}
	case []any:
		var out []string
		for _, e := range v {
			s, ok := e.(string)
			if !ok {
				return nil
			}
			out = append(out, s)
		}
		return out
	}
	return nil
}
