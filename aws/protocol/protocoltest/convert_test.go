package protocoltest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
)

// converter turns the shapes of the AST that a service reaches into schemas.
type converter struct {
	ast      *ast
	protocol smithy.Protocol
	rename   map[string]string
	shapes   map[string]*smithy.Shape // by absolute name
	all      []*smithy.Shape
	names    map[string]bool
}

var astKinds = map[string]smithy.Kind{
	"structure": smithy.Structure, "union": smithy.Union, "list": smithy.List, "set": smithy.List, "map": smithy.Map,
	"string": smithy.String, "enum": smithy.String, "blob": smithy.Blob, "boolean": smithy.Boolean, "byte": smithy.Byte,
	"short": smithy.Short, "integer": smithy.Integer, "intEnum": smithy.Integer, "long": smithy.Long, "float": smithy.Float,
	"double": smithy.Double, "timestamp": smithy.Timestamp, "document": smithy.Document,
}

var astTimes = map[string]smithy.TimestampFormat{
	"date-time": smithy.ISO8601, "epoch-seconds": smithy.UnixTimestamp, "http-date": smithy.RFC822,
}

func (c *converter) operation(name string, src *astShape) *smithy.Operation {
	op := &smithy.Operation{Name: name, Method: "POST", URI: "/", Status: 200}
	var h struct {
		Method string `json:"method"`
		URI    string `json:"uri"`
		Code   int    `json:"code"`
	}
	if src.Traits.read("http", &h) && (c.protocol == smithy.RestJSON || c.protocol == smithy.RestXML) {
		op.Method, op.URI = h.Method, h.URI
		if h.Code != 0 {
			op.Status = h.Code
		}
	}
	var e struct {
		HostPrefix string `json:"hostPrefix"`
	}
	src.Traits.read("endpoint", &e)
	op.HostPrefix = e.HostPrefix
	op.Compressed = src.Traits.has("requestCompression")
	if src.Input != nil && src.Input.Target != "smithy.api#Unit" {
		op.Input = c.shape(src.Input.Target)
	}
	if src.Output != nil && src.Output.Target != "smithy.api#Unit" {
		op.Output = c.shape(src.Output.Target)
		if c.protocol == smithy.AWSQuery {
			op.ResultWrapper = name + "Result"
		}
	}
	for _, r := range src.Errors {
		op.Errors = append(op.Errors, c.shape(r.Target))
	}
	return op
}

// shape converts a shape once.
func (c *converter) shape(name string) *smithy.Shape {
	if sh := c.shapes[name]; sh != nil {
		return sh
	}
	src := c.ast.Shapes[name]
	if src == nil {
		src = prelude(name)
	}
	sh := &smithy.Shape{Name: c.unique(name), Kind: astKinds[src.Type]}
	if sh.Kind == 0 {
		panic(fmt.Sprintf("%s is a %q", name, src.Type))
	}
	c.shapes[name] = sh
	c.all = append(c.all, sh)
	constrain(sh, src.Traits)
	sh.MediaType = src.Traits.text("mediaType")
	sh.Sparse = src.Traits.has("sparse")
	sh.Streaming = src.Traits.has("streaming") && sh.Kind == smithy.Blob
	sh.EventStream = src.Traits.has("streaming") && sh.Kind == smithy.Union
	sh.RequiresLength = src.Traits.has("requiresLength")
	sh.Sensitive = src.Traits.has("sensitive")
	sh.TimeFormat = astTimes[src.Traits.text("timestampFormat")]
	sh.XMLName, sh.XMLNamespace = src.Traits.text("xmlName"), xmlNamespace(src.Traits)
	for _, mx := range src.Mixins {
		if n := xmlNamespace(c.ast.Shapes[mx.Target].Traits); sh.XMLNamespace.URI == "" {
			sh.XMLNamespace = n
		}
	}
	sh.Exception = src.Traits.has("error")
	sh.Fault = src.Traits.text("error") == "server"
	src.Traits.read("httpError", &sh.ErrorStatus)
	var q struct {
		Code   string `json:"code"`
		Status int    `json:"httpResponseCode"`
	}
	if src.Traits.read("aws.protocols#awsQueryError", &q) {
		sh.ErrorCode = q.Code
		if c.protocol == smithy.AWSQuery {
			sh.ErrorStatus = q.Status
		}
	}
	c.enum(sh, src)
	c.parts(sh, src)
	return sh
}

// prelude makes a shape of Smithy's own namespace, whose name is its type.
func prelude(name string) *astShape {
	typ := strings.ToLower(strings.TrimPrefix(local(name), "Primitive"))
	if typ == "unit" { // a union's member without content
		typ = "structure"
	}
	return &astShape{Type: typ}
}

func (c *converter) unique(name string) string {
	n := local(name)
	if r := c.rename[name]; r != "" {
		n = r
	}
	for c.names[n] {
		n += "_"
	}
	c.names[n] = true
	return n
}

func (c *converter) enum(sh *smithy.Shape, src *astShape) {
	var old []struct {
		Value string   `json:"value"`
		Tags  []string `json:"tags"`
	}
	if src.Traits.read("enum", &old) {
		for _, v := range old {
			if slices.Contains(v.Tags, "internal") {
				sh.InternalEnum = append(sh.InternalEnum, v.Value)
			} else {
				sh.Enum = append(sh.Enum, v.Value)
			}
		}
	}
	if src.Type != "enum" {
		return
	}
	for _, n := range src.Members.names {
		v, m := n, src.Members.by[n]
		m.Traits.read("enumValue", &v)
		if m.Traits.has("internal") {
			sh.InternalEnum = append(sh.InternalEnum, v)
		} else {
			sh.Enum = append(sh.Enum, v)
		}
	}
}

