// Package route finds the AWS service and the operation that an HTTP request
// is for, when all services share one port.
//
// The service follows from the signature's scope, X-Amz-Target, the path, the
// host or a form's Action, in this order; what is left is S3. The operation
// follows from the protocol: its name in the request, or a [trie] of paths.
// Nothing here depends on what is implemented: every service of the catalog
// is found, so that the gateway can refuse it by its right name.
package route

import (
	"net/http"
	"net/url"
	"sort"
	"strings"
	"sync"

	"github.com/gigawatt-cloud/gigawatt/api/catalog"
	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
)

// Request is what routing looks at.
type Request struct {
	Method string
	Host   string
	// Path is the raw, still escaped path; RawQuery the raw query string.
	Path     string
	RawQuery string
	Header   http.Header
	// SigningName is the service in the signature's scope, "" when there is none.
	SigningName string
	// Form reads the body's form when the content type says that it is one. It
	// returns nil otherwise.
	Form func() (url.Values, error)
}

// Match is where a request goes.
type Match struct {
	// Service is never nil: what fits nothing else is S3.
	Service  *smithy.Meta
	Protocol smithy.Protocol
	// Op is nil when the service has no such operation.
	Op *smithy.Operation
	// Name is the operation's name as the request gave it, "" when it gave none.
	Name string
	// Labels are the raw values of the path's labels.
	Labels map[string]string
	// Version is the API version that a query request gave.
	Version string
}

// Table routes requests. It is safe for concurrent use.
type Table struct {
	bySigning  map[string][]*smithy.Meta
	byTarget   map[string][]*smithy.Meta
	byEndpoint map[string][]*smithy.Meta
	tries      sync.Map // service name -> *trie
}

// New returns a table of all services of the catalog.
func New() *Table {
	t := &Table{bySigning: map[string][]*smithy.Meta{}, byTarget: map[string][]*smithy.Meta{}, byEndpoint: map[string][]*smithy.Meta{}}
	for _, m := range catalog.All() {
		t.bySigning[m.SigningName] = append(t.bySigning[m.SigningName], m)
		t.byEndpoint[m.EndpointPrefix] = append(t.byEndpoint[m.EndpointPrefix], m)
		if m.TargetPrefix != "" {
			t.byTarget[m.TargetPrefix] = append(t.byTarget[m.TargetPrefix], m)
		}
	}
	for _, list := range []map[string][]*smithy.Meta{t.bySigning, t.byEndpoint} {
		for _, ms := range list {
			sort.SliceStable(ms, func(i, j int) bool { return preference(ms[i].Name) < preference(ms[j].Name) })
		}
	}
	return t
}

// preference orders services that share a signing name: one whose paths are a
// subset of another's goes first, one that was superseded last.
func preference(name string) int {
	switch name {
	case "s3control":
		return 0
	case "docdb", "neptune":
		return 3 // rds answers for their common operations
	case "timestream-query":
		return 2
	}
	return 1
}

// Find routes a request. An error comes from reading the form.
func (t *Table) Find(rq *Request) (*Match, error) {
	candidates := t.bySigning[rq.SigningName]
	if m := t.byTargetHeader(rq, candidates); m != nil {
		return m, nil
	}
	if m := t.rpc(rq, candidates); m != nil {
		return m, nil
	}
	if len(candidates) == 0 {
		candidates = t.guess(rq)
	}
	m, err := t.query(rq, candidates)
	if m != nil || err != nil {
		return m, err
	}
	if m := t.rest(rq, candidates); m != nil {
		return m, nil
	}
	if len(candidates) > 0 && !isS3(candidates) {
		c := candidates[0]
		return &Match{Service: c, Protocol: c.Protocols[0]}, nil
	}
	return t.s3(rq), nil
}

func isS3(ms []*smithy.Meta) bool {
	for _, m := range ms {
		if m.Name == "s3" {
			return true
		}
	}
	return false
}

// byTargetHeader routes the JSON protocols: X-Amz-Target is "PREFIX.Operation".
func (t *Table) byTargetHeader(rq *Request, candidates []*smithy.Meta) *Match {
	target := rq.Header.Get("X-Amz-Target")
	i := strings.LastIndexByte(target, '.')
	if i < 0 {
		return nil
	}
	prefix, name := target[:i], target[i+1:]
	services := t.byTarget[prefix]
	if len(services) == 0 {
		for _, c := range candidates {
			if c.Speaks(smithy.AWSJSON) {
				return &Match{Service: c, Protocol: smithy.AWSJSON, Name: name}
			}
		}
		return nil
	}
	m := &Match{Service: services[0], Protocol: smithy.AWSJSON, Name: name}
	for _, s := range services {
		if op := catalog.Service(s.Name).Operation(name); op != nil {
			m.Service, m.Op = s, op
			break
		}
	}
	return m
}

