package sdk

import (
	"bytes"
	"context"
	"crypto/md5" //nolint:gosec // S3's ETag is one
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
)

// TestGo takes the tour with the SDK for Go, in this process.
func TestGo(t *testing.T) {
	p := running(t)
	g := &gopher{account: p.AccountID, config: aws.Config{
		Region: p.Region, BaseEndpoint: aws.String(p.Endpoint),
		Credentials: credentials.NewStaticCredentialsProvider(p.AccessKeyID, p.SecretAccessKey, ""),
	}}
	all := map[string]func(t *testing.T){
		"objects": g.objects, "multipart": g.multipart, "presigned": g.presigned,
		"batch": g.batch, "fifo": g.fifo, "permissions": g.permissions, "role": g.role,
	}
	for _, name := range served(t) {
		do := all[name]
		if do == nil {
			t.Errorf("%s: not written", name)
			continue
		}
		t.Run(name, func(t *testing.T) { t.Parallel(); do(t) })
	}
}

type gopher struct {
	account string
	config  aws.Config
}

// as returns the configuration with other credentials.
func (g *gopher) as(id, secret, token string) aws.Config {
	c := g.config.Copy()
	c.Credentials = credentials.NewStaticCredentialsProvider(id, secret, token)
	return c
}

func (g *gopher) storage() *s3.Client {
	return s3.NewFromConfig(g.config, func(o *s3.Options) { o.UsePathStyle = true })
}

// must fails the test when a call fails.
func must[T any](t *testing.T) func(out T, err error) T {
	return func(out T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
}

func refused(t *testing.T, code string, err error) {
	t.Helper()
	var e smithy.APIError
	if !errors.As(err, &e) || e.ErrorCode() != code {
		t.Fatalf("got %v, want the error %s", err, code)
	}
}

func equal[T comparable](t *testing.T, got, want T) {
	t.Helper()
	if got != want {
		t.Fatalf("got %v, want %v", got, want)
	}
}

func (g *gopher) objects(t *testing.T) {
	ctx, c, bucket := t.Context(), g.storage(), aws.String("go-objects")
	must[*s3.CreateBucketOutput](t)(c.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: bucket}))
	keys := []string{"a/1", "a/2", "b/ü &+%"}
	for _, k := range keys {
		put := must[*s3.PutObjectOutput](t)(c.PutObject(ctx, &s3.PutObjectInput{
			Bucket: bucket, Key: &k, Body: strings.NewReader(k), Metadata: map[string]string{"by": "go"},
		}))
		sum := md5.Sum([]byte(k)) //nolint:gosec // as above
		equal(t, *put.ETag, `"`+hex.EncodeToString(sum[:])+`"`)
		got := must[*s3.GetObjectOutput](t)(c.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: &k}))
		equal(t, string(must[[]byte](t)(io.ReadAll(got.Body))), k)
		equal(t, got.Metadata["by"], "go")
	}
	var listed []string
	pages := s3.NewListObjectsV2Paginator(c, &s3.ListObjectsV2Input{Bucket: bucket, MaxKeys: aws.Int32(2)})
	for pages.HasMorePages() {
		for _, o := range must[*s3.ListObjectsV2Output](t)(pages.NextPage(ctx)).Contents {
			listed = append(listed, *o.Key)
		}
	}
	equal(t, fmt.Sprint(listed), fmt.Sprint(keys))
	_, err := c.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: aws.String("none")})
	refused(t, "NoSuchKey", err)
	_, err = c.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: bucket})
	refused(t, "BucketNotEmpty", err)
	for _, k := range keys {
		must[*s3.DeleteObjectOutput](t)(c.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: bucket, Key: &k}))
	}
	must[*s3.DeleteBucketOutput](t)(c.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: bucket}))
}

