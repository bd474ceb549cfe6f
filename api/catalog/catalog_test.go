package catalog

import (
	"testing"

	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
)

func TestEveryTableUnpacks(t *testing.T) {
	if n := len(All()); n < 400 {
		t.Fatalf("the catalog lists %d services, want all of AWS's", n)
	}
	for _, m := range All() {
		s := Service(m.Name)
		if len(s.Operations) != m.Operations || m.Operations == 0 {
			t.Errorf("%s has %d operations, its index says %d", m.Name, len(s.Operations), m.Operations)
		}
		for _, o := range s.Operations {
			if o.Method == "" || o.URI == "" || o.Service != s {
				t.Errorf("%s %s has no HTTP binding", m.Name, o.Name)
			}
		}
	}
}

func TestKnownShapes(t *testing.T) {
	s := Service("sqs")
	in := s.Operation("SendMessage").Input
	if m := in.Member("QueueUrl"); m == nil || !m.Required || m.Shape.Kind != smithy.String {
		t.Errorf("sqs SendMessage QueueUrl = %+v", m)
	}
	if Service("nonesuch") != nil || Meta("nonesuch") != nil {
		t.Error("a service that AWS does not have was found")
	}
	if b := Service("s3").Operation("GetObject").Output.PayloadMember(); b == nil || !b.IsStream() {
		t.Errorf("s3 GetObject's body = %+v", b)
	}
}

func BenchmarkUnpackEC2(b *testing.B) {
	packed := smithy.Pack(Service("ec2"))
	for b.Loop() {
		if _, err := smithy.Unpack(packed); err != nil {
			b.Fatal(err)
		}
	}
}
