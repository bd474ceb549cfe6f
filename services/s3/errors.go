package s3

import (
	"errors"

	"github.com/gigawatt-cloud/gigawatt/aws/awserr"
	"github.com/gigawatt-cloud/gigawatt/kv"
)

// The errors of S3 that its model does not declare.

func errNoSuchBucket(bucket string) error {
	return awserr.New("NoSuchBucket", 404, "The specified bucket does not exist").With("BucketName", bucket)
}

func errNoSuchKey(key string) *awserr.Error {
	return awserr.New("NoSuchKey", 404, "The specified key does not exist.").With("Key", key)
}

func errNoSuchVersion(key, version string) error {
	return awserr.New("NoSuchVersion", 404, "The specified version does not exist.").With("Key", key).With("VersionId", version)
}

func errNoSuchUpload(id string) error {
	return awserr.New("NoSuchUpload", 404, "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.").With("UploadId", id)
}

func errMalformedXML() error {
	return awserr.New("MalformedXML", 400, "The XML you provided was not well-formed or did not validate against our published schema")
}

func errInvalidRequest(format string, args ...any) error {
	return awserr.New("InvalidRequest", 400, format, args...)
}

func errInvalidArgument(message, name, v string) error {
	return awserr.New("InvalidArgument", 400, "%s", message).With("ArgumentName", name).With("ArgumentValue", v)
}

func errAccessDenied(message string) error {
	return awserr.New("AccessDenied", 403, "%s", message)
}

func errNoConfiguration(code, message, bucket string) error {
	return awserr.New(code, 404, "%s", message).With("BucketName", bucket)
}

func errPrecondition(condition string) error {
	return awserr.New("PreconditionFailed", 412, "At least one of the pre-conditions you specified did not hold").With("Condition", condition)
}

func isNotFound(err error) bool { return errors.Is(err, kv.ErrNotFound) }
