// Package model reads API models in the form of botocore's service-2.json and
// turns them into schemas.
//
// It is used by cmd/awsgen, which packs the schemas of all services and
// generates Go types, and by the protocol tests, whose small models have the
// same form. The server itself only reads packed tables. Start at [Parse].
package model

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"strconv"

	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
)

// File is a model file: the parts of service-2.json that have a meaning here.
type File struct {
	Metadata   Metadata             `json:"metadata"`
	Operations map[string]Operation `json:"operations"`
	Shapes     map[string]*Shape    `json:"shapes"`
}

// Metadata describes the service.
type Metadata struct {
	APIVersion          string          `json:"apiVersion"`
	EndpointPrefix      string          `json:"endpointPrefix"`
	GlobalEndpoint      string          `json:"globalEndpoint"`
	JSONVersion         string          `json:"jsonVersion"`
	Protocol            string          `json:"protocol"`
	Protocols           []string        `json:"protocols"`
	ServiceFullName     string          `json:"serviceFullName"`
	ServiceAbbreviation string          `json:"serviceAbbreviation"`
	ServiceID           string          `json:"serviceId"`
	SigningName         string          `json:"signingName"`
	TargetPrefix        string          `json:"targetPrefix"`
	XMLNamespace        json.RawMessage `json:"xmlNamespace"`
	AWSQueryCompatible  json.RawMessage `json:"awsQueryCompatible"`
	Auth                []string        `json:"auth"`
}

// Operation is one operation of a model.
type Operation struct {
	Name string `json:"name"`
	HTTP struct {
		Method       string `json:"method"`
		RequestURI   string `json:"requestUri"`
		ResponseCode int    `json:"responseCode"`
	} `json:"http"`
	Input  *Ref   `json:"input"`
	Output *Ref   `json:"output"`
	Errors []*Ref `json:"errors"`

	AuthType        string   `json:"authtype"`
	Auth            []string `json:"auth"`
	UnsignedPayload bool     `json:"unsignedPayload"`
	Deprecated      bool     `json:"deprecated"`
	Endpoint        struct {
		HostPrefix string `json:"hostPrefix"`
	} `json:"endpoint"`
	RequestCompression struct {
		Encodings []string `json:"encodings"`
	} `json:"requestcompression"`
	HTTPChecksumRequired bool `json:"httpChecksumRequired"`
	HTTPChecksum         *struct {
		RequestAlgorithmMember      string   `json:"requestAlgorithmMember"`
		RequestChecksumRequired     bool     `json:"requestChecksumRequired"`
		RequestValidationModeMember string   `json:"requestValidationModeMember"`
		ResponseAlgorithms          []string `json:"responseAlgorithms"`
	} `json:"httpChecksum"`
}

// Ref refers to a shape and adds traits to it.
type Ref struct {
	Shape            string          `json:"shape"`
	Location         string          `json:"location"`
	LocationName     string          `json:"locationName"`
	QueryName        string          `json:"queryName"`
	ResultWrapper    string          `json:"resultWrapper"`
	Flattened        bool            `json:"flattened"`
	XMLAttribute     bool            `json:"xmlAttribute"`
	XMLNamespace     json.RawMessage `json:"xmlNamespace"`
	Streaming        bool            `json:"streaming"`
	IdempotencyToken bool            `json:"idempotencyToken"`
	JSONValue        bool            `json:"jsonvalue"`
	Deprecated       bool            `json:"deprecated"`
	EventPayload     bool            `json:"eventpayload"`
	EventHeader      bool            `json:"eventheader"`
	HostLabel        bool            `json:"hostLabel"`
	TimestampFormat  string          `json:"timestampFormat"`
}

