package awsquery

import (
	"sync"

	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
)

// SQS has a JSON model today, without the names that its form protocol had.
// They are these, by the shape that they belong to: SendMessage's form has
// MessageAttribute.1.Name and its answers have <Message>.
var classicNames = map[string]struct{ field, key, value string }{
	"AWSAccountIdList":          {field: "AWSAccountId"},
	"ActionNameList":            {field: "ActionName"},
	"AttributeNameList":         {field: "AttributeName"},
	"BatchResultErrorEntryList": {field: "BatchResultErrorEntry"},
	"BinaryList":                {field: "BinaryListValue"},
	"ChangeMessageVisibilityBatchRequestEntryList": {field: "ChangeMessageVisibilityBatchRequestEntry"},
	"ChangeMessageVisibilityBatchResultEntryList":  {field: "ChangeMessageVisibilityBatchResultEntry"},
	"DeleteMessageBatchRequestEntryList":           {field: "DeleteMessageBatchRequestEntry"},
	"DeleteMessageBatchResultEntryList":            {field: "DeleteMessageBatchResultEntry"},
	"ListMessageMoveTasksResultEntryList":          {field: "ListMessageMoveTasksResultEntry"},
	"MessageAttributeNameList":                     {field: "MessageAttributeName"},
	"MessageBodyAttributeMap":                      {field: "MessageAttribute", key: "Name", value: "Value"},
	"MessageBodySystemAttributeMap":                {field: "MessageSystemAttribute", key: "Name", value: "Value"},
	"MessageList":                                  {field: "Message"},
	"MessageSystemAttributeList":                   {field: "MessageSystemAttributeName"},
	"MessageSystemAttributeMap":                    {field: "Attribute", key: "Name", value: "Value"},
	"QueueAttributeMap":                            {field: "Attribute", key: "Name", value: "Value"},
	"QueueUrlList":                                 {field: "QueueUrl"},
	"SendMessageBatchRequestEntryList":             {field: "SendMessageBatchRequestEntry"},
	"SendMessageBatchResultEntryList":              {field: "SendMessageBatchResultEntry"},
	"StringList":                                   {field: "StringListValue"},
	"TagKeyList":                                   {field: "TagKey"},
	"TagMap":                                       {field: "Tag", key: "Key", value: "Value"},
}

const classicSQS = "http://queue.amazonaws.com/doc/2012-11-05/"

func namespace(sv *smithy.Meta) string {
	if sv.XMLNamespace == "" && sv.Name == "sqs" {
		return classicSQS
	}
	return sv.XMLNamespace
}

var classics sync.Map // *smithy.Service -> *smithy.Service

// classic is op as its form protocol has it: op itself, but for SQS.
func classic(op *smithy.Operation) *smithy.Operation {
	if op.Service == nil || op.Service.Name != "sqs" {
		return op
	}
	sv, ok := classics.Load(op.Service)
	if !ok {
		sv, _ = classics.LoadOrStore(op.Service, renamed(op.Service))
	}
	if c := sv.(*smithy.Service).Operation(op.Name); c != nil {
		return c
	}
	return op
}

// renamed copies a service and gives the copies their classic names. Values of
// one are values of the other.
func renamed(sv *smithy.Service) *smithy.Service {
	out := &smithy.Service{Meta: sv.Meta}
	out.XMLNamespace = namespace(&sv.Meta)
	copies := make(map[*smithy.Shape]*smithy.Shape, len(sv.Shapes))
	for _, sh := range sv.Shapes {
		c := *sh
		copies[sh] = &c
		out.Shapes = append(out.Shapes, &c)
	}
	member := func(m *smithy.Member) *smithy.Member {
		if m == nil {
			return nil
		}
		c := *m
		if n, ok := classicNames[m.Shape.Name]; ok && m.Name != "" {
			c.LocationName, c.Flattened = n.field, true
		}
		c.Shape = copies[m.Shape]
		return &c
	}
	for i, sh := range sv.Shapes {
		c := out.Shapes[i]
		c.Members = make([]*smithy.Member, len(sh.Members))
		for j, m := range sh.Members {
			c.Members[j] = member(m)
		}
		c.Key, c.Elem = member(sh.Key), member(sh.Elem)
		if n := classicNames[sh.Name]; n.key != "" {
			c.Key.LocationName, c.Elem.LocationName = n.key, n.value
		}
	}
	for _, op := range sv.Operations {
		c := *op
		c.Input, c.Output = copies[op.Input], copies[op.Output]
		c.Errors = nil
		for _, e := range op.Errors {
			c.Errors = append(c.Errors, copies[e])
		}
		out.Operations = append(out.Operations, &c)
	}
	out.Link()
	return out
}
