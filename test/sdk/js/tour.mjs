// The tour with the AWS SDK for JavaScript; see package sdk.

import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import * as iam from "@aws-sdk/client-iam";
import * as s3 from "@aws-sdk/client-s3";
import * as sqs from "@aws-sdk/client-sqs";
import * as sts from "@aws-sdk/client-sts";
import { Upload } from "@aws-sdk/lib-storage";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";

const account = process.env.ACCOUNT;
const storage = new s3.S3({ forcePathStyle: true });
const queues = new sqs.SQS({});
const identity = new iam.IAM({});

const refused = (code, promise) => assert.rejects(promise, (e) => (assert.equal(e.name, code), true));

const policy = (statement) => JSON.stringify({ Version: "2012-10-17", Statement: [{ Effect: "Allow", ...statement }] });
const allow = (Action, queue) => policy({ Action, Resource: `arn:aws:sqs:*:${account}:${queue}` });

// user makes a user with a policy and returns the credentials of its key.
async function user(UserName, PolicyDocument) {
  await identity.createUser({ UserName });
  await identity.putUserPolicy({ UserName, PolicyName: "tour", PolicyDocument });
  const { AccessKey: key } = await identity.createAccessKey({ UserName });
  return { accessKeyId: key.AccessKeyId, secretAccessKey: key.SecretAccessKey };
}