// Shape is one shape of a model.
type Shape struct {
	Type            string          `json:"type"`
	Members         *members        `json:"members"`
	Member          *Ref            `json:"member"`
	Key             *Ref            `json:"key"`
	Value           *Ref            `json:"value"`
	Required        []string        `json:"required"`
	Enum            []string        `json:"enum"`
	Min             *float64        `json:"min"`
	Max             *float64        `json:"max"`
	Pattern         string          `json:"pattern"`
	Union           bool            `json:"union"`
	Document        bool            `json:"document"`
	Flattened       bool            `json:"flattened"`
	Sparse          bool            `json:"sparse"`
	Streaming       bool            `json:"streaming"`
	RequiresLength  bool            `json:"requiresLength"`
	EventStream     bool            `json:"eventstream"`
	Event           bool            `json:"event"`
	Sensitive       bool            `json:"sensitive"`
	TimestampFormat string          `json:"timestampFormat"`
	Payload         string          `json:"payload"`
	LocationName    string          `json:"locationName"`
	XMLNamespace    json.RawMessage `json:"xmlNamespace"`
	Exception       bool            `json:"exception"`
	Fault           bool            `json:"fault"`
	Error           *struct {
		Code           string `json:"code"`
		HTTPStatusCode int    `json:"httpStatusCode"`
	} `json:"error"`
}

// members keeps the order of a structure's members.
type members struct {
	names []string
	refs  map[string]*Ref
}

func (m *members) UnmarshalJSON(b []byte) error {
	if err := json.Unmarshal(b, &m.refs); err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(b))
	if _, err := d.Token(); err != nil {
		return err
	}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return err
		}
		name, ok := t.(string)
		if !ok {
			return fmt.Errorf("member name is %v", t)
		}
		m.names = append(m.names, name)
		var skip json.RawMessage
		if err := d.Decode(&skip); err != nil {
			return err
		}
	}
	return nil
}

// Parse reads a model and converts it. name is the service's folder name.
func Parse(name string, b []byte) (*smithy.Service, error) {
	var f File
	if err := json.Unmarshal(b, &f); err != nil {
		return nil, fmt.Errorf("model %s: %w", name, err)
	}
	s, err := f.Service(name)
	if err != nil {
		return nil, fmt.Errorf("model %s: %w", name, err)
	}
	return s, nil
}

// Service converts the model. Shapes that nothing refers to are kept.
func (f *File) Service(name string) (*smithy.Service, error) {
	s := &smithy.Service{Meta: f.meta(name)}
	names := make([]string, 0, len(f.Shapes))
	for n := range f.Shapes {
		names = append(names, n)
	}
	sort.Strings(names)
	c := converter{shapes: make(map[string]*smithy.Shape, len(names))}
	for _, n := range names {
		sh := &smithy.Shape{Name: n}
		c.shapes[n] = sh
		s.Shapes = append(s.Shapes, sh)
	}
	for _, sh := range s.Shapes {
		if err := c.shape(sh, f.Shapes[sh.Name]); err != nil {
			return nil, fmt.Errorf("shape %s: %w", sh.Name, err)
		}
	}
	ops := make([]string, 0, len(f.Operations))
	for n := range f.Operations {
		ops = append(ops, n)
	}
	sort.Strings(ops)
	for _, n := range ops {
		o := f.Operations[n]
		op, err := c.operation(n, &o)
		if err != nil {
			return nil, fmt.Errorf("operation %s: %w", n, err)
		}
		s.Operations = append(s.Operations, op)
	}
	s.Link()
	return s, nil
}

func (f *File) meta(name string) smithy.Meta {
	md := &f.Metadata
	m := smithy.Meta{
		Name: name, ServiceID: md.ServiceID, FullName: md.ServiceFullName, SigningName: md.SigningName,
		EndpointPrefix: md.EndpointPrefix, TargetPrefix: md.TargetPrefix, JSONVersion: md.JSONVersion,
		APIVersion: md.APIVersion, GlobalEndpoint: md.GlobalEndpoint, XMLNamespace: namespace(md.XMLNamespace).URI,
		QueryCompatible: len(md.AWSQueryCompatible) > 0 && string(md.AWSQueryCompatible) != "false",
	}
	if m.SigningName == "" {
		m.SigningName = m.EndpointPrefix
	}
	protocols := md.Protocols
	if len(protocols) == 0 {
		protocols = []string{md.Protocol}
	}
	for _, p := range protocols {
		m.Protocols = append(m.Protocols, smithy.Protocol(p))
	}
	for _, a := range md.Auth {
		if a == "smithy.api#httpBearerAuth" {
			m.Bearer = true
		}
	}
	return m
}

