package xmlcodec

import (
	"reflect"

	"github.com/gigawatt-cloud/gigawatt/aws/awserr"
	"github.com/gigawatt-cloud/gigawatt/aws/protocol"
	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
)

// ErrorType says in the protocols' words who is at fault.
func ErrorType(e *awserr.Error) string {
	if e.Fault == awserr.Server || e.Status >= 500 {
		return "Receiver"
	}
	return "Sender"
}

// Fault writes what the error elements of all protocols hold: the code, the
// message, and the members that the error's shape sh, which may be nil, has in the body.
func Fault(w *Writer, sh *smithy.Shape, e *awserr.Error, code string) {
	w.Leaf("Code", code)
	if e.Message != "" {
		w.Leaf("Message", e.Message)
	}
	if sh == nil || len(e.Members) == 0 {
		return
	}
	members := make(map[string]any, len(e.Members))
	for k, v := range e.Members {
		members[k] = v
	}
	if m := protocol.MessageMember(sh); m != nil {
		delete(members, m.Name)
	}
	w.Members(sh, reflect.ValueOf(members))
}
