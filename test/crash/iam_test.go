package crash

import (
	"context"
	"fmt"
	"net/url"
	"sync"

	"github.com/gigawatt-cloud/gigawatt/aws/sigv4"
	"github.com/gigawatt-cloud/gigawatt/test/wire"
)

// accessKeys holds the keys whose making was answered, by user.
var accessKeys sync.Map

func (w *world) iam(ctx context.Context, action string, out any, pairs ...string) error {
	return w.call("iam", action, func() error { return w.client.IAM(ctx, action, out, pairs...) })
}

// liveAndDie makes a user with a policy and a key, calls with it, and removes
// it all again, but for one user in ten.
func liveAndDie(ctx context.Context, w *world, k *worker) error {
	name := fmt.Sprintf("u%d-%d", k.id, k.next())
	edit := func(thing, value, action string, pairs ...string) error {
		return w.change(value, func() error { return w.iam(ctx, action, nil, append(pairs, "UserName", name)...) }, thing+" "+name)
	}
	if err := edit("user", there, "CreateUser"); err != nil {
		return err
	}
	for v := range 2 {
		doc := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Sid":"v%d","Effect":"Allow","Action":"sts:*","Resource":"*"}]}`, v)
		if err := edit("policy", doc, "PutUserPolicy", "PolicyName", "p", "PolicyDocument", doc); err != nil {
			return err
		}
	}
	var out newKey
	err := w.change(there, func() error { return w.iam(ctx, "CreateAccessKey", &out, "UserName", name) }, "key "+name)
	if err != nil {
		return err
	}
	cred := sigv4.Credentials{AccessKeyID: out.ID, SecretAccessKey: out.Secret}
	accessKeys.Store(name, cred)
	if err := w.whoami(ctx, cred, name); err != nil || k.random.IntN(10) == 0 {
		return err
	}
	if err := edit("key", absent, "DeleteAccessKey", "AccessKeyId", out.ID); err != nil {
		return err
	}
	if err := edit("policy", absent, "DeleteUserPolicy", "PolicyName", "p"); err != nil {
		return err
	}
	return edit("user", absent, "DeleteUser")
}

type newKey struct {
	ID     string `xml:"CreateAccessKeyResult>AccessKey>AccessKeyId"`
	Secret string `xml:"CreateAccessKeyResult>AccessKey>SecretAccessKey"`
}

// whoami calls with a user's key.
func (w *world) whoami(ctx context.Context, cred sigv4.Credentials, name string) error {
	return w.call("sts", "GetCallerIdentity", func() error {
		var out struct {
			ARN string `xml:"GetCallerIdentityResult>Arn"`
		}
		err := w.client.As(cred).STS(ctx, "GetCallerIdentity", &out)
		if want := "arn:aws:iam::000000000000:user/" + name; err == nil && out.ARN != want {
			w.problem("the key of %s stands for %s", name, out.ARN)
		}
		return err
	})
}

// checkUsers lists the users and looks at what each has.
func checkUsers(ctx context.Context, w *world) error {
	listed := map[string]bool{}
	for marker := ""; ; {
		var out struct {
			Names     []string `xml:"ListUsersResult>Users>member>UserName"`
			Truncated bool     `xml:"ListUsersResult>IsTruncated"`
			Marker    string   `xml:"ListUsersResult>Marker"`
		}
		pairs := []string{"MaxItems", "500"}
		if marker != "" {
			pairs = append(pairs, "Marker", marker)
		}
		if err := w.iam(ctx, "ListUsers", &out, pairs...); err != nil {
			return err
		}
		for _, n := range out.Names {
			listed[n] = true
		}
		if marker = out.Marker; !out.Truncated {
			break
		}
	}
	for _, n := range w.names("user ") {
		if !listed[n[len("user "):]] {
			w.found(n, absent)
		}
	}
	names := make([]string, 0, len(listed))
	for n := range listed {
		w.found("user "+n, there)
		names = append(names, n)
	}
	return together(len(names), func(i int) error { return w.checkUser(ctx, names[i]) })
}

func (w *world) checkUser(ctx context.Context, name string) error {
	var policy struct {
		Document string `xml:"GetUserPolicyResult>PolicyDocument"`
	}
	err := w.iam(ctx, "GetUserPolicy", &policy, "UserName", name, "PolicyName", "p")
	if err != nil && wire.Code(err) != "NoSuchEntity" {
		return err
	}
	doc, err := url.PathUnescape(policy.Document)
	if err != nil {
		return err
	}
	w.found("policy "+name, doc)
	var keys struct {
		IDs []string `xml:"ListAccessKeysResult>AccessKeyMetadata>member>AccessKeyId"`
	}
	if err := w.iam(ctx, "ListAccessKeys", &keys, "UserName", name); err != nil {
		return err
	}
	if len(keys.IDs) == 0 {
		w.found("key "+name, absent)
		return nil
	}
	w.found("key "+name, there)
	if cred, ok := accessKeys.Load(name); ok {
		return w.whoami(ctx, cred.(sigv4.Credentials), name)
	}
	return nil
}
