package smithy

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// A packed service is a string table followed by shapes and operations, all
// numbers as varints. Strings and shapes are referred to by number.

const packVersion = 1

type packer struct {
	b       []byte
	strings map[string]uint64
	table   []string
	shapes  map[*Shape]uint64
}

// Pack writes s, whose shapes are linked, in the form that [Unpack] reads.
func Pack(s *Service) []byte {
	p := &packer{strings: map[string]uint64{}, shapes: map[*Shape]uint64{nil: 0}}
	for i, sh := range s.Shapes {
		p.shapes[sh] = uint64(i + 1)
	}
	p.meta(&s.Meta)
	p.num(uint64(len(s.Shapes)))
	for _, sh := range s.Shapes {
		p.shape(sh)
	}
	p.num(uint64(len(s.Operations)))
	for _, o := range s.Operations {
		p.operation(o)
	}
	out := binary.AppendUvarint(nil, packVersion)
	out = binary.AppendUvarint(out, uint64(len(p.table)))
	for _, t := range p.table {
		out = binary.AppendUvarint(out, uint64(len(t)))
		out = append(out, t...)
	}
	return append(out, p.b...)
}

func (p *packer) num(n uint64) { p.b = binary.AppendUvarint(p.b, n) }

func (p *packer) str(s string) {
	n, ok := p.strings[s]
	if !ok {
		n = uint64(len(p.table))
		p.strings[s] = n
		p.table = append(p.table, s)
	}
	p.num(n)
}

func (p *packer) strs(list []string) {
	p.num(uint64(len(list)))
	for _, s := range list {
		p.str(s)
	}
}

func (p *packer) flags(fs ...bool) {
	var n uint64
	for i, f := range fs {
		if f {
			n |= 1 << i
		}
	}
	p.num(n)
}

func (p *packer) meta(m *Meta) {
	for _, s := range []string{
		m.Name, m.ServiceID, m.FullName, m.SigningName, m.EndpointPrefix, m.TargetPrefix,
		m.JSONVersion, m.APIVersion, m.XMLNamespace, m.GlobalEndpoint,
	} {
		p.str(s)
	}
	p.num(uint64(len(m.Protocols)))
	for _, q := range m.Protocols {
		p.str(string(q))
	}
	p.flags(m.QueryCompatible, m.Bearer)
	p.num(uint64(m.Operations))
}

func (p *packer) shape(s *Shape) {
	p.str(s.Name)
	p.num(uint64(s.Kind))
	hasExtra := s.Payload != "" || s.XMLName != "" || s.XMLNamespace != (XMLNamespace{}) || s.Exception || s.ErrorCode != "" || s.ErrorStatus != 0
	p.flags(s.HasMin, s.HasMax, s.Flattened, s.Sparse, s.Streaming, s.RequiresLength, s.EventStream, s.Event,
		s.Sensitive, s.Fault, s.Pattern != "", len(s.Enum) > 0, hasExtra)
	p.num(uint64(s.TimeFormat))
	if s.HasMin {
		p.num(math.Float64bits(s.Min))
	}
	if s.HasMax {
		p.num(math.Float64bits(s.Max))
	}
	if s.Pattern != "" {
		p.str(s.Pattern)
	}
	if len(s.Enum) > 0 {
		p.strs(s.Enum)
	}
	if hasExtra {
		p.str(s.Payload)
		p.str(s.XMLName)
		p.str(s.XMLNamespace.Prefix)
		p.str(s.XMLNamespace.URI)
		p.flags(s.Exception)
		p.str(s.ErrorCode)
		p.num(uint64(s.ErrorStatus))
	}
	switch s.Kind {
	case Structure, Union:
		p.num(uint64(len(s.Members)))
		for _, m := range s.Members {
			p.member(m)
		}
	case Map:
		p.member(s.Key)
		p.member(s.Elem)
	case List:
		p.member(s.Elem)
	}
}

