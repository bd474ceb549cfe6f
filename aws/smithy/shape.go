// Package smithy is the schema of AWS APIs as data: services, operations,
// shapes and their traits, and how a shape's values look in Go.
//
// It is the one contract between the models and everything else. Package
// [github.com/gigawatt-cloud/gigawatt/aws/smithy/model] reads and packs the
// models; api/catalog holds the packed tables of all services; the codecs in
// aws/protocol walk the tables. This package does no I/O and knows no wire
// format. Start at [Service], then [Shape] and [Get].
package smithy

// Kind is the type of a shape's values.
type Kind uint8

// The kinds of shapes. Integer is 32 bits wide, Long 64.
const (
	Structure Kind = iota + 1
	Union
	List
	Map
	String
	Blob
	Boolean
	Byte
	Short
	Integer
	Long
	Float
	Double
	Timestamp
	Document
)

// Protocol is a wire protocol's name as the models spell it.
type Protocol string

// The wire protocols of AWS.
const (
	AWSJSON   Protocol = "json"
	AWSQuery  Protocol = "query"
	EC2Query  Protocol = "ec2"
	RestJSON  Protocol = "rest-json"
	RestXML   Protocol = "rest-xml"
	RPCv2CBOR Protocol = "smithy-rpc-v2-cbor"
)

// TimestampFormat says how a timestamp is written. The zero value leaves it
// to the protocol.
type TimestampFormat uint8

// The formats of timestamps on the wire.
const (
	DefaultTime TimestampFormat = iota
	ISO8601
	UnixTimestamp
	RFC822
)

// Location is where in an HTTP message a member is bound.
type Location uint8

// The locations of members. Headers is a group of headers with a common prefix.
const (
	Body Location = iota
	Header
	Headers
	URI
	Querystring
	StatusCode
)

// XMLNamespace is a namespace declaration on an element.
type XMLNamespace struct {
	Prefix string
	URI    string
}

// Shape is one type of a service's model.
type Shape struct {
	// Name is unique within the service.
	Name string
	Kind Kind
	// Members are a structure's or union's members in the model's order; the
	// fields of the generated Go struct have the same order.
	Members []*Member
	// Elem is a list's element or a map's value; Key is a map's key.
	Elem, Key *Member
	// Enum holds the allowed values of a string, nil for any.
	Enum []string
	// InternalEnum are further values that are taken but not named to callers;
	// botocore's models do not carry them.
	InternalEnum []string
	// Min and Max bound a length (string, blob, list, map) or a number. HasMin
	// and HasMax say whether they apply.
	Min, Max       float64
	HasMin, HasMax bool
	// Pattern is the regular expression of a string.
	Pattern string
	// UniqueItems says that a list's elements differ from each other. Models in
	// botocore's form do not carry it.
	UniqueItems bool
	// MediaType is what a string's or blob's content is; botocore's models do
	// not carry it.
	MediaType string

	Flattened      bool
	Sparse         bool
	Streaming      bool
	RequiresLength bool
	EventStream    bool
	Event          bool
	Sensitive      bool
	TimeFormat     TimestampFormat

	// Payload names the member that is the whole HTTP body.
	Payload string
	// XMLName is the element's name when it differs from what contains it.
	XMLName      string
	XMLNamespace XMLNamespace

	// Exception says that the shape is an error; Fault that the server is to blame.
	Exception bool
	Fault     bool
	// ErrorCode is the code on the wire when it differs from Name.
	ErrorCode string
	// ErrorStatus is the HTTP status, 0 when the model does not say.
	ErrorStatus int

	byName map[string]*Member
	// byWire is byName by the names on the wire, for renamed shapes.
	byWire map[string]*Member
	// renamed says that names on the wire differ from the model's.
	renamed bool
	// checked says that values have constraints to validate, at any depth.
	checked bool
	// defaulted says that members have defaults, at any depth.
	defaulted bool
}