func (c *converter) parts(sh *smithy.Shape, src *astShape) {
	switch sh.Kind {
	case smithy.List:
		sh.Elem = c.member("", src.Member)
	case smithy.Map:
		sh.Key, sh.Elem = c.member("", src.Key), c.member("", src.Value)
	case smithy.Structure, smithy.Union:
		for _, m := range c.members(src) {
			sh.Members = append(sh.Members, m)
			if m.Shape.Kind == smithy.Structure && sh.EventStream {
				m.Shape.Event = true
			}
		}
		for _, n := range c.payloads(src) {
			sh.Payload = n
		}
	}
}

// members are a structure's own members and those of its mixins, which come first.
func (c *converter) members(src *astShape) []*smithy.Member {
	var out []*smithy.Member
	for _, mx := range src.Mixins {
		out = append(out, c.members(c.ast.Shapes[mx.Target])...)
	}
	if src.Members == nil {
		return out
	}
	for _, n := range src.Members.names {
		out = append(out, c.member(n, src.Members.by[n]))
	}
	return out
}

func (c *converter) payloads(src *astShape) []string {
	var out []string
	for _, mx := range src.Mixins {
		out = append(out, c.payloads(c.ast.Shapes[mx.Target])...)
	}
	if src.Members == nil {
		return out
	}
	for _, n := range src.Members.names {
		if src.Members.by[n].Traits.has("httpPayload") {
			out = append(out, n)
		}
	}
	return out
}

func (c *converter) member(name string, src *astMember) *smithy.Member {
	t := src.Traits
	m := &smithy.Member{
		Name: name, Shape: c.shape(src.Target), Required: t.has("required"),
		QueryName: t.text("aws.protocols#ec2QueryName"), Flattened: t.has("xmlFlattened"), XMLAttribute: t.has("xmlAttribute"),
		XMLNamespace: xmlNamespace(t), IdempotencyToken: t.has("idempotencyToken"), Deprecated: t.has("deprecated"),
		EventPayload: t.has("eventPayload"), EventHeader: t.has("eventHeader"), HostLabel: t.has("hostLabel"),
		TimeFormat: astTimes[t.text("timestampFormat")],
	}
	if t.has("length") || t.has("range") || t.has("pattern") {
		m.Shape = c.derive(m.Shape, name)
		constrain(m.Shape, t)
	}
	if m.Shape.XMLNamespace.URI != "" && m.Shape.Kind == smithy.Structure && !t.has("httpPayload") {
		// In Smithy a structure's namespace counts for a root element only.
		m.Shape = c.derive(m.Shape, name)
		m.Shape.XMLNamespace = smithy.XMLNamespace{}
	}
	if c.protocol == smithy.AWSJSON || c.protocol == smithy.RestJSON {
		m.LocationName = t.text("jsonName")
	} else if c.protocol != smithy.RPCv2CBOR {
		m.LocationName = t.text("xmlName")
	}
	c.bind(m, t)
	if d, ok := t["smithy.api#default"]; ok && string(d) != "null" && !t.has("clientOptional") {
		m.Default = defaultValue(m.Shape, d)
	}
	return m
}

// derive makes a shape of its own of what a member's traits change.
func (c *converter) derive(sh *smithy.Shape, member string) *smithy.Shape {
	out := *sh
	out.Name += "$" + member
	for c.names[out.Name] {
		out.Name += "_"
	}
	c.names[out.Name] = true
	c.all = append(c.all, &out)
	return &out
}

// bind sets where in the message the REST protocols carry the member.
func (c *converter) bind(m *smithy.Member, t traits) {
	if c.protocol != smithy.RestJSON && c.protocol != smithy.RestXML {
		return
	}
	set := func(l smithy.Location, name string) { m.Location, m.LocationName = l, name }
	switch {
	case t.has("httpHeader"):
		set(smithy.Header, t.text("httpHeader"))
		m.JSONValue = m.Shape.MediaType != ""
	case t.has("httpPrefixHeaders"):
		set(smithy.Headers, t.text("httpPrefixHeaders"))
	case t.has("httpLabel"):
		set(smithy.URI, m.Name)
	case t.has("httpQuery"):
		set(smithy.Querystring, t.text("httpQuery"))
	case t.has("httpQueryParams"):
		set(smithy.Querystring, "")
	case t.has("httpResponseCode"):
		set(smithy.StatusCode, "")
	}
}

// constrain sets the constraints that t has; others stay.
func constrain(sh *smithy.Shape, t traits) {
	for _, name := range []string{"length", "range"} {
		var r struct{ Min, Max *float64 }
		if t.read(name, &r) {
			sh.HasMin, sh.HasMax, sh.Min, sh.Max = r.Min != nil, r.Max != nil, 0, 0
			if r.Min != nil {
				sh.Min = *r.Min
			}
			if r.Max != nil {
				sh.Max = *r.Max
			}
		}
	}
	t.read("pattern", &sh.Pattern)
	sh.UniqueItems = sh.UniqueItems || t.has("uniqueItems")
}

// defaultValue is a default in the generic form. Defaults are written as JSON
// would carry them, so a blob is base64.
func defaultValue(sh *smithy.Shape, b json.RawMessage) any {
	var x any
	if err := unmarshal(b, &x); err != nil {
		panic(err)
	}
	if s, ok := x.(string); ok && sh.Kind == smithy.Blob {
		return fromBase64(s)
	}
	return value(sh, x)
}