func (g *gopher) multipart(t *testing.T) {
	ctx, c := t.Context(), g.storage()
	bucket, key := aws.String("go-multipart"), aws.String("large")
	must[*s3.CreateBucketOutput](t)(c.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: bucket}))
	body := make([]byte, 20<<20)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(body) // never fails
	id := must[*s3.CreateMultipartUploadOutput](t)(c.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: bucket, Key: key})).UploadId
	var parts []s3types.CompletedPart
	number := int32(0)
	for chunk := range slices.Chunk(body, 6<<20) {
		number++
		out := must[*s3.UploadPartOutput](t)(c.UploadPart(ctx, &s3.UploadPartInput{
			Bucket: bucket, Key: key, UploadId: id, PartNumber: aws.Int32(number), Body: bytes.NewReader(chunk),
		}))
		parts = append(parts, s3types.CompletedPart{ETag: out.ETag, PartNumber: aws.Int32(number), ChecksumCRC32: out.ChecksumCRC32})
	}
	must[*s3.CompleteMultipartUploadOutput](t)(c.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
		Bucket: bucket, Key: key, UploadId: id, MultipartUpload: &s3types.CompletedMultipartUpload{Parts: parts},
	}))
	got := must[*s3.GetObjectOutput](t)(c.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: key}))
	if !bytes.Equal(must[[]byte](t)(io.ReadAll(got.Body)), body) {
		t.Error("the object is not what was uploaded")
	}
	part := must[*s3.GetObjectOutput](t)(c.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: key, Range: aws.String("bytes=6291450-6291460")}))
	equal(t, string(must[[]byte](t)(io.ReadAll(part.Body))), string(body[6291450:6291461]))
}

func (g *gopher) presigned(t *testing.T) {
	ctx, c := t.Context(), g.storage()
	bucket, key := aws.String("go-presigned"), aws.String("a b/ü")
	must[*s3.CreateBucketOutput](t)(c.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: bucket}))
	p := s3.NewPresignClient(c)
	put, err := p.PresignPutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: key})
	if err != nil {
		t.Fatal(err)
	}
	status, body := fetch(ctx, t, http.MethodPut, put.URL, "without a key")
	equal(t, status, http.StatusOK)
	equal(t, body, "")
	get, err := p.PresignGetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: key})
	if err != nil {
		t.Fatal(err)
	}
	status, body = fetch(ctx, t, http.MethodGet, get.URL, "")
	equal(t, status, http.StatusOK)
	equal(t, body, "without a key")
	status, _ = fetch(ctx, t, http.MethodGet, strings.Replace(get.URL, "X-Amz-Signature=", "X-Amz-Signature=0", 1), "")
	equal(t, status, http.StatusForbidden)
}

func fetch(ctx context.Context, t *testing.T, method, url, body string) (int, string) {
	t.Helper()
	r := must[*http.Request](t)(http.NewRequestWithContext(ctx, method, url, strings.NewReader(body)))
	rs := must[*http.Response](t)(http.DefaultClient.Do(r))
	defer rs.Body.Close() //nolint:errcheck // it was only read
	return rs.StatusCode, string(must[[]byte](t)(io.ReadAll(rs.Body)))
}

func (g *gopher) queue(t *testing.T, name string, attributes map[string]string) *string {
	t.Helper()
	return must[*sqs.CreateQueueOutput](t)(sqs.NewFromConfig(g.config).CreateQueue(t.Context(), &sqs.CreateQueueInput{
		QueueName: &name, Attributes: attributes,
	})).QueueUrl
}

func (g *gopher) batch(t *testing.T) {
	ctx, c, url := t.Context(), sqs.NewFromConfig(g.config), g.queue(t, "go-batch", nil)
	in := &sqs.SendMessageBatchInput{QueueUrl: url}
	for i := range 10 {
		in.Entries = append(in.Entries, sqstypes.SendMessageBatchRequestEntry{Id: aws.String(fmt.Sprint(i)), MessageBody: aws.String(fmt.Sprint("message ", i))})
	}
	equal(t, len(must[*sqs.SendMessageBatchOutput](t)(c.SendMessageBatch(ctx, in)).Successful), 10)
	var got []string
	for len(got) < 10 {
		out := must[*sqs.ReceiveMessageOutput](t)(c.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: url, MaxNumberOfMessages: 10, WaitTimeSeconds: 5}))
		gone := &sqs.DeleteMessageBatchInput{QueueUrl: url}
		for i, m := range out.Messages {
			got = append(got, *m.Body)
			gone.Entries = append(gone.Entries, sqstypes.DeleteMessageBatchRequestEntry{Id: aws.String(fmt.Sprint(i)), ReceiptHandle: m.ReceiptHandle})
		}
		equal(t, len(must[*sqs.DeleteMessageBatchOutput](t)(c.DeleteMessageBatch(ctx, gone)).Successful), len(out.Messages))
	}
	slices.Sort(got)
	for i, body := range got {
		equal(t, body, fmt.Sprint("message ", i))
	}
	_, err := c.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: aws.String("go-none")})
	var none *sqstypes.QueueDoesNotExist
	if !errors.As(err, &none) {
		t.Errorf("got %v, want QueueDoesNotExist", err)
	}
}

