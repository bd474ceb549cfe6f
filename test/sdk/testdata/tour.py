"""The tour with boto3; see package sdk."""

import hashlib
import json
import os
import sys
import urllib.error
import urllib.request

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

ACCOUNT = os.environ["ACCOUNT"]
WORK = os.environ["WORK"]


def equal(got, want):
    if got != want:
        raise AssertionError(f"got {got!r}, want {want!r}")


def refused(code, call, **kw):
    try:
        call(**kw)
    except ClientError as e:
        equal(e.response["Error"]["Code"], code)
        return
    raise AssertionError(f"the call was not refused with {code}")


def objects():
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket="py-objects")
    bodies = {f"a/{i}": f"body {i}".encode() for i in range(5)} | {"b/ü &+%.txt": b"\x00\xff"}
    for key, body in bodies.items():
        put = s3.put_object(Bucket="py-objects", Key=key, Body=body, ContentType="text/x-tour", Metadata={"made-by": "boto3"})
        equal(put["ETag"], '"' + hashlib.md5(body).hexdigest() + '"')
    for key, body in bodies.items():
        got = s3.get_object(Bucket="py-objects", Key=key)
        equal(got["Body"].read(), body)
        equal(got["ContentType"], "text/x-tour")
        equal(got["Metadata"], {"made-by": "boto3"})
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket="py-objects", PaginationConfig={"PageSize": 2})
    equal([o["Key"] for p in pages for o in p.get("Contents", [])], sorted(bodies))
    listed = s3.list_objects_v2(Bucket="py-objects", Delimiter="/")
    equal([p["Prefix"] for p in listed["CommonPrefixes"]], ["a/", "b/"])
    s3.copy_object(Bucket="py-objects", Key="copy", CopySource={"Bucket": "py-objects", "Key": "b/ü &+%.txt"})
    equal(s3.get_object(Bucket="py-objects", Key="copy")["Body"].read(), b"\x00\xff")
    refused("NoSuchKey", s3.get_object, Bucket="py-objects", Key="none")
    refused("BucketNotEmpty", s3.delete_bucket, Bucket="py-objects")
    gone = s3.delete_objects(Bucket="py-objects", Delete={"Objects": [{"Key": k} for k in [*bodies, "copy"]]})
    equal(len(gone["Deleted"]), len(bodies) + 1)
    equal(s3.list_objects_v2(Bucket="py-objects")["KeyCount"], 0)
    s3.delete_bucket(Bucket="py-objects")


def multipart():
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket="py-multipart")
    body = os.urandom(20 << 20)
    name = os.path.join(WORK, "large")
    with open(name, "wb") as f:
        f.write(body)
    parts = TransferConfig(multipart_threshold=5 << 20, multipart_chunksize=6 << 20)
    s3.upload_file(name, "py-multipart", "large", Config=parts)
    head = s3.head_object(Bucket="py-multipart", Key="large")
    equal(head["ContentLength"], len(body))
    equal(head["ETag"].strip('"').split("-")[1], "4")
    s3.download_file("py-multipart", "large", name + ".back", Config=parts)
    with open(name + ".back", "rb") as f:
        equal(hashlib.sha256(f.read()).hexdigest(), hashlib.sha256(body).hexdigest())
    part = s3.get_object(Bucket="py-multipart", Key="large", Range="bytes=6291450-6291460")
    equal(part["Body"].read(), body[6291450:6291461])


def fetch(method, url, body=None):
    with urllib.request.urlopen(urllib.request.Request(url, data=body, method=method)) as answer:
        return answer.read()


def presigned():
    for version in (None, "s3v4"):  # boto3 signs URLs with version 2 unless told otherwise
        s3 = boto3.client("s3", config=Config(signature_version=version))
        bucket = f"py-presigned-{version or 'v2'}"
        s3.create_bucket(Bucket=bucket)
        where = {"Bucket": bucket, "Key": "a b/ü"}
        fetch("PUT", s3.generate_presigned_url("put_object", Params=where), b"without a key")
        url = s3.generate_presigned_url("get_object", Params=where)
        equal(fetch("GET", url), b"without a key")
        try:
            fetch("GET", url.replace("ature=", "ature=A"))
            raise AssertionError("a wrong signature was accepted")
        except urllib.error.HTTPError as e:
            equal(e.code, 403)