// Member is a structure's member, a list's element, or a map's key or value.
type Member struct {
	// Name is the model's name, "" for elements, keys and values.
	Name  string
	Shape *Shape
	// Index is the member's position in its structure.
	Index int

	Required bool
	Location Location
	// LocationName is the name on the wire, "" when it is Name.
	LocationName string
	// QueryName is the name in the ec2 protocol, when given.
	QueryName        string
	Flattened        bool
	XMLAttribute     bool
	XMLNamespace     XMLNamespace
	Streaming        bool
	IdempotencyToken bool
	JSONValue        bool
	Deprecated       bool
	EventPayload     bool
	EventHeader      bool
	HostLabel        bool
	TimeFormat       TimestampFormat
	// Default is the value of an absent member in the generic form, nil for
	// none; see [ApplyDefaults]. Botocore's models do not carry it.
	Default any
}

// WireName is the member's name on the wire.
func (m *Member) WireName() string {
	if m.LocationName != "" {
		return m.LocationName
	}
	return m.Name
}

// IsFlat reports whether the member is a list or map without a wrapper element.
func (m *Member) IsFlat() bool { return m.Flattened || m.Shape.Flattened }

// IsStream reports whether the member's bytes are streamed rather than held.
func (m *Member) IsStream() bool { return m.Streaming || m.Shape.Streaming }

// Time returns the member's timestamp format, or def when the model leaves it
// to the protocol.
func (m *Member) Time(def TimestampFormat) TimestampFormat {
	switch {
	case m.TimeFormat != DefaultTime:
		return m.TimeFormat
	case m.Shape.TimeFormat != DefaultTime:
		return m.Shape.TimeFormat
	}
	return def
}

// Member returns the member of that name, or nil.
func (s *Shape) Member(name string) *Member {
	if s == nil {
		return nil
	}
	if s.byName != nil {
		return s.byName[name]
	}
	for _, m := range s.Members {
		if m.Name == name {
			return m
		}
	}
	return nil
}

// WireMember returns the member that has this name on the wire, or nil. A
// member of the body comes before one that is bound elsewhere.
func (s *Shape) WireMember(name string) *Member {
	if s == nil || !s.renamed {
		return s.Member(name)
	}
	if s.byWire != nil {
		return s.byWire[name]
	}
	var found *Member
	for _, m := range s.Members {
		if m.WireName() == name && (found == nil || m.Location == Body) {
			found = m
		}
	}
	return found
}

// PayloadMember returns the member that is the whole HTTP body, or nil.
func (s *Shape) PayloadMember() *Member {
	if s == nil || s.Payload == "" {
		return nil
	}
	return s.Member(s.Payload)
}

// EventStreamMember returns the member that is an event stream, or nil.
func (s *Shape) EventStreamMember() *Member {
	if s == nil {
		return nil
	}
	for _, m := range s.Members {
		if m.Shape.EventStream {
			return m
		}
	}
	return nil
}

// Code is an error shape's code on the wire.
func (s *Shape) Code() string {
	if s.ErrorCode != "" {
		return s.ErrorCode
	}
	return s.Name
}

// Status is an error shape's HTTP status.
func (s *Shape) Status() int {
	switch {
	case s.ErrorStatus != 0:
		return s.ErrorStatus
	case s.Fault:
		return 500
	}
	return 400
}

// Checksum is an operation's httpChecksum trait.
type Checksum struct {
	// RequestAlgorithmMember names the input member that chooses the algorithm.
	RequestAlgorithmMember string
	// Required says that a request must carry a checksum.
	Required bool
	// ValidationModeMember names the input member that asks for response checksums.
	ValidationModeMember string
	ResponseAlgorithms   []string
}