func (g *gopher) fifo(t *testing.T) {
	ctx, c, url := t.Context(), sqs.NewFromConfig(g.config), g.queue(t, "go.fifo", map[string]string{"FifoQueue": "true"})
	for _, i := range []int{0, 1, 2, 1} {
		must[*sqs.SendMessageOutput](t)(c.SendMessage(ctx, &sqs.SendMessageInput{
			QueueUrl: url, MessageBody: aws.String(fmt.Sprint(i)), MessageGroupId: aws.String("g"), MessageDeduplicationId: aws.String(fmt.Sprint("d", i)),
		}))
	}
	for i := range 3 {
		out := must[*sqs.ReceiveMessageOutput](t)(c.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: url, WaitTimeSeconds: 5}))
		equal(t, len(out.Messages), 1)
		equal(t, *out.Messages[0].Body, fmt.Sprint(i))
		must[*sqs.DeleteMessageOutput](t)(c.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: url, ReceiptHandle: out.Messages[0].ReceiptHandle}))
	}
	equal(t, len(must[*sqs.ReceiveMessageOutput](t)(c.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: url})).Messages), 0)
}

// allow words a policy that allows an action on a resource.
func allow(action, resource string) *string { return policy(action, "Resource", resource) }

// trust words a policy that lets an account assume a role.
func (g *gopher) trust() *string {
	return policy("sts:AssumeRole", "Principal", map[string]string{"AWS": "arn:aws:iam::" + g.account + ":root"})
}

func policy(action, member string, value any) *string {
	b, _ := json.Marshal(map[string]any{ // strings always can be
		"Version": "2012-10-17", "Statement": []any{map[string]any{"Effect": "Allow", "Action": action, member: value}},
	})
	return aws.String(string(b))
}

// user makes a user with a policy and returns the configuration with its key.
func (g *gopher) user(t *testing.T, name string, document *string) aws.Config {
	t.Helper()
	c := iam.NewFromConfig(g.config)
	must[*iam.CreateUserOutput](t)(c.CreateUser(t.Context(), &iam.CreateUserInput{UserName: &name}))
	must[*iam.PutUserPolicyOutput](t)(c.PutUserPolicy(t.Context(), &iam.PutUserPolicyInput{UserName: &name, PolicyName: aws.String("tour"), PolicyDocument: document}))
	k := must[*iam.CreateAccessKeyOutput](t)(c.CreateAccessKey(t.Context(), &iam.CreateAccessKeyInput{UserName: &name})).AccessKey
	return g.as(*k.AccessKeyId, *k.SecretAccessKey, "")
}

// sendsOnly sees that a principal may send to a queue but not receive.
func sendsOnly(t *testing.T, config aws.Config, url *string) {
	t.Helper()
	c := sqs.NewFromConfig(config)
	must[*sqs.SendMessageOutput](t)(c.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: url, MessageBody: aws.String("allowed")}))
	_, err := c.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: url})
	refused(t, "AccessDenied", err)
}

func (g *gopher) permissions(t *testing.T) {
	url := g.queue(t, "go-permissions", nil)
	sendsOnly(t, g.user(t, "go-user", allow("sqs:SendMessage", "arn:aws:sqs:*:"+g.account+":go-permissions")), url)
}

func (g *gopher) role(t *testing.T) {
	ctx, url, name := t.Context(), g.queue(t, "go-role", nil), aws.String("go-role")
	c := iam.NewFromConfig(g.config)
	role := must[*iam.CreateRoleOutput](t)(c.CreateRole(ctx, &iam.CreateRoleInput{
		RoleName: name, AssumeRolePolicyDocument: g.trust(),
	})).Role
	must[*iam.PutRolePolicyOutput](t)(c.PutRolePolicy(ctx, &iam.PutRolePolicyInput{
		RoleName: name, PolicyName: aws.String("send"), PolicyDocument: allow("sqs:SendMessage", "arn:aws:sqs:*:"+g.account+":go-role"),
	}))
	user := sts.NewFromConfig(g.user(t, "go-assumer", allow("sts:AssumeRole", *role.Arn)))
	s := must[*sts.AssumeRoleOutput](t)(user.AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: role.Arn, RoleSessionName: aws.String("tour")})).Credentials
	session := g.as(*s.AccessKeyId, *s.SecretAccessKey, *s.SessionToken)
	who := must[*sts.GetCallerIdentityOutput](t)(sts.NewFromConfig(session).GetCallerIdentity(ctx, nil))
	equal(t, *who.Arn, "arn:aws:sts::"+g.account+":assumed-role/go-role/tour")
	sendsOnly(t, session, url)
}