// namespace reads an xmlNamespace, which is a string or an object.
func namespace(b json.RawMessage) (n smithy.XMLNamespace) {
	if len(b) == 0 {
		return n
	}
	var obj struct {
		Prefix string `json:"prefix"`
		URI    string `json:"uri"`
	}
	if b[0] == '"' {
		obj.URI, _ = strconv.Unquote(string(b))
	} else if json.Unmarshal(b, &obj) != nil {
		return n
	}
	return smithy.XMLNamespace{Prefix: obj.Prefix, URI: obj.URI}
}

type converter struct {
	shapes map[string]*smithy.Shape
}

var kinds = map[string]smithy.Kind{
	"structure": smithy.Structure, "list": smithy.List, "map": smithy.Map, "string": smithy.String,
	"character": smithy.String, "blob": smithy.Blob, "boolean": smithy.Boolean, "byte": smithy.Byte,
	"short": smithy.Short, "integer": smithy.Integer, "long": smithy.Long, "float": smithy.Float,
	"double": smithy.Double, "timestamp": smithy.Timestamp, "document": smithy.Document,
}

var timeFormats = map[string]smithy.TimestampFormat{
	"": smithy.DefaultTime, "iso8601": smithy.ISO8601, "unixTimestamp": smithy.UnixTimestamp, "rfc822": smithy.RFC822,
}

var locations = map[string]smithy.Location{
	"": smithy.Body, "header": smithy.Header, "headers": smithy.Headers, "uri": smithy.URI,
	"querystring": smithy.Querystring, "statusCode": smithy.StatusCode,
}

func (c *converter) shape(out *smithy.Shape, in *Shape) error {
	kind, ok := kinds[in.Type]
	if !ok {
		return fmt.Errorf("unknown type %q", in.Type)
	}
	switch {
	case kind == smithy.Structure && in.Document:
		kind = smithy.Document
	case kind == smithy.Structure && in.Union:
		kind = smithy.Union
	}
	out.Kind = kind
	out.Enum, out.Pattern = in.Enum, in.Pattern
	if in.Min != nil {
		out.Min, out.HasMin = *in.Min, true
	}
	if in.Max != nil {
		out.Max, out.HasMax = *in.Max, true
	}
	out.Flattened, out.Sparse, out.Streaming, out.RequiresLength = in.Flattened, in.Sparse, in.Streaming, in.RequiresLength
	out.EventStream, out.Event, out.Sensitive = in.EventStream, in.Event, in.Sensitive
	out.Payload, out.XMLName, out.XMLNamespace = in.Payload, in.LocationName, namespace(in.XMLNamespace)
	out.Exception, out.Fault = in.Exception, in.Fault
	if in.Error != nil {
		out.Exception = true
		out.ErrorStatus = in.Error.HTTPStatusCode
		if in.Error.Code != out.Name {
			out.ErrorCode = in.Error.Code
		}
	}
	if out.TimeFormat, ok = timeFormats[in.TimestampFormat]; !ok {
		return fmt.Errorf("unknown timestampFormat %q", in.TimestampFormat)
	}
	return c.parts(out, in)
}

