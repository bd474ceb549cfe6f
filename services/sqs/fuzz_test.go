package sqs

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/gigawatt-cloud/gigawatt/api/sqsapi"
	"github.com/gigawatt-cloud/gigawatt/service"
)

var fuzzAddress = address{testAccount, testRegion, "jobs"}

// A handle that is accepted is one that was given out.
func FuzzReadHandle(f *testing.F) {
	w := newWorld(f)
	url := w.create("jobs")
	w.send(url, "m")
	handle := *w.receive(url, 1)[0].ReceiptHandle
	f.Add(handle)
	f.Add(handle[:8] + "\n" + handle[8:])
	f.Add("")
	f.Add("AAAAAAAAAAAAAAAAAAAAAA==")
	sv := newSvc(service.Env{MasterKey: &testKey})
	f.Fuzz(func(t *testing.T, h string) {
		r, err := sv.readHandle(fuzzAddress, h)
		if err != nil {
			return
		}
		back, err := sv.handle(fuzzAddress, r)
		if err != nil || back != h {
			t.Errorf("%q was read as %+v, which is %q (%v)", h, r, back, err)
		}
	})
}

func FuzzAddressOf(f *testing.F) {
	w := newWorld(f)
	for _, s := range []string{"http://h/111122223333/jobs", "jobs", "/a/b", "%zz", "http://[::1", "//", "http://h/111122223333/x.fifo?y"} {
		f.Add(s)
	}
	c := w.call("SendMessage")
	f.Fuzz(func(t *testing.T, url string) {
		a, err := addressOf(c, url)
		if err != nil {
			return
		}
		again, err := addressOf(c, a.url(c))
		if err != nil || again != a {
			t.Errorf("%q is %+v, whose URL is %+v (%v)", url, a, again, err)
		}
		if b, err := addressOfARN(a.arn()); err != nil || b != a {
			t.Errorf("%q is %+v, whose ARN is %+v (%v)", url, a, b, err)
		}
	})
}

func FuzzReadTaskHandle(f *testing.F) {
	f.Add((&moveTask{ID: "1", SourceARN: deadARN}).taskHandle())
	f.Add("")
	f.Add("IA==")
	f.Fuzz(func(t *testing.T, h string) {
		id, source, err := readTaskHandle(h)
		if err != nil {
			return
		}
		if id == "" || strings.Contains(id, " ") || !strings.HasPrefix(source, "arn:") {
			t.Errorf("%q was read as %q and %q", h, id, source)
		}
	})
}

func FuzzRedrivePolicies(f *testing.F) {
	f.Add(`{"deadLetterTargetArn":"a","maxReceiveCount":"5"}`)
	f.Add(`{"redrivePermission":"byQueue","sourceQueueArns":["` + deadARN + `"]}`)
	f.Add(`{"maxReceiveCount":1e3}`)
	f.Add(`[]`)
	f.Fuzz(func(t *testing.T, text string) {
		if p, err := parseRedrivePolicy(text); err == nil {
			again, err := parseRedrivePolicy(p.String())
			if utf8.ValidString(p.DeadLetterTargetARN) && (err != nil || cmp.Diff(p, again) != "") {
				t.Errorf("%q is written %s: %v", text, p, err)
			}
		}
		if p, err := parseRedriveAllowPolicy(text); err == nil {
			again, err := parseRedriveAllowPolicy(p.String())
			if err != nil || cmp.Diff(p, again) != "" {
				t.Errorf("%q is written %s: %v", text, p, err)
			}
		}
	})
}

// Whatever text a queue takes as its policy can be edited, and is still one.
func FuzzPolicyText(f *testing.F) {
	f.Add(policyWith(2))
	f.Add(`{"Statement":{"Effect":"Deny","Principal":"*","Action":"*"}}`)
	f.Add(`{}`)
	f.Fuzz(func(t *testing.T, text string) {
		if checkPolicy(text) != nil {
			return
		}
		q := &queue{Account: testAccount, Region: testRegion, Name: "q", Policy: text}
		p, err := readPolicyText(q)
		if err != nil {
			t.Fatalf("%q cannot be edited: %v", text, err)
		}
		n := len(p.Statements)
		if err := p.store(q); err != nil {
			t.Fatalf("%q is stored as %s: %v", text, q.Policy, err)
		}
		if again, err := readPolicyText(q); err != nil || len(again.Statements) != n {
			t.Errorf("%q is stored as %s: %v", text, q.Policy, err)
		}
	})
}

func FuzzMessageAttributes(f *testing.F) {
	f.Add("name", "String", "value", []byte(nil))
	f.Add("n", "Number.int", "-1e5", []byte(nil))
	f.Add("b", "Binary", "", []byte{0})
	f.Fuzz(func(t *testing.T, name, dataType, text string, b []byte) {
		v := sqsapi.MessageAttributeValue{DataType: dataType, BinaryValue: b}
		if text != "" {
			v.StringValue = &text
		}
		as, err := readAttributes(map[string]sqsapi.MessageAttributeValue{name: v})
		if err != nil {
			return
		}
		got := as[0].write()
		if d := cmp.Diff(v, got); d != "" {
			t.Errorf("(-sent +received):\n%s", d)
		}
		if _, err := json.Marshal(got); err != nil {
			t.Error(err)
		}
	})
}
