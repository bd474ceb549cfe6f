"""Records what boto3 sends, byte for byte, into boto3/ beside this file.

Run it with boto3 installed and openssl on the path: python3 capture.py
Each file is one raw request; forms.json holds the fields of POST policies.
"""
import json, os, socket, ssl, subprocess, tempfile, threading
import boto3
from botocore.config import Config

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "boto3")
KEY, SECRET, TOKEN = "AKIDGIGAWATTEXAMPLE1", "gigawatt/secret+example/0123456789abcdef", "a-session-token/+=="
requests = []


def read(conn):
    data = b""
    while b"\r\n\r\n" not in data:
        data += conn.recv(65536)
    head = data.split(b"\r\n\r\n")[0].lower()
    if b"100-continue" in head:
        conn.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    if b"transfer-encoding: chunked" in head:
        while not data.endswith(b"\r\n0\r\n\r\n"):
            data += conn.recv(65536)
    elif b"content-length:" in head:
        n = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
        while len(data.split(b"\r\n\r\n", 1)[1]) < n:
            data += conn.recv(65536)
    return data


def serve(tls):
    s = socket.create_server(("127.0.0.1", 0))
    context = None
    if tls:
        pem = tempfile.NamedTemporaryFile(suffix=".pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", pem.name, "-out",
                        pem.name + ".crt", "-subj", "/CN=localhost", "-days", "1"], check=True, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem.name + ".crt", pem.name)

    def loop():
        while True:
            conn, _ = s.accept()
            if context:
                conn = context.wrap_socket(conn, server_side=True)
            requests.append(read(conn))
            conn.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            conn.close()
    threading.Thread(target=loop, daemon=True).start()
    return "%s://127.0.0.1:%d" % ("https" if tls else "http", s.getsockname()[1])


plain, secure = serve(False), serve(True)


def client(name, url=None, token=None, **config):
    return boto3.client(name, endpoint_url=url or plain, region_name="us-east-1", aws_access_key_id=KEY, verify=False,
                        aws_secret_access_key=SECRET, aws_session_token=token,
                        config=Config(retries={"total_max_attempts": 1}, user_agent="boto3/" + boto3.__version__, **config))


def save(name, call):
    del requests[:]
    try:
        call()
    except Exception as e:  # the answer is always an error
        if not requests:
            raise
    with open(os.path.join(OUT, name + ".http"), "wb") as f:
        f.write(requests[0])


def save_url(name, url, method="GET", headers=""):
    rest = url.split("://")[1]
    host, target = rest.split("/", 1)
    with open(os.path.join(OUT, name + ".http"), "wb") as f:
        f.write(f"{method} /{target} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n".encode())


os.makedirs(OUT, exist_ok=True)
s3, path = client("s3"), {"addressing_style": "path"}
odd = "a b/ü+:~@!$&'()*,;=%41//x/../y"
save("s3-put", lambda: s3.put_object(Bucket="bucket", Key="key", Body=b"hello " * 3000, Metadata={"a": "b  c"}))
save("s3-put-trailer", lambda: client("s3", secure).put_object(Bucket="bucket", Key=odd, Body=b"hello " * 3000))
save("s3-put-token", lambda: client("s3", token=TOKEN).put_object(Bucket="bucket", Key=odd, Body=b""))
save("s3-get", lambda: s3.get_object(Bucket="bucket", Key=odd, Range="bytes=0-9"))
save("s3-list", lambda: s3.list_objects_v2(Bucket="bucket", Prefix="a b+c/ü&=", Delimiter="/", EncodingType="url"))
save("s3-delete", lambda: s3.delete_objects(Bucket="bucket", Delete={"Objects": [{"Key": "a"}]}))
save("s3-uploads", lambda: s3.create_multipart_upload(Bucket="bucket", Key="k", ContentType="text/plain"))
save("s3-v2", lambda: client("s3", signature_version="s3").put_object(
    Bucket="bucket", Key="a b", Body=b"x", Metadata={"z": "1", "a": "2"}, ContentType="text/plain"))
save("s3-v2-acl", lambda: client("s3", token=TOKEN, signature_version="s3").get_object_acl(Bucket="bucket", Key="k", VersionId="v+1"))
for version in "s3", "s3v4":
    for token in None, TOKEN:
        c = client("s3", token=token, signature_version=version, s3=path)
        name = "presigned-" + version + ("-token" if token else "")
        save_url(name, c.generate_presigned_url("get_object", {
            "Bucket": "bucket", "Key": odd, "ResponseContentType": "text/plain; x=y"}, ExpiresIn=600))
        save_url(name + "-put", c.generate_presigned_url("put_object", {
            "Bucket": "bucket", "Key": "k", "ACL": "public-read", "Metadata": {"m": "v w"}}, ExpiresIn=600), "PUT",
            "x-amz-acl: public-read\r\nx-amz-meta-m: v w\r\n" if version == "s3v4" else "")
save_url("presigned-s3-default", s3.generate_presigned_url("get_object", {"Bucket": "bucket", "Key": "k"}))
save_url("presigned-sts", client("sts").generate_presigned_url("get_caller_identity", HttpMethod="GET"))
save("sqs-send", lambda: client("sqs").send_message(QueueUrl=plain + "/000000000000/q", MessageBody="ü \" body"))
save("sts-identity", lambda: client("sts", token=TOKEN).get_caller_identity())
save("iam-create", lambda: client("iam").create_user(UserName="a", Path="/x/y/"))
save("dynamodb-get", lambda: client("dynamodb").get_item(TableName="t", Key={"k": {"S": "v"}}))
save("lambda-tags", lambda: client("lambda").list_tags(Resource="arn:aws:lambda:us-east-1:000000000000:function:f"))
save("bedrock-converse", lambda: client("bedrock-runtime").converse(
    modelId="arn:aws:bedrock:us-east-1:000000000000:inference-profile/a.b-c:0",
    messages=[{"role": "user", "content": [{"text": "hi"}]}]))
save("apigateway-list", lambda: client("apigateway").get_resources(restApiId="a b", embed=["methods"], limit=3))

forms = {}
for version in "s3", "s3v4":
    for token in None, TOKEN:
        form = client("s3", token=token, signature_version=version).generate_presigned_post(
            "bucket", "dir/${filename}", Fields={"acl": "private", "x-amz-meta-a": "b"},
            Conditions=[{"acl": "private"}, ["starts-with", "$x-amz-meta-a", ""], ["content-length-range", 2, 10]], ExpiresIn=600)
        forms[version + ("-token" if token else "")] = form["fields"]
with open(os.path.join(OUT, "forms.json"), "w") as f:
    json.dump(forms, f, indent=1, sort_keys=True)