// parts fills members, element, key and value.
func (c *converter) parts(out *smithy.Shape, in *Shape) (err error) {
	switch out.Kind {
	case smithy.List:
		out.Elem, err = c.member("", in.Member)
	case smithy.Map:
		if out.Key, err = c.member("", in.Key); err == nil {
			out.Elem, err = c.member("", in.Value)
		}
	case smithy.Structure, smithy.Union:
		if in.Members == nil {
			return nil
		}
		required := map[string]bool{}
		for _, n := range in.Required {
			required[n] = true
		}
		for _, n := range in.Members.names {
			m, err := c.member(n, in.Members.refs[n])
			if err != nil {
				return err
			}
			m.Required = required[n]
			out.Members = append(out.Members, m)
		}
	}
	return err
}

func (c *converter) member(name string, r *Ref) (*smithy.Member, error) {
	if r == nil {
		return nil, fmt.Errorf("member %q is missing", name)
	}
	sh := c.shapes[r.Shape]
	if sh == nil {
		return nil, fmt.Errorf("member %q refers to the unknown shape %q", name, r.Shape)
	}
	m := &smithy.Member{
		Name: name, Shape: sh, LocationName: r.LocationName, QueryName: r.QueryName, Flattened: r.Flattened,
		XMLAttribute: r.XMLAttribute, XMLNamespace: namespace(r.XMLNamespace), Streaming: r.Streaming,
		IdempotencyToken: r.IdempotencyToken, JSONValue: r.JSONValue, Deprecated: r.Deprecated,
		EventPayload: r.EventPayload, EventHeader: r.EventHeader, HostLabel: r.HostLabel,
	}
	var ok bool
	if m.Location, ok = locations[r.Location]; !ok {
		return nil, fmt.Errorf("member %q has the unknown location %q", name, r.Location)
	}
	if m.TimeFormat, ok = timeFormats[r.TimestampFormat]; !ok {
		return nil, fmt.Errorf("member %q has the unknown timestampFormat %q", name, r.TimestampFormat)
	}
	return m, nil
}

func (c *converter) operation(name string, in *Operation) (*smithy.Operation, error) {
	out := &smithy.Operation{
		Name: name, Method: in.HTTP.Method, URI: in.HTTP.RequestURI, Status: in.HTTP.ResponseCode,
		UnsignedPayload: in.UnsignedPayload, HostPrefix: in.Endpoint.HostPrefix, Deprecated: in.Deprecated,
	}
	if out.Status == 0 {
		out.Status = 200
	}
	out.NoAuth = in.AuthType == "none" || len(in.Auth) == 1 && in.Auth[0] == "smithy.api#noAuth"
	out.Compressed = slices.Contains(in.RequestCompression.Encodings, "gzip")
	out.UnsignedPayload = out.UnsignedPayload || in.AuthType == "v4-unsigned-body"
	find := func(r *Ref) (*smithy.Shape, error) {
		if sh := c.shapes[r.Shape]; sh != nil {
			return sh, nil
		}
		return nil, fmt.Errorf("unknown shape %q", r.Shape)
	}
	var err error
	if in.Input != nil {
		if out.Input, err = find(in.Input); err != nil {
			return nil, err
		}
		out.InputXMLName, out.InputXMLNamespace = in.Input.LocationName, namespace(in.Input.XMLNamespace)
	}
	if in.Output != nil {
		if out.Output, err = find(in.Output); err != nil {
			return nil, err
		}
		out.ResultWrapper = in.Output.ResultWrapper
	}
	for _, r := range in.Errors {
		e, err := find(r)
		if err != nil {
			return nil, err
		}
		e.Exception = true
		out.Errors = append(out.Errors, e)
	}
	if h := in.HTTPChecksum; h != nil {
		out.Checksum = &smithy.Checksum{
			RequestAlgorithmMember: h.RequestAlgorithmMember, Required: h.RequestChecksumRequired,
			ValidationModeMember: h.RequestValidationModeMember, ResponseAlgorithms: h.ResponseAlgorithms,
		}
	} else if in.HTTPChecksumRequired {
		out.Checksum = &smithy.Checksum{Required: true}
	}
	return out, nil
}
