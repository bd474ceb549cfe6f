package sqs

import (
	"regexp"

	"github.com/gigawatt-cloud/gigawatt/api/sqsapi"
	"github.com/gigawatt-cloud/gigawatt/aws/awserr"
)

const maxBatch = 10

var batchIDForm = regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`)

// checkBatch holds the ids of a batch against the rules. operation is the
// operation on one message.
func checkBatch[E any](operation string, entries []E, id func(*E) string) error {
	if len(entries) == 0 {
		return coded(sqsapi.ErrEmptyBatchRequest("There should be at least one %sBatchRequestEntry in the request.", operation), queryPrefix+"EmptyBatchRequest")
	}
	if len(entries) > maxBatch {
		return coded(sqsapi.ErrTooManyEntriesInBatchRequest("Maximum number of entries per request are %d. You have sent %d.", maxBatch, len(entries)),
			queryPrefix+"TooManyEntriesInBatchRequest")
	}
	seen := map[string]bool{}
	for i := range entries {
		v := id(&entries[i])
		if !batchIDForm.MatchString(v) {
			return coded(sqsapi.ErrInvalidBatchEntryId("A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long."),
				queryPrefix+"InvalidBatchEntryId")
		}
		if seen[v] {
			return coded(sqsapi.ErrBatchEntryIdsNotDistinct("Id %s repeated.", v), queryPrefix+"BatchEntryIdsNotDistinct")
		}
		seen[v] = true
	}
	return nil
}

// batchFailure is the result of an entry that failed by an error of AWS's. Its
// code is the one of the query protocol, in every protocol.
func batchFailure(id string, err error) sqsapi.BatchResultErrorEntry {
	e := awserr.As(err)
	code := e.QueryCode
	if code == "" {
		code = e.Code
	}
	return sqsapi.BatchResultErrorEntry{Id: id, Code: code, Message: &e.Message, SenderFault: e.Status < statusInternal}
}
