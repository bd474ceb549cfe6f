package gateway

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"errors"
	"fmt"
	"net"

	"github.com/gigawatt-cloud/gigawatt/aws/arn"
	"github.com/gigawatt-cloud/gigawatt/aws/policy"
	"github.com/gigawatt-cloud/gigawatt/aws/sigv4"
	"github.com/gigawatt-cloud/gigawatt/service"
)

// authenticate verifies the signature and finds whose it is.
func (x *exchange) authenticate() error {
	p, err := x.principal()
	if err != nil {
		return err
	}
	x.call = x.g.newCall(p, x.match.Op, x.auth.Scope.Region, x.id, x.now)
	if x.g.Used != nil && p.Type != policy.Anonymous {
		if err := x.g.Used(x.ctx, p, x.match.Service.SigningName, x.call.Region, x.now); err != nil && x.ctx.Err() == nil {
			x.g.Log.Error("note the use of an access key", "error", err)
		}
	}
	x.call.Transport = x.transport()
	x.adoptHoisted()
	return x.openBody()
}

func (x *exchange) isS3() bool { return x.match.Service.Name == "s3" }

func (x *exchange) principal() (*policy.Principal, error) {
	if x.g.Open {
		return x.openPrincipal()
	}
	switch x.auth.Form {
	case sigv4.Anonymous:
		if x.isS3() || x.match.Service.Name == "sqs" || x.match.Op != nil && x.match.Op.NoAuth {
			return &policy.Principal{Type: policy.Anonymous}, nil
		}
		return nil, x.auth.Fail(sigv4.MissingAuth)
	case sigv4.Bearer:
		return nil, x.auth.Fail(sigv4.UnsupportedAlgorithm)
	}
	cred, err := x.credential()
	if err != nil {
		return nil, err
	}
	err = x.auth.Verify(x.r, cred.Secret, sigv4.Verify{
		// Clients sign by the machine's clock, also when the cloud's was moved.
		Service: x.match.Service.SigningName, S3: x.isS3(), Bucket: x.bucket, Now: x.start,
		BodyHash: x.bodyHash, Keys: x.g.keys,
	})
	if err != nil {
		return nil, err
	}
	return cred.Principal, nil
}

// credential looks up the key that the request names.
func (x *exchange) credential() (*Credential, error) {
	cred, err := x.g.Identity.Credential(x.ctx, x.auth.AccessKeyID, x.auth.SessionToken, x.now)
	switch {
	case errors.Is(err, ErrUnknownKey):
		return nil, x.auth.Fail(sigv4.UnknownKey)
	case errors.Is(err, ErrInvalidToken):
		return nil, x.auth.Fail(sigv4.InvalidToken)
	case errors.Is(err, ErrExpiredToken):
		return nil, x.auth.Fail(sigv4.ExpiredToken)
	case err != nil:
		return nil, fmt.Errorf("look up the access key: %w", err)
	}
	return cred, nil
}

// bodyHash is the hash of the body of a service other than S3.
func (x *exchange) bodyHash() (string, error) {
	if err := x.buffer(maxBody); err != nil {
		return "", err
	}
	sum := sha256.Sum256(x.body)
	return hex.EncodeToString(sum[:]), nil
}

// openPrincipal takes any credentials. A key that is known keeps its
// principal; a 12-digit one names the account; everything else is the root of
// the cloud's own account.
func (x *exchange) openPrincipal() (*policy.Principal, error) {
	account := x.g.Account
	if key := x.auth.AccessKeyID; key != "" {
		cred, err := x.g.Identity.Credential(x.ctx, key, x.auth.SessionToken, x.now)
		if err == nil {
			return cred.Principal, nil
		}
		if a := arn.AccountID(key); a.Valid() {
			account = a
		} else if a, ok := accountOfKey(key); ok {
			account = a
		}
	}
	return Root(account), nil
}

// Root is the root principal of an account.
func Root(account arn.AccountID) *policy.Principal {
	return &policy.Principal{
		Type: policy.Root, AccountID: account, UserID: string(account),
		ARN: arn.ARN{Partition: "aws", Service: "iam", AccountID: account, Resource: "root"}.String(),
	}
}

// accountOfKey decodes the account in an access key id of AWS's own scheme:
// the 40 bits after the prefix hold half the account number above an offset,
// the next character's top bit the rest.
func accountOfKey(key string) (arn.AccountID, bool) {
	const offset = 0x8000000000
	if len(key) != 20 {
		return "", false
	}
	b, err := base32.StdEncoding.DecodeString(key[4:12])
	if err != nil {
		return "", false
	}
	var n int64
	for _, c := range b {
		n = n<<8 | int64(c)
	}
	if n < offset {
		return "", false
	}
	n = (n - offset) * 2
	if c := key[12]; c >= 'Q' && c <= 'Z' || c >= '2' && c <= '7' {
		n++
	}
	a := arn.AccountID(fmt.Sprintf("%012d", n))
	return a, a.Valid()
}

func (x *exchange) transport() service.Transport {
	ip, _, err := net.SplitHostPort(x.r.RemoteAddr)
	if err != nil {
		ip = x.r.RemoteAddr
	}
	scheme := "http"
	if x.r.TLS != nil {
		scheme = "https"
	}
	path, _ := target(x.r)
	return service.Transport{
		Host: x.r.Host, Scheme: scheme, SourceIP: ip, Secure: x.r.TLS != nil, UserAgent: x.r.UserAgent(),
		Referer: x.r.Referer(), Presigned: x.auth.Form.Presigned(), Method: x.r.Method, Path: path, Header: x.r.Header,
	}
}

// adoptHoisted makes headers of what a presigned URL carries in its query.
func (x *exchange) adoptHoisted() {
	for name, values := range x.auth.Hoisted() {
		if _, ok := x.r.Header[name]; !ok {
			x.r.Header[name] = values
		}
	}
}