const steps = {
  async objects() {
    const Bucket = "js-objects";
    await storage.createBucket({ Bucket });
    const bodies = { "a/1": "one", "a/2": "two", "b/ü &+%": "three" };
    for (const [Key, Body] of Object.entries(bodies)) {
      const put = await storage.putObject({ Bucket, Key, Body, Metadata: { by: "js" } });
      assert.equal(put.ETag, `"${createHash("md5").update(Body).digest("hex")}"`);
    }
    for (const [Key, Body] of Object.entries(bodies)) {
      const got = await storage.getObject({ Bucket, Key });
      assert.equal(await got.Body.transformToString(), Body);
      assert.deepEqual(got.Metadata, { by: "js" });
    }
    const listed = [];
    for await (const page of s3.paginateListObjectsV2({ client: storage, pageSize: 2 }, { Bucket })) {
      listed.push(...page.Contents.map((o) => o.Key));
    }
    assert.deepEqual(listed, Object.keys(bodies));
    await storage.copyObject({ Bucket, Key: "copy", CopySource: `${Bucket}/a/1` });
    await refused("NoSuchKey", storage.getObject({ Bucket, Key: "none" }));
    const Objects = [...listed, "copy"].map((Key) => ({ Key }));
    assert.equal((await storage.deleteObjects({ Bucket, Delete: { Objects } })).Deleted.length, 4);
    await storage.deleteBucket({ Bucket });
    await refused("NoSuchBucket", storage.listObjectsV2({ Bucket }));
  },

  async multipart() {
    const Bucket = "js-multipart";
    const body = randomBytes(20 << 20);
    await storage.createBucket({ Bucket });
    const done = await new Upload({ client: storage, params: { Bucket, Key: "large", Body: body }, partSize: 6 << 20 }).done();
    assert.match(done.ETag, /-4"$/);
    const got = await storage.getObject({ Bucket, Key: "large" });
    assert.equal(Buffer.compare(Buffer.from(await got.Body.transformToByteArray()), body), 0);
    const part = await storage.getObject({ Bucket, Key: "large", Range: "bytes=-7" });
    assert.deepEqual(Buffer.from(await part.Body.transformToByteArray()), body.subarray(-7));
  },

  async presigned() {
    const where = { Bucket: "js-presigned", Key: "a b/ü" };
    await storage.createBucket({ Bucket: where.Bucket });
    const put = await fetch(await getSignedUrl(storage, new s3.PutObjectCommand(where)), { method: "PUT", body: "without a key" });
    assert.equal(put.status, 200, await put.text());
    const url = await getSignedUrl(storage, new s3.GetObjectCommand(where), { expiresIn: 60 });
    assert.equal(await (await fetch(url)).text(), "without a key");
    assert.equal((await fetch(url.replace("X-Amz-Signature=", "X-Amz-Signature=0"))).status, 403);
  },

  async batch() {
    const { QueueUrl } = await queues.createQueue({ QueueName: "js-batch" });
    const bodies = Array.from({ length: 10 }, (_, i) => `message ${i} ü`);
    const sent = await queues.sendMessageBatch({ QueueUrl, Entries: bodies.map((MessageBody, i) => ({ Id: `${i}`, MessageBody })) });
    assert.equal(sent.Successful.length, 10);
    const got = new Set();
    while (got.size < 10) {
      const { Messages } = await queues.receiveMessage({ QueueUrl, MaxNumberOfMessages: 10, WaitTimeSeconds: 5 });
      Messages.forEach((m) => got.add(m.Body));
      const Entries = Messages.map((m, i) => ({ Id: `${i}`, ReceiptHandle: m.ReceiptHandle }));
      assert.equal((await queues.deleteMessageBatch({ QueueUrl, Entries })).Successful.length, Messages.length);
    }
    assert.deepEqual([...got].sort(), bodies);
    await queues.deleteQueue({ QueueUrl });
    await refused("QueueDoesNotExist", queues.getQueueUrl({ QueueName: "js-none" }));
  },

  async fifo() {
    const { QueueUrl } = await queues.createQueue({ QueueName: "js.fifo", Attributes: { FifoQueue: "true" } });
    for (const i of [0, 1, 2, 1]) {
      await queues.sendMessage({ QueueUrl, MessageBody: `m${i}`, MessageGroupId: "g", MessageDeduplicationId: `d${i}` });
    }
    const got = [];
    while (got.length < 3) {
      const { Messages } = await queues.receiveMessage({ QueueUrl, WaitTimeSeconds: 5 });
      got.push(Messages[0].Body);
      await queues.deleteMessage({ QueueUrl, ReceiptHandle: Messages[0].ReceiptHandle });
    }
    assert.deepEqual(got, ["m0", "m1", "m2"]);
    assert.equal((await queues.receiveMessage({ QueueUrl })).Messages, undefined);
  },

  async permissions() {
    const { QueueUrl } = await queues.createQueue({ QueueName: "js-permissions" });
    const credentials = await user("js-user", allow("sqs:SendMessage", "js-permissions"));
    const sender = new sqs.SQS({ credentials });
    await sender.sendMessage({ QueueUrl, MessageBody: "allowed" });
    await refused("AccessDenied", sender.receiveMessage({ QueueUrl }));
    const wrong = new sqs.SQS({ credentials: { ...credentials, secretAccessKey: "wrong" } });
    await refused("InvalidSignatureException", wrong.sendMessage({ QueueUrl, MessageBody: "forged" }));
  },

  async role() {
    const { QueueUrl } = await queues.createQueue({ QueueName: "js-role" });
    const AssumeRolePolicyDocument = policy({ Principal: { AWS: `arn:aws:iam::${account}:root` }, Action: "sts:AssumeRole" });
    const { Role } = await identity.createRole({ RoleName: "js-role", AssumeRolePolicyDocument });
    await identity.putRolePolicy({ RoleName: "js-role", PolicyName: "send", PolicyDocument: allow("sqs:SendMessage", "js-role") });
    const assumer = new sts.STS({ credentials: await user("js-assumer", policy({ Action: "sts:AssumeRole", Resource: Role.Arn })) });
    const { Credentials: c } = await assumer.assumeRole({ RoleArn: Role.Arn, RoleSessionName: "tour" });
    const credentials = { accessKeyId: c.AccessKeyId, secretAccessKey: c.SecretAccessKey, sessionToken: c.SessionToken };
    assert.equal((await new sts.STS({ credentials }).getCallerIdentity({})).Arn, `arn:aws:sts::${account}:assumed-role/js-role/tour`);
    const session = new sqs.SQS({ credentials });
    await session.sendMessage({ QueueUrl, MessageBody: "allowed" });
    await refused("AccessDenied", session.receiveMessage({ QueueUrl }));
  },
};

for (const name of process.argv.slice(2)) {
  await steps[name]();
  console.log("ok", name);
}
