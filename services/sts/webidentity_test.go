package sts_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// issuer is an OpenID Connect provider on a loopback address.
type issuer struct {
	*httptest.Server
	t    *testing.T
	keys map[string]crypto.Signer // by kid
	asks int
}

func newIssuer(t *testing.T, start func(*httptest.Server)) *issuer {
	t.Helper()
	s := &issuer{t: t, keys: map[string]crypto.Signer{}}
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q}`, s.URL, s.URL+"/keys")
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		s.asks++
		var set jose.JSONWebKeySet
		for kid, k := range s.keys {
			set.Keys = append(set.Keys, jose.JSONWebKey{Key: k.Public(), KeyID: kid, Use: "sig"})
		}
		if err := json.NewEncoder(w).Encode(set); err != nil {
			t.Error(err)
		}
	})
	s.Server = httptest.NewUnstartedServer(mux)
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	start(s.Server)
	t.Cleanup(s.Close)
	return s
}

func rsaKey(t *testing.T) crypto.Signer {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func ecKey(t *testing.T) crypto.Signer {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// sign makes a token.
func sign(t *testing.T, alg jose.SignatureAlgorithm, key any, kid string, claims obj) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, (&jose.SignerOptions{}).WithHeader("kid", kid))
	if err != nil {
		t.Fatal(err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	text, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func (s *issuer) claims(more obj) obj {
	now := time.Now().Unix()
	out := obj{"iss": s.URL, "sub": "repo:org/app:ref:main", "aud": "sts.amazonaws.com", "iat": now, "exp": now + 600}
	for k, v := range more {
		if v == nil {
			delete(out, k)
			continue
		}
		out[k] = v
	}
	return out
}

const webTrust = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"%s"},"Action":["sts:AssumeRoleWithWebIdentity"%s],"Condition":{"StringEquals":{"%s:aud":"sts.amazonaws.com"},"StringLike":{"%s:sub":"repo:org/app:*"}}}]}`

// register makes the provider and a role that trusts it.
func (s *issuer) register(root caller, role, actions string, thumbprints ...string) (provider, roleARN string) {
	s.t.Helper()
	name := s.URL[strings.Index(s.URL, "://")+3:]
	in := obj{"Url": s.URL, "ClientIDList": []string{"sts.amazonaws.com", "other"}}
	if thumbprints != nil {
		in["ThumbprintList"] = thumbprints
	}
	provider = root.call("iam", "CreateOpenIDConnectProvider", in)["OpenIDConnectProviderArn"].(string)
	return provider, root.role(role, fmt.Sprintf(webTrust, provider, actions, name, name), allow(`"iam:List*"`, anything))
}