def batch():
    sqs = boto3.client("sqs")
    url = sqs.create_queue(QueueName="py-batch", Attributes={"VisibilityTimeout": "60"}, tags={"team": "tour"})["QueueUrl"]
    equal(sqs.list_queue_tags(QueueUrl=url)["Tags"], {"team": "tour"})
    bodies = [f"message {i} ü" for i in range(10)]
    sent = sqs.send_message_batch(QueueUrl=url, Entries=[
        {"Id": str(i), "MessageBody": b, "MessageAttributes": {"n": {"DataType": "Number", "StringValue": str(i)}}}
        for i, b in enumerate(bodies)
    ])
    equal(len(sent["Successful"]), 10)
    equal([m["MD5OfMessageBody"] for m in sent["Successful"]], [hashlib.md5(b.encode()).hexdigest() for b in bodies])
    got = {}
    while len(got) < 10:
        messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=5, MessageAttributeNames=["All"])["Messages"]
        for m in messages:
            got[m["MessageAttributes"]["n"]["StringValue"]] = m["Body"]
        gone = sqs.delete_message_batch(QueueUrl=url, Entries=[
            {"Id": str(i), "ReceiptHandle": m["ReceiptHandle"]} for i, m in enumerate(messages)])
        equal(len(gone["Successful"]), len(messages))
    equal(got, {str(i): b for i, b in enumerate(bodies)})
    sqs.delete_queue(QueueUrl=url)
    refused("AWS.SimpleQueueService.NonExistentQueue", sqs.get_queue_url, QueueName="py-none")


def fifo():
    sqs = boto3.client("sqs")
    url = sqs.create_queue(QueueName="py.fifo", Attributes={"FifoQueue": "true", "ContentBasedDeduplication": "true"})["QueueUrl"]
    numbers = [int(sqs.send_message(QueueUrl=url, MessageBody=f"m{i}", MessageGroupId="g")["SequenceNumber"]) for i in (0, 1, 2, 2, 1)]
    equal(numbers[:3], sorted(set(numbers)))
    got = []
    while len(got) < 3:
        for m in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=1, WaitTimeSeconds=5)["Messages"]:
            got.append(m["Body"])
            sqs.delete_message(QueueUrl=url, ReceiptHandle=m["ReceiptHandle"])
    equal(got, ["m0", "m1", "m2"])
    equal("Messages" in sqs.receive_message(QueueUrl=url), False)


def policy(**statement):
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}]})


def allow(action, queue):
    return policy(Action=action, Resource=f"arn:aws:sqs:*:{ACCOUNT}:{queue}")


def permissions():
    iam, sqs = boto3.client("iam"), boto3.client("sqs")
    url = sqs.create_queue(QueueName="py-permissions")["QueueUrl"]
    iam.create_user(UserName="py-user", Tags=[{"Key": "team", "Value": "tour"}])
    managed = iam.create_policy(PolicyName="py-send", PolicyDocument=allow("sqs:SendMessage", "py-permissions"))["Policy"]["Arn"]
    iam.attach_user_policy(UserName="py-user", PolicyArn=managed)
    key = iam.create_access_key(UserName="py-user")["AccessKey"]
    user = boto3.client("sqs", aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"])
    user.send_message(QueueUrl=url, MessageBody="allowed")
    refused("AccessDenied", user.receive_message, QueueUrl=url)
    wrong = boto3.client("sqs", aws_access_key_id=key["AccessKeyId"], aws_secret_access_key="wrong")
    refused("InvalidSignatureException", wrong.send_message, QueueUrl=url, MessageBody="forged")
    iam.detach_user_policy(UserName="py-user", PolicyArn=managed)
    refused("AccessDenied", user.send_message, QueueUrl=url, MessageBody="no longer")
    iam.delete_access_key(UserName="py-user", AccessKeyId=key["AccessKeyId"])
    iam.delete_user(UserName="py-user")
    iam.delete_policy(PolicyArn=managed)


def role():
    iam, sts, sqs = boto3.client("iam"), boto3.client("sts"), boto3.client("sqs")
    equal(sts.get_caller_identity()["Account"], ACCOUNT)
    url = sqs.create_queue(QueueName="py-role")["QueueUrl"]
    trust = policy(Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, Action="sts:AssumeRole")
    made = iam.create_role(RoleName="py-role", AssumeRolePolicyDocument=trust)["Role"]
    iam.put_role_policy(RoleName="py-role", PolicyName="send", PolicyDocument=allow("sqs:*", "py-role"))
    refused("AccessDenied", sts.assume_role, RoleArn=made["Arn"], RoleSessionName="root")  # AWS lets no root assume a role
    iam.create_user(UserName="py-assumer")
    iam.put_user_policy(UserName="py-assumer", PolicyName="assume", PolicyDocument=policy(Action="sts:AssumeRole", Resource=made["Arn"]))
    key = iam.create_access_key(UserName="py-assumer")["AccessKey"]
    user = boto3.client("sts", aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"])
    c = user.assume_role(RoleArn=made["Arn"], RoleSessionName="tour", Policy=allow("sqs:SendMessage", "*"))["Credentials"]
    session = boto3.Session(aws_access_key_id=c["AccessKeyId"], aws_secret_access_key=c["SecretAccessKey"], aws_session_token=c["SessionToken"])
    equal(session.client("sts").get_caller_identity()["Arn"], f"arn:aws:sts::{ACCOUNT}:assumed-role/py-role/tour")
    session.client("sqs").send_message(QueueUrl=url, MessageBody="allowed")
    refused("AccessDenied", session.client("sqs").receive_message, QueueUrl=url)


for step in sys.argv[1:]:
    globals()[step]()
    print("ok", step, flush=True)