func (p *packer) member(m *Member) {
	p.str(m.Name)
	p.num(p.shapes[m.Shape])
	extra := m.QueryName != "" || m.XMLNamespace != (XMLNamespace{}) || m.TimeFormat != DefaultTime
	p.flags(m.Required, m.Flattened, m.XMLAttribute, m.Streaming, m.IdempotencyToken, m.JSONValue, m.Deprecated,
		m.EventPayload, m.EventHeader, m.HostLabel, m.LocationName != "", extra, m.Location != Body)
	if m.LocationName != "" {
		p.str(m.LocationName)
	}
	if extra {
		p.str(m.QueryName)
		p.str(m.XMLNamespace.Prefix)
		p.str(m.XMLNamespace.URI)
		p.num(uint64(m.TimeFormat))
	}
	if m.Location != Body {
		p.num(uint64(m.Location))
	}
}

func (p *packer) operation(o *Operation) {
	p.str(o.Name)
	p.num(p.shapes[o.Input])
	p.num(p.shapes[o.Output])
	p.num(uint64(len(o.Errors)))
	for _, e := range o.Errors {
		p.num(p.shapes[e])
	}
	for _, s := range []string{o.Method, o.URI, o.InputXMLName, o.InputXMLNamespace.Prefix, o.InputXMLNamespace.URI, o.ResultWrapper, o.HostPrefix} {
		p.str(s)
	}
	p.num(uint64(o.Status))
	p.flags(o.NoAuth, o.UnsignedPayload, o.Deprecated, o.Checksum != nil, o.Compressed)
	if c := o.Checksum; c != nil {
		p.str(c.RequestAlgorithmMember)
		p.str(c.ValidationModeMember)
		p.flags(c.Required)
		p.strs(c.ResponseAlgorithms)
	}
}

var errPacked = errors.New("smithy: a packed table is cut short or damaged")

type unpacker struct {
	b      []byte
	table  []string
	shapes []*Shape
	err    error
}

// Unpack reads what [Pack] wrote. It fails on damage and never panics.
func Unpack(b []byte) (*Service, error) {
	u := &unpacker{b: b}
	if v := u.num(); u.err == nil && v != packVersion {
		return nil, fmt.Errorf("smithy: packed table has version %d, not %d", v, packVersion)
	}
	u.table = make([]string, u.count())
	for i := range u.table {
		n := u.count()
		if u.err != nil {
			return nil, u.err
		}
		u.table[i] = string(u.b[:n])
		u.b = u.b[n:]
	}
	s := &Service{Meta: u.meta()}
	u.shapes = make([]*Shape, u.count())
	arena := make([]Shape, len(u.shapes))
	for i := range u.shapes {
		u.shapes[i] = &arena[i]
	}
	for _, sh := range u.shapes {
		u.shape(sh)
		if u.err != nil {
			return nil, u.err
		}
	}
	s.Shapes = u.shapes
	n := u.count()
	s.Operations = make([]*Operation, 0, n)
	for range n {
		s.Operations = append(s.Operations, u.operation())
		if u.err != nil {
			return nil, u.err
		}
	}
	if u.err != nil {
		return nil, u.err
	}
	s.Link()
	return s, nil
}

func (u *unpacker) num() uint64 {
	n, size := binary.Uvarint(u.b)
	if size <= 0 {
		u.err, u.b = errPacked, nil
		return 0
	}
	u.b = u.b[size:]
	return n
}

// count reads a number of things that take at least a byte each.
func (u *unpacker) count() int {
	n := u.num()
	if n > uint64(len(u.b)) {
		u.err, u.b = errPacked, nil
		return 0
	}
	return int(n)
}

func (u *unpacker) str() string {
	n := u.num()
	if n >= uint64(len(u.table)) {
		if u.err == nil {
			u.err = errPacked
		}
		return ""
	}
	return u.table[n]
}

func (u *unpacker) strs() []string {
	out := make([]string, u.count())
	for i := range out {
		out[i] = u.str()
	}
	return out
}

func (u *unpacker) ref() *Shape {
	n := u.num()
	switch {
	case n == 0:
		return nil
	case n > uint64(len(u.shapes)):
		u.err = errPacked
		return nil
	}
	return u.shapes[n-1]
}

