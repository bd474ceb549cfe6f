package cloudtest

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/gigawatt-cloud/gigawatt/api/catalog"
)

// TestText holds the text format against what version 1.45.11 of the AWS CLI
// writes for the same values.
func TestText(t *testing.T) {
	cases := []struct{ value, want string }{
		{`"a"`, "a\n"},
		{`null`, "None\n"},
		{`true`, "True\n"},
		{`[]`, ""},
		{`["a","b"]`, "a\tb\n"},
		{`[["a",1],["b",null]]`, "a\t1\nb\tNone\n"},
		{`{"B":"x","A":1,"C":["p","q"]}`, "1\tx\nC\tp\nC\tq\n"},
		{`{"Users":[{"Name":"n","Id":"i"},{"Name":"m","Path":"/"}],"IsTruncated":false}`, "False\nUSERS\ti\tn\t\nUSERS\t\tm\t/\n"},
		{`[{"A":1,"L":[{"K":"v"}]},{"B":2}]`, "1\t\nL\tv\n\t2\n"},
		{`{"T":{"X":"1","Y":{"Z":true}}}`, "T\t1\nY\tTrue\n"},
		{`["a",["b","c"],"d"]`, "a\td\nb\tc\n"},
		{`{"E":[],"D":{}}`, ""},
		{`[[["a"]],["b"]]`, "a\nb\n"},
	}
	for _, tc := range cases {
		var v any
		if err := json.Unmarshal([]byte(tc.value), &v); err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if writeText(&b, v, "", nil); b.String() != tc.want {
			t.Errorf("%s is written %q, not %q", tc.value, b.String(), tc.want)
		}
	}
}

func TestPrint(t *testing.T) {
	const users = `{"Users":[{"UserName":"a<b","CreateDate":1767323045.5,"Tags":[]}],"IsTruncated":false}`
	cases := []struct{ name, out, query, format, want string }{
		{"whole", `{"IsTruncated":false,"Users":[]}`, "", "json", "{\n    \"IsTruncated\": false,\n    \"Users\": []\n}\n"},
		{"empty", `{}`, "", "json", ""},
		{"time and markup", users, "Users[0]", "json", "{\n    \"CreateDate\": \"2026-01-02T03:04:05.5+00:00\",\n    \"Tags\": [],\n    \"UserName\": \"a<b\"\n}\n"},
		{"query", users, "Users[].UserName", "text", "a<b\n"},
		{"nothing found", users, "Nothing", "json", "null\n"},
		{"nothing found as text", users, "Nothing", "text", "None\n"},
		{"whole number", users, "length(Users)", "json", "1\n"},
	}
	op := catalog.Service("iam").Operation("ListUsers")
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			d := json.NewDecoder(bytes.NewBufferString(tc.out))
			d.UseNumber()
			var out any
			if err := d.Decode(&out); err != nil {
				t.Fatal(err)
			}
			c := &command{op: op, query: tc.query, format: tc.format}
			got, err := c.print(presentTimes(op.Output, out))
			if err != nil || got != tc.want {
				t.Errorf("got %q, %v, want %q", got, err, tc.want)
			}
		})
	}
	if _, err := (&command{op: op, query: "Users["}).print(nil); err == nil {
		t.Error("a wrong query is taken")
	}
}
