# The tour with the AWS CLI; see package sdk.
# shellcheck shell=bash
set -eu -o pipefail

aws() { "$AWS_CLI" --endpoint-url "$AWS_ENDPOINT_URL" --output text "$@"; }

fail() {
	echo "$*" >&2
	exit 1
}

equal() { [[ $1 == "$2" ]] || fail "got '$1', want '$2'"; }

# refused CODE COMMAND…: the command must fail with that error code.
refused() {
	local code=$1 said
	shift
	if said=$("$@" 2>&1); then fail "not refused with $code: $*"; fi
	[[ $said == *"($code)"* ]] || fail "refused with '$said', want $code"
}

objects() {
	aws s3 mb s3://cli-objects >/dev/null
	mkdir -p "$WORK/tree/sub"
	for i in 1 2 3; do echo "body $i" >"$WORK/tree/sub/$i.txt"; done
	aws s3 sync --quiet "$WORK/tree" s3://cli-objects/tree
	equal "$(aws s3 cp s3://cli-objects/tree/sub/2.txt -)" "body 2"
	equal "$(aws s3api list-objects-v2 --bucket cli-objects --prefix tree/ --query 'length(Contents)')" 3
	equal "$(aws s3api head-object --bucket cli-objects --key tree/sub/1.txt --query ContentLength)" 7
	aws s3 sync --quiet s3://cli-objects/tree "$WORK/back"
	diff -r "$WORK/tree" "$WORK/back"
	aws s3 cp --quiet s3://cli-objects/tree/sub/1.txt s3://cli-objects/copy
	refused NoSuchKey aws s3api get-object --bucket cli-objects --key none "$WORK/none"
	aws s3 rb --force s3://cli-objects >/dev/null
	refused NoSuchBucket aws s3api list-objects-v2 --bucket cli-objects
}

multipart() {
	head -c $((20 << 20)) /dev/urandom >"$WORK/large"
	aws s3 mb s3://cli-multipart >/dev/null
	aws s3 cp --quiet "$WORK/large" s3://cli-multipart/large
	aws s3 cp --quiet s3://cli-multipart/large "$WORK/large.back"
	cmp "$WORK/large" "$WORK/large.back"
	equal "$(aws s3api head-object --bucket cli-multipart --key large --query ContentLength)" $((20 << 20))
	[[ $(aws s3api head-object --bucket cli-multipart --key large --query ETag) == *-3\" ]] || fail "it did not go in parts"
}

presigned() {
	aws s3 mb s3://cli-presigned >/dev/null
	echo "without a key" | aws s3 cp --quiet - s3://cli-presigned/key
	local url
	url=$(aws s3 presign s3://cli-presigned/key --expires-in 60)
	equal "$(curl --silent --show-error --fail "$url")" "without a key"
	equal "$(curl --silent --output /dev/null --write-out '%{http_code}' "${url}A")" 403
}

batch() {
	local url entries='[' i out
	url=$(aws sqs create-queue --queue-name cli-batch --query QueueUrl)
	for i in {0..9}; do entries+="{\"Id\":\"$i\",\"MessageBody\":\"message $i\"},"; done
	equal "$(aws sqs send-message-batch --queue-url "$url" --entries "${entries%,}]" --query 'length(Successful)')" 10
	out=$(aws sqs receive-message --queue-url "$url" --max-number-of-messages 10 --wait-time-seconds 5 --query 'Messages[].[Body,ReceiptHandle]' | sort)
	entries='['
	i=0
	while IFS=$'\t' read -r body handle; do
		equal "$body" "message $i"
		entries+="{\"Id\":\"$i\",\"ReceiptHandle\":\"$handle\"},"
		i=$((i + 1))
	done <<<"$out"
	equal "$i" 10
	equal "$(aws sqs delete-message-batch --queue-url "$url" --entries "${entries%,}]" --query 'length(Successful)')" 10
	aws sqs delete-queue --queue-url "$url"
}

fifo() {
	local url i handle
	url=$(aws sqs create-queue --queue-name cli.fifo --attributes FifoQueue=true --query QueueUrl)
	for i in 0 1 1; do
		aws sqs send-message --queue-url "$url" --message-body "m$i" --message-group-id g --message-deduplication-id "d$i" >/dev/null
	done
	for i in 0 1; do
		IFS=$'\t' read -r body handle < <(aws sqs receive-message --queue-url "$url" --wait-time-seconds 5 --query 'Messages[0].[Body,ReceiptHandle]')
		equal "$body" "m$i"
		aws sqs delete-message --queue-url "$url" --receipt-handle "$handle"
	done
	equal "$(aws sqs receive-message --queue-url "$url" --query 'length(Messages || `[]`)')" 0
}

# policy MEMBERS prints a policy that allows.
policy() { echo "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",$1}]}"; }

# allow ACTION QUEUE prints a policy for a queue.
allow() { policy "\"Action\":\"$1\",\"Resource\":\"arn:aws:sqs:*:$ACCOUNT:$2\""; }

# user NAME POLICY makes a user and prints its key.
user() {
	aws iam create-user --user-name "$1" >/dev/null
	aws iam put-user-policy --user-name "$1" --policy-name tour --policy-document "$2"
	aws iam create-access-key --user-name "$1" --query 'AccessKey.[AccessKeyId,SecretAccessKey]'
}

permissions() {
	local url id secret
	url=$(aws sqs create-queue --queue-name cli-permissions --query QueueUrl)
	read -r id secret < <(user cli-user "$(allow sqs:SendMessage cli-permissions)")
	(
		export AWS_ACCESS_KEY_ID=$id AWS_SECRET_ACCESS_KEY=$secret
		aws sqs send-message --queue-url "$url" --message-body allowed >/dev/null
		refused AccessDenied aws sqs receive-message --queue-url "$url"
	)
}

role() {
	local url arn id secret token
	url=$(aws sqs create-queue --queue-name cli-role --query QueueUrl)
	arn=$(aws iam create-role --role-name cli-role --query Role.Arn --assume-role-policy-document \
		"$(policy "\"Principal\":{\"AWS\":\"$ACCOUNT\"},\"Action\":\"sts:AssumeRole\"")")
	aws iam put-role-policy --role-name cli-role --policy-name send --policy-document "$(allow sqs:SendMessage cli-role)"
	read -r id secret < <(user cli-assumer "$(policy "\"Action\":\"sts:AssumeRole\",\"Resource\":\"$arn\"")")
	(
		export AWS_ACCESS_KEY_ID=$id AWS_SECRET_ACCESS_KEY=$secret
		read -r id secret token < <(aws sts assume-role --role-arn "$arn" --role-session-name tour --query 'Credentials.[AccessKeyId,SecretAccessKey,SessionToken]')
		export AWS_ACCESS_KEY_ID=$id AWS_SECRET_ACCESS_KEY=$secret AWS_SESSION_TOKEN=$token
		equal "$(aws sts get-caller-identity --query Arn)" "arn:aws:sts::$ACCOUNT:assumed-role/cli-role/tour"
		aws sqs send-message --queue-url "$url" --message-body allowed >/dev/null
		refused AccessDenied aws sqs receive-message --queue-url "$url"
	)
}

for step in "$@"; do
	"$step"
	echo "ok $step"
done