// rpc routes the CBOR protocol: the path is /service/PREFIX/operation/Operation.
func (t *Table) rpc(rq *Request, candidates []*smithy.Meta) *Match {
	if rq.Header.Get("Smithy-Protocol") != string(smithy.RPCv2CBOR[len("smithy-"):]) {
		return nil
	}
	i := strings.LastIndex(rq.Path, "/service/")
	if i < 0 {
		return nil
	}
	prefix, name, ok := strings.Cut(rq.Path[i+len("/service/"):], "/operation/")
	if !ok {
		return nil
	}
	services := t.byTarget[prefix]
	if len(services) == 0 {
		services = candidates
	}
	if len(services) == 0 {
		return nil
	}
	m := &Match{Service: services[0], Protocol: smithy.RPCv2CBOR, Name: name}
	for _, s := range services {
		if op := catalog.Service(s.Name).Operation(name); op != nil && s.Speaks(smithy.RPCv2CBOR) {
			m.Service, m.Op = s, op
			break
		}
	}
	return m
}

// guess finds candidates for a request that no signature names a service for.
func (t *Table) guess(rq *Request) []*smithy.Meta {
	if SQSPath(rq.Path) {
		return t.byEndpoint["sqs"]
	}
	if strings.HasPrefix(rq.Path, "/2015-03-31/functions") {
		return t.bySigning["lambda"]
	}
	host, _, _ := strings.Cut(rq.Host, ":")
	label, rest, dotted := strings.Cut(host, ".")
	switch {
	case !dotted, label == "s3", strings.HasPrefix(rest, "s3."), strings.HasPrefix(rest, "s3-website"):
		return nil
	case strings.Contains("."+rest, ".lambda-url."):
		return t.bySigning["lambda"]
	}
	return t.byEndpoint[label]
}

// SQSPath reports whether a path has the form of a queue's URL.
func SQSPath(path string) bool {
	account, queue, ok := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if !ok || len(account) != 12 || queue == "" || strings.Contains(queue, "/") {
		return false
	}
	return strings.Trim(account, "0123456789") == ""
}

// query routes the form protocols by Action.
func (t *Table) query(rq *Request, candidates []*smithy.Meta) (*Match, error) {
	if len(candidates) > 0 && !speaksForms(candidates) {
		return nil, nil
	}
	var form url.Values
	var err error
	if strings.Contains(rq.RawQuery, "Action=") {
		form, err = url.ParseQuery(rq.RawQuery)
	} else if form, err = rq.Form(); form == nil {
		return nil, err
	}
	if err != nil {
		return nil, err
	}
	name, version := form.Get("Action"), form.Get("Version")
	if name == "" {
		return nil, nil
	}
	if len(candidates) == 0 {
		candidates = byVersion(version)
	}
	var m *Match
	for _, c := range candidates {
		p := smithy.AWSQuery
		switch {
		case c.Speaks(smithy.EC2Query):
			p = smithy.EC2Query
		case !c.Speaks(smithy.AWSQuery) && c.Name != "sqs":
			continue
		}
		op := catalog.Service(c.Name).Operation(name)
		if m == nil || op != nil {
			m = &Match{Service: c, Protocol: p, Op: op, Name: name, Version: version}
		}
		if op != nil {
			break
		}
	}
	return m, nil
}

func speaksForms(ms []*smithy.Meta) bool {
	for _, m := range ms {
		// The models no longer say that SQS speaks query; older SDKs do.
		if m.Speaks(smithy.AWSQuery) || m.Speaks(smithy.EC2Query) || m.Name == "sqs" {
			return true
		}
	}
	return false
}

// byVersion finds the form services with an API version: unsigned calls, such
// as sts AssumeRoleWithWebIdentity, have nothing else.
func byVersion(version string) []*smithy.Meta {
	var out []*smithy.Meta
	for _, m := range catalog.All() {
		if m.APIVersion == version && speaksForms([]*smithy.Meta{m}) {
			out = append(out, m)
		}
	}
	return out
}

// rest routes by method and path among the candidates that speak REST.
func (t *Table) rest(rq *Request, candidates []*smithy.Meta) *Match {
	var best *Match
	bestLiterals := -1
	for _, c := range candidates {
		p := restProtocol(c)
		if p == "" || c.Name == "s3" {
			continue
		}
		op, labels, literals := t.trie(c.Name).find(rq.Method, rq.Path, rq.RawQuery, rq.Header)
		if op == nil || literals <= bestLiterals {
			continue
		}
		best = &Match{Service: c, Protocol: p, Op: op, Name: op.Name, Labels: labels}
		bestLiterals = literals
	}
	if best != nil || isS3(candidates) {
		return best
	}
	for _, c := range candidates {
		if p := restProtocol(c); p != "" {
			return &Match{Service: c, Protocol: p}
		}
	}
	return nil
}

func restProtocol(m *smithy.Meta) smithy.Protocol {
	for _, p := range m.Protocols {
		if p == smithy.RestJSON || p == smithy.RestXML {
			return p
		}
	}
	return ""
}

// s3 routes to S3, whose bucket is the path's first segment: the caller has
// moved it there from a virtual host.
func (t *Table) s3(rq *Request) *Match {
	m := &Match{Service: catalog.Meta("s3"), Protocol: smithy.RestXML}
	if op, labels, _ := t.trie("s3").find(rq.Method, rq.Path, rq.RawQuery, rq.Header); op != nil {
		m.Op, m.Labels, m.Name = op, labels, op.Name
	}
	return m
}

func (t *Table) trie(service string) *trie {
	if x, ok := t.tries.Load(service); ok {
		return x.(*trie)
	}
	x, _ := t.tries.LoadOrStore(service, newTrie(catalog.Service(service)))
	return x.(*trie)
}