func TestAssumeRoleWithWebIdentity(t *testing.T) {
	cloud, root := start(t)
	s := newIssuer(t, (*httptest.Server).Start)
	s.keys["r"], s.keys["e"] = rsaKey(t), ecKey(t)
	provider, role := s.register(root, "Web", "")
	nobody := root
	n := *root.Client
	n.Credentials.AccessKeyID, n.Credentials.SecretAccessKey = "", ""
	nobody.Client = &n

	in := func(token string) obj {
		return obj{"RoleArn": role, "RoleSessionName": "build", "WebIdentityToken": token}
	}
	good := sign(t, jose.RS256, s.keys["r"], "r", s.claims(nil))
	out := nobody.call("sts", "AssumeRoleWithWebIdentity", in(good))
	if out["SubjectFromWebIdentityToken"] != "repo:org/app:ref:main" || out["Audience"] != "sts.amazonaws.com" || out["Provider"] != s.URL {
		t.Errorf("answered %v", out)
	}
	session := root.with(out)
	if got, want := session.arn(), "arn:aws:sts::000000000000:assumed-role/Web/build"; got != want {
		t.Errorf("the session is %s, want %s", got, want)
	}
	session.call("iam", "ListUsers", obj{})
	session.refused("iam", "CreateUser", obj{"UserName": "x"}, "AccessDenied", "assumed-role/Web/build")
	nobody.call("sts", "AssumeRoleWithWebIdentity", in(sign(t, jose.ES256, s.keys["e"], "e", s.claims(nil))))
	if s.asks != 1 {
		t.Errorf("the keys were asked for %d times", s.asks)
	}

	now := time.Now().Unix()
	stranger := rsaKey(t)
	cut := good[:len(good)-6] + "AAAAAA"
	payload := strings.Split(good, ".")
	for name, tc := range map[string]struct{ token, code, message string }{
		"no JWT":               {"nonsense", "InvalidIdentityToken", "not a valid JWT"},
		"a changed signature":  {cut, "InvalidIdentityToken", "not signed"},
		"no signature":         {"eyJhbGciOiJub25lIn0." + payload[1] + ".", "InvalidIdentityToken", "not a valid JWT"},
		"a stranger's key":     {sign(t, jose.RS256, stranger, "r", s.claims(nil)), "InvalidIdentityToken", "not signed"},
		"an HMAC":              {sign(t, jose.HS256, []byte("0123456789abcdef0123456789abcdef"), "r", s.claims(nil)), "InvalidIdentityToken", "not a valid JWT"},
		"expired":              {sign(t, jose.RS256, s.keys["r"], "r", s.claims(obj{"exp": now - 60})), "ExpiredTokenException", "Token expired"},
		"not yet valid":        {sign(t, jose.RS256, s.keys["r"], "r", s.claims(obj{"nbf": now + 3600})), "IDPRejectedClaim", "not valid before"},
		"for somebody else":    {sign(t, jose.RS256, s.keys["r"], "r", s.claims(obj{"aud": "else"})), "InvalidIdentityToken", "audience"},
		"another audience":     {sign(t, jose.RS256, s.keys["r"], "r", s.claims(obj{"aud": "other"})), "AccessDenied", "sts:AssumeRoleWithWebIdentity"},
		"another subject":      {sign(t, jose.RS256, s.keys["r"], "r", s.claims(obj{"sub": "repo:evil/app"})), "AccessDenied", "sts:AssumeRoleWithWebIdentity"},
		"an unknown issuer":    {sign(t, jose.RS256, s.keys["r"], "r", s.claims(obj{"iss": "https://else.example.com"})), "InvalidIdentityToken", "No OpenIDConnect provider"},
		"without a subject":    {sign(t, jose.RS256, s.keys["r"], "r", s.claims(obj{"sub": nil})), "InvalidIdentityToken", "subject"},
		"without an end":       {sign(t, jose.RS256, s.keys["r"], "r", s.claims(obj{"exp": nil})), "InvalidIdentityToken", "expiration"},
		"tags that need trust": {sign(t, jose.RS256, s.keys["r"], "r", s.claims(obj{"https://aws.amazon.com/tags": obj{"principal_tags": obj{"team": []string{"blue"}}}})), "AccessDenied", "sts:TagSession"},
	} {
		t.Run(name, func(t *testing.T) {
			caller{nobody.Client, t}.refused("sts", "AssumeRoleWithWebIdentity", in(tc.token), tc.code, tc.message)
		})
	}
	for name, tc := range map[string]struct {
		in            obj
		code, message string
	}{
		"no such role":      {obj{"RoleArn": role + "x", "RoleSessionName": "build", "WebIdentityToken": good}, "AccessDenied", "Not authorized"},
		"too long":          {obj{"RoleArn": role, "RoleSessionName": "build", "WebIdentityToken": good, "DurationSeconds": 7200}, "ValidationError", "MaxSessionDuration"},
		"an OAuth provider": {obj{"RoleArn": role, "RoleSessionName": "build", "WebIdentityToken": good, "ProviderId": "graph.facebook.com"}, "ValidationError", "ProviderId"},
	} {
		t.Run(name, func(t *testing.T) {
			caller{nobody.Client, t}.refused("sts", "AssumeRoleWithWebIdentity", tc.in, tc.code, tc.message)
		})
	}

	// A role that trusts nobody's tokens any more, and a provider that is gone.
	root.call("iam", "UpdateAssumeRolePolicy", obj{"RoleName": "Web", "PolicyDocument": allow(assumes, anybody)})
	nobody.refused("sts", "AssumeRoleWithWebIdentity", in(good), "AccessDenied", "Not authorized")
	root.call("iam", "DeleteOpenIDConnectProvider", obj{"OpenIDConnectProviderArn": provider})
	nobody.refused("sts", "AssumeRoleWithWebIdentity", in(good), "InvalidIdentityToken", "No OpenIDConnect provider")
	if err := cloud.Advance(time.Hour); err != nil {
		t.Fatal(err)
	}
	session.refused("sts", "GetCallerIdentity", obj{}, "ExpiredToken", "")
}