func (u *unpacker) flags(fs ...*bool) {
	n := u.num()
	for i, f := range fs {
		*f = n&(1<<i) != 0
	}
}

func (u *unpacker) meta() Meta {
	var m Meta
	for _, s := range []*string{
		&m.Name, &m.ServiceID, &m.FullName, &m.SigningName, &m.EndpointPrefix, &m.TargetPrefix,
		&m.JSONVersion, &m.APIVersion, &m.XMLNamespace, &m.GlobalEndpoint,
	} {
		*s = u.str()
	}
	for range u.count() {
		m.Protocols = append(m.Protocols, Protocol(u.str()))
	}
	u.flags(&m.QueryCompatible, &m.Bearer)
	m.Operations = int(u.num())
	return m
}

func (u *unpacker) shape(s *Shape) {
	s.Name = u.str()
	s.Kind = Kind(u.num())
	var hasPattern, hasEnum, hasExtra bool
	u.flags(&s.HasMin, &s.HasMax, &s.Flattened, &s.Sparse, &s.Streaming, &s.RequiresLength, &s.EventStream, &s.Event,
		&s.Sensitive, &s.Fault, &hasPattern, &hasEnum, &hasExtra)
	s.TimeFormat = TimestampFormat(u.num())
	if s.HasMin {
		s.Min = math.Float64frombits(u.num())
	}
	if s.HasMax {
		s.Max = math.Float64frombits(u.num())
	}
	if hasPattern {
		s.Pattern = u.str()
	}
	if hasEnum {
		s.Enum = u.strs()
	}
	if hasExtra {
		s.Payload = u.str()
		s.XMLName = u.str()
		s.XMLNamespace = XMLNamespace{u.str(), u.str()}
		u.flags(&s.Exception)
		s.ErrorCode = u.str()
		s.ErrorStatus = int(u.num())
	}
	switch s.Kind {
	case Structure, Union:
		n := u.count()
		arena := make([]Member, n)
		s.Members = make([]*Member, n)
		for i := range s.Members {
			s.Members[i] = &arena[i]
			u.member(&arena[i])
		}
	case Map:
		s.Key, s.Elem = new(Member), new(Member)
		u.member(s.Key)
		u.member(s.Elem)
	case List:
		s.Elem = new(Member)
		u.member(s.Elem)
	}
}

func (u *unpacker) member(m *Member) {
	m.Name = u.str()
	if m.Shape = u.ref(); m.Shape == nil && u.err == nil {
		u.err = errPacked
	}
	var hasName, extra, bound bool
	u.flags(&m.Required, &m.Flattened, &m.XMLAttribute, &m.Streaming, &m.IdempotencyToken, &m.JSONValue, &m.Deprecated,
		&m.EventPayload, &m.EventHeader, &m.HostLabel, &hasName, &extra, &bound)
	if hasName {
		m.LocationName = u.str()
	}
	if extra {
		m.QueryName = u.str()
		m.XMLNamespace = XMLNamespace{u.str(), u.str()}
		m.TimeFormat = TimestampFormat(u.num())
	}
	if bound {
		m.Location = Location(u.num())
	}
}

func (u *unpacker) operation() *Operation {
	o := &Operation{Name: u.str(), Input: u.ref(), Output: u.ref()}
	for range u.count() {
		if e := u.ref(); e != nil {
			o.Errors = append(o.Errors, e)
		}
	}
	for _, s := range []*string{&o.Method, &o.URI, &o.InputXMLName, &o.InputXMLNamespace.Prefix, &o.InputXMLNamespace.URI, &o.ResultWrapper, &o.HostPrefix} {
		*s = u.str()
	}
	o.Status = int(u.num())
	var sum bool
	u.flags(&o.NoAuth, &o.UnsignedPayload, &o.Deprecated, &sum, &o.Compressed)
	if sum {
		o.Checksum = &Checksum{RequestAlgorithmMember: u.str(), ValidationModeMember: u.str()}
		u.flags(&o.Checksum.Required)
		o.Checksum.ResponseAlgorithms = u.strs()
	}
	return o
}