// Operation is one call of a service.
type Operation struct {
	Name    string
	Service *Service
	// Input and Output are nil when the operation has none.
	Input, Output *Shape
	// Errors are the modelled errors.
	Errors []*Shape

	// Method, URI and Status are the HTTP binding. URI may hold {labels},
	// {greedy+} labels and a literal query string.
	Method string
	URI    string
	Status int

	// InputXMLName and InputXMLNamespace are the root element of a REST-XML request.
	InputXMLName      string
	InputXMLNamespace XMLNamespace
	// ResultWrapper is the element that holds an awsQuery result.
	ResultWrapper string
	// NoAuth says that the operation is called without a signature.
	NoAuth bool
	// UnsignedPayload says that clients do not sign the body.
	UnsignedPayload bool
	// HostPrefix is prepended to the host by clients; it may hold {labels}.
	HostPrefix string
	// Compressed says that clients may compress larger requests with gzip.
	Compressed bool
	Checksum   *Checksum
	Deprecated bool
}

// Meta identifies a service; it is all that routing needs before a table is decoded.
type Meta struct {
	// Name is the folder in botocore, such as "sqs" or "bedrock-runtime".
	Name string
	// ServiceID is the SDKs' name, such as "Bedrock Runtime".
	ServiceID string
	FullName  string
	// SigningName is the service in a SigV4 scope.
	SigningName    string
	EndpointPrefix string
	// TargetPrefix is what precedes the operation in X-Amz-Target.
	TargetPrefix    string
	JSONVersion     string
	APIVersion      string
	Protocols       []Protocol
	XMLNamespace    string
	QueryCompatible bool
	GlobalEndpoint  string
	// Bearer says that requests may carry a bearer token instead of a signature.
	Bearer bool
	// Operations counts the service's operations, also where they are not loaded.
	Operations int
}

// Speaks reports whether the service has the protocol.
func (m *Meta) Speaks(p Protocol) bool {
	for _, q := range m.Protocols {
		if q == p {
			return true
		}
	}
	return false
}

// Service is a service with its operations and shapes.
type Service struct {
	Meta
	// Operations are sorted by name.
	Operations []*Operation
	// Shapes are sorted by name.
	Shapes []*Shape

	opByName    map[string]*Operation
	shapeByName map[string]*Shape
}

// Operation returns the operation of that name, or nil.
func (s *Service) Operation(name string) *Operation { return s.opByName[name] }

// Shape returns the shape of that name, or nil.
func (s *Service) Shape(name string) *Shape { return s.shapeByName[name] }

// Link builds the look-up tables and back references; whoever fills a Service
// by hand calls it once.
func (s *Service) Link() {
	s.opByName = make(map[string]*Operation, len(s.Operations))
	for _, o := range s.Operations {
		o.Service = s
		s.opByName[o.Name] = o
	}
	s.shapeByName = make(map[string]*Shape, len(s.Shapes))
	for _, sh := range s.Shapes {
		s.shapeByName[sh.Name] = sh
		if len(sh.Members) > 8 {
			sh.byName = make(map[string]*Member, len(sh.Members))
		}
		for i, m := range sh.Members {
			m.Index = i
			if sh.byName != nil {
				sh.byName[m.Name] = m
			}
			sh.renamed = sh.renamed || m.WireName() != m.Name
		}
		sh.linkWire()
	}
	markChecked(s.Shapes)
	markDefaulted(s.Shapes)
	if len(s.Operations) > 0 {
		s.Meta.Operations = len(s.Operations)
	}
}

// linkWire builds byWire for a shape with many members.
func (s *Shape) linkWire() {
	if !s.renamed || s.byName == nil {
		return
	}
	s.byWire = make(map[string]*Member, len(s.Members))
	for _, m := range s.Members {
		if old := s.byWire[m.WireName()]; old == nil || m.Location == Body {
			s.byWire[m.WireName()] = m
		}
	}
}

// Op is a typed descriptor of one operation; the generated packages hold one
// for each operation they have types for.
type Op[In, Out any] struct {
	// Service is the model's name, such as "sqs".
	Service string
	// Name is the operation's name.
	Name string
}
