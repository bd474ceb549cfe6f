package sqs

import (
	"errors"
	"strings"

	"github.com/gigawatt-cloud/gigawatt/api/sqsapi"
	"github.com/gigawatt-cloud/gigawatt/aws/awserr"
	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/service"
)

// SQS spoke the query protocol first. JSON clients get the code of that time in
// a header, and the SDKs show that one, so that every error has two codes. The
// model no longer holds the older ones.
//
// Differs from AWS: the sentences of errors are the same in both protocols, where AWS adds "for this wsdl version" to one of the query protocol.
const queryPrefix = "AWS.SimpleQueueService."

// HTTP statuses of errors.
const (
	statusBadRequest = 400
	statusForbidden  = 403
	statusNotFound   = 404
	statusInternal   = 500
)

func coded(e *awserr.Error, queryCode string) *awserr.Error {
	e.QueryCode = queryCode
	return e
}

func errNoQueue() error {
	return coded(sqsapi.ErrQueueDoesNotExist("The specified queue does not exist."), queryPrefix+"NonExistentQueue")
}

func errInvalidValue(format string, args ...any) *awserr.Error {
	return coded(awserr.New("InvalidParameterValueException", statusBadRequest, format, args...), "InvalidParameterValue")
}

// errParameter words that a parameter's value is not valid, for a reason.
func errParameter(name string, value any, reason string, args ...any) *awserr.Error {
	args = append([]any{value, name}, args...)
	return errInvalidValue("Value %v for parameter %s is invalid. Reason: "+reason, args...)
}

func errMissing(name string) *awserr.Error {
	return coded(awserr.New("MissingRequiredParameterException", statusBadRequest,
		"The request must contain the parameter %s.", name), "MissingParameter")
}

func errAddress(url string) error {
	e := sqsapi.ErrInvalidAddress("The address %s is not valid for this endpoint.", url)
	e.Status = statusNotFound
	return coded(e, "InvalidAddress")
}

func errUnknownAttribute(name string) error {
	return sqsapi.ErrInvalidAttributeName("Unknown Attribute %s.", name)
}

func errAttributeValue(name string) error {
	return sqsapi.ErrInvalidAttributeValue("Invalid value for the parameter %s.", name)
}

func errAttributeReason(name, reason string) error {
	return sqsapi.ErrInvalidAttributeValue("Invalid value for the parameter %s. Reason: %s", name, reason)
}

func errOverLimit(format string, args ...any) error {
	e := sqsapi.ErrOverLimit(format, args...)
	e.Status = statusForbidden
	return e
}

func errNoResource(format string, args ...any) error {
	e := sqsapi.ErrResourceNotFoundException(format, args...)
	e.Status = statusNotFound
	return e
}

func errUnsupported(format string, args ...any) error {
	return coded(sqsapi.ErrUnsupportedOperation(format, args...), queryPrefix+"UnsupportedOperation")
}

func errHandle(handle string) *awserr.Error {
	return sqsapi.ErrReceiptHandleIsInvalid("The input receipt handle %q is not a valid receipt handle.", handle)
}

// errExpired is for receipt handles of FIFO queues, which end with the
// visibility timeout.
func errExpired(handle string) *awserr.Error {
	return errParameter("ReceiptHandle", handle, "The receipt handle has expired.")
}

func errNotAvailable(handle string) *awserr.Error {
	return errParameter("ReceiptHandle", handle, "Message does not exist or is not available for visibility timeout change.")
}

func errNotInflight() *awserr.Error {
	return coded(sqsapi.ErrMessageNotInflight("The message is not in flight."), queryPrefix+"MessageNotInflight")
}

// errForeign is for operations that no policy can open to other accounts.
func errForeign(c *service.Call, a address) error {
	e := awserr.New("AccessDeniedException", statusForbidden,
		"User: %s is not authorized to perform: sqs:%s on resource: %s", c.Principal.ARN, lower(c.Op.Name), a.arn())
	return coded(e, "AccessDenied")
}

// own refuses callers of other accounts than the queue's.
func own(c *service.Call, a address) error {
	if a.Account != c.Account {
		return errForeign(c, a)
	}
	return nil
}

// invalid words what the model finds missing as SQS does. What is beyond the
// model's limits is left to the handlers, which have SQS's own words for it.
func invalid(c *service.Call, p *smithy.Problems) error {
	for i := range p.List {
		v := &p.List[i]
		if !v.Null {
			continue
		}
		if len(v.Path) == 1 && v.Path[0].Name == "QueueUrl" {
			if _, err := addressOf(c, ""); err == nil {
				continue // an old SDK, which sends the request to the queue's own URL
			}
		}
		return errMissing(parameter(v))
	}
	return nil
}

// parameter names a member as it was sent: Entries.2.Id.
func parameter(v *smithy.Violation) string {
	parts := strings.Split(v.PathString(), ".")
	out := make([]string, 0, len(parts))
	for _, p := range parts {
		if p != "member" && p != "" {
			out = append(out, strings.ToUpper(p[:1])+p[1:])
		}
	}
	return strings.Join(out, ".")
}

func lower(s string) string { return strings.ToLower(s) }

// value is what p points to, or the zero value.
func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

// ignoreNotFound turns kv.ErrNotFound into nil.
func ignoreNotFound(err error) error {
	if errors.Is(err, kv.ErrNotFound) {
		return nil
	}
	return err
}

// ignoreAWS turns an error for callers into nil.
func ignoreAWS(err error) error {
	if awserr.As(err) == nil {
		return err
	}
	return nil
}