// Tags and the source identity of a token become those of the session.
func TestWebIdentityTags(t *testing.T) {
	_, root := start(t)
	s := newIssuer(t, (*httptest.Server).Start)
	s.keys["r"] = rsaKey(t)
	_, role := s.register(root, "Web", `,"sts:TagSession","sts:SetSourceIdentity"`)
	root.call("iam", "PutRolePolicy", obj{
		"RoleName": "Web", "PolicyName": "p",
		"PolicyDocument": allow(`"iam:ListUsers"`, anything+`,"Condition":{"StringEquals":{"aws:PrincipalTag/team":"blue","aws:SourceIdentity":"ann"}}`),
	})
	token := func(team string) string {
		return sign(t, jose.RS256, s.keys["r"], "r", s.claims(obj{
			"azp": "sts.amazonaws.com", "https://aws.amazon.com/source_identity": "ann",
			"https://aws.amazon.com/tags": obj{"principal_tags": obj{"team": []string{team}}, "transitive_tag_keys": []string{"team"}},
		}))
	}
	in := obj{"RoleArn": role, "RoleSessionName": "build", "WebIdentityToken": token("blue")}
	out := root.call("sts", "AssumeRoleWithWebIdentity", in)
	if out["SourceIdentity"] != "ann" {
		t.Errorf("source identity %v", out["SourceIdentity"])
	}
	root.with(out).call("iam", "ListUsers", obj{})
	in["WebIdentityToken"] = token("red")
	root.with(root.call("sts", "AssumeRoleWithWebIdentity", in)).refused("iam", "ListUsers", obj{}, "AccessDenied", "")
}

// Keys are asked for again when a token names one that is not known, but not
// with every such token.
func TestWebIdentityKeyRotation(t *testing.T) {
	cloud, root := start(t)
	s := newIssuer(t, (*httptest.Server).Start)
	s.keys["one"] = ecKey(t)
	_, role := s.register(root, "Web", "")
	in := func(kid string, key any) obj {
		return obj{"RoleArn": role, "RoleSessionName": "build", "WebIdentityToken": sign(t, jose.ES256, key, kid, s.claims(nil))}
	}
	root.call("sts", "AssumeRoleWithWebIdentity", in("one", s.keys["one"]))
	two := ecKey(t)
	s.keys["two"] = two
	root.refused("sts", "AssumeRoleWithWebIdentity", in("two", two), "InvalidIdentityToken", "not signed")
	if err := cloud.Advance(time.Minute); err != nil {
		t.Fatal(err)
	}
	root.call("sts", "AssumeRoleWithWebIdentity", in("two", two))
	s.Close()
	root.call("sts", "AssumeRoleWithWebIdentity", in("one", s.keys["one"]))
	if s.asks != 2 {
		t.Errorf("the keys were asked for %d times", s.asks)
	}
}

// An issuer with a certificate of its own is trusted by its thumbprint only.
func TestWebIdentityThumbprint(t *testing.T) {
	for _, tc := range []struct {
		name string
		of   func(raw []byte) []byte
		code string
	}{
		{"its own", func(raw []byte) []byte { return raw }, ""},
		{"another's", func([]byte) []byte { return nil }, "IDPCommunicationError"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, root := start(t)
			s := newIssuer(t, (*httptest.Server).StartTLS)
			s.keys["r"] = ecKey(t)
			sum := sha1.Sum(tc.of(s.Certificate().Raw))
			_, role := s.register(root, "Web", "", hex.EncodeToString(sum[:]))
			in := obj{"RoleArn": role, "RoleSessionName": "build", "WebIdentityToken": sign(t, jose.ES256, s.keys["r"], "r", s.claims(nil))}
			if tc.code != "" {
				root.refused("sts", "AssumeRoleWithWebIdentity", in, tc.code, "Couldn't retrieve verification key")
				return
			}
			root.call("sts", "AssumeRoleWithWebIdentity", in)
		})
	}
}
