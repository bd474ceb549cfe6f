// Package eventstream is the framing of AWS's event streams
// (application/vnd.amazon.eventstream) and the streams of events in it.
//
// A frame is a [Message]: headers and a payload with two checksums. [Format]
// turns a stream of a union's members into frames and back, with what an event
// holds written by the protocol whose stream it is. Signed frames of clients
// are unwrapped by whoever verifies them, before they come here.
package eventstream

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/gigawatt-cloud/gigawatt/aws/awserr"
	"github.com/gigawatt-cloud/gigawatt/aws/protocol"
	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
)

// ContentType is the media type of a response that is an event stream.
const ContentType = "application/vnd.amazon.eventstream"

// Names of the headers that the framing itself uses.
const (
	messageType   = ":message-type"
	eventType     = ":event-type"
	exceptionType = ":exception-type"
	contentType   = ":content-type"
)

// Format is how a protocol writes the structures in events.
type Format struct {
	// ContentType is the media type of a structure.
	ContentType string
	// Append writes v, a present value of m's shape, to b.
	Append func(b []byte, m *smithy.Member, v reflect.Value) ([]byte, error)
	// Decode reads b, which it may keep, into v, which is settable.
	Decode func(b []byte, m *smithy.Member, v reflect.Value, problems *smithy.Problems) error
}

// event says where the members of an event's shape are in a message.
type event struct {
	headers []*smithy.Member
	payload *smithy.Member
	// body is a structure of the members that are neither, nil when there are none.
	body *smithy.Member
}

var events sync.Map // *smithy.Shape -> *event

func eventOf(sh *smithy.Shape) *event {
	if e, ok := events.Load(sh); ok {
		return e.(*event)
	}
	e := &event{}
	rest := &smithy.Shape{Name: sh.Name, Kind: smithy.Structure}
	for _, m := range sh.Members {
		switch {
		case m.EventHeader:
			e.headers = append(e.headers, m)
		case m.EventPayload:
			e.payload = m
		default:
			rest.Members = append(rest.Members, m)
		}
	}
	if len(rest.Members) > 0 {
		e.body = &smithy.Member{Shape: rest}
	}
	events.Store(sh, e)
	return e
}

// Events returns what [protocol.Response.Events] is to be for a stream of
// events of the union. initial is the payload of an initial-response, which the
// RPC protocols have; nil sends none.
func (f Format) Events(union *smithy.Shape, stream smithy.Stream, initial []byte) func(w io.Writer, flush func()) error {
	return func(w io.Writer, flush func()) error {
		s := sender{Format: f, w: w, flush: flush}
		if initial != nil {
			if err := s.send(&Message{Payload: initial}, "event", eventType, "initial-response", f.ContentType); err != nil {
				return err
			}
		}
		if stream == nil {
			return nil
		}
		for ev, err := range stream {
			if err != nil {
				return errors.Join(err, s.fail(union, err))
			}
			if err := s.event(union, ev); err != nil {
				return errors.Join(err, s.fail(union, err))
			}
		}
		return nil
	}
}

type sender struct {
	Format
	w     io.Writer
	flush func()
	buf   []byte
	// broken says that the client cannot be written to.
	broken bool
}

// send adds the framing's own headers to m and writes it.
func (s *sender) send(m *Message, kind, nameHeader, name, media string) error {
	own := []Header{{messageType, kind}, {nameHeader, name}}
	if media != "" {
		own = append(own, Header{contentType, media})
	}
	m.Headers = append(own, m.Headers...)
	return s.write(m)
}

func (s *sender) write(m *Message) error {
	var err error
	if s.buf, err = m.Append(s.buf[:0]); err != nil {
		return err
	}
	if _, err := s.w.Write(s.buf); err != nil {
		s.broken = true
		return fmt.Errorf("write an event: %w", err)
	}
	s.flush()
	return nil
}

// event writes one event of the stream.
func (s *sender) event(union *smithy.Shape, ev any) error {
	v, ok := smithy.Indirect(reflect.ValueOf(ev))
	if !ok || v.Kind() != reflect.Struct && v.Kind() != reflect.Map {
		return fmt.Errorf("an event of %s is a %T", union.Name, ev)
	}
	for _, m := range union.Members {
		if e, ok := smithy.Get(v, m); ok {
			return s.member(m, e)
		}
	}
	return fmt.Errorf("an event of %s has no member set", union.Name)
}

func (s *sender) member(m *smithy.Member, v reflect.Value) error {
	kind, name := "event", eventType
	if m.Shape.Exception {
		kind, name = "exception", exceptionType
	}
	msg, media, err := s.message(m, v)
	if err != nil {
		return fmt.Errorf("event %s: %w", m.Name, err)
	}
	return s.send(msg, kind, name, m.Name, media)
}

func (s *sender) message(m *smithy.Member, v reflect.Value) (msg *Message, media string, err error) {
	msg = &Message{}
	if m.Shape.Kind != smithy.Structure {
		msg.Payload, media, err = s.payload(m, v)
		return msg, media, err
	}
	ev := eventOf(m.Shape)
	for _, h := range ev.headers {
		if e, ok := smithy.Get(v, h); ok {
			value, err := headerValue(h, e)
			if err != nil {
				return nil, "", err
			}
			msg.Headers = append(msg.Headers, Header{h.WireName(), value})
		}
	}
	if p := ev.payload; p != nil {
		if e, ok := smithy.Get(v, p); ok {
			msg.Payload, media, err = s.payload(p, e)
		}
	} else if ev.body != nil {
		media = s.ContentType
		msg.Payload, err = s.Append(nil, ev.body, v)
	}
	return msg, media, err
}

// payload writes a value that is the whole payload.
func (s *sender) payload(m *smithy.Member, v reflect.Value) (b []byte, media string, err error) {
	switch {
	case m.Shape.Kind == smithy.Blob && v.Kind() == reflect.Slice:
		return v.Bytes(), "application/octet-stream", nil
	case m.Shape.Kind == smithy.String && v.Kind() == reflect.String:
		return []byte(v.String()), "text/plain", nil
	}
	b, err = s.Append(nil, m, v)
	return b, s.ContentType, err
}

func headerValue(m *smithy.Member, v reflect.Value) (any, error) {
	switch k := m.Shape.Kind; {
	case k == smithy.Boolean && v.Kind() == reflect.Bool:
		return v.Bool(), nil
	case k == smithy.Byte && v.CanInt():
		return int8(v.Int()), nil
	case k == smithy.Short && v.CanInt():
		return int16(v.Int()), nil
	case k == smithy.Integer && v.CanInt():
		return int32(v.Int()), nil
	case k == smithy.Long && v.CanInt():
		return v.Int(), nil
	case k == smithy.String && v.Kind() == reflect.String:
		return v.String(), nil
	case k == smithy.Blob && v.Kind() == reflect.Slice:
		return v.Bytes(), nil
	case k == smithy.Timestamp:
		return smithy.Time(v)
	}
	return nil, fmt.Errorf("header %s cannot be a %s", m.Name, v.Type())
}

// fail tells the client why the stream ends: with the union's exception when
// it has this one, and with an error message otherwise.
func (s *sender) fail(union *smithy.Shape, cause error) error {
	if s.broken {
		return nil
	}
	e := awserr.As(cause)
	if e == nil {
		e = awserr.New("InternalFailure", 500, "The stream ended because of an internal error.")
	}
	for _, m := range union.Members {
		if sh := m.Shape; sh.Exception && (sh.Name == e.Code || sh.Code() == e.Code) {
			return s.member(m, reflect.ValueOf(protocol.ErrorValue(sh, e)))
		}
	}
	return s.write(&Message{Headers: []Header{{messageType, "error"}, {":error-code", e.Code}, {":error-message", e.Message}}})
}

// ReadInitial reads the first message of an RPC request's stream, which holds
// the members beside the stream, and returns its payload.
func ReadInitial(r io.Reader) ([]byte, error) {
	if r == nil {
		return nil, malformed(io.EOF)
	}
	m, err := Read(r)
	if err != nil {
		return nil, malformed(err)
	}
	if m.Text(eventType) != "initial-request" {
		return nil, protocol.Malformed("The event stream does not start with an initial-request")
	}
	return m.Payload, nil
}

func malformed(err error) error {
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return protocol.Malformed("The event stream is cut short")
	case errors.Is(err, ErrPrelude), errors.Is(err, ErrChecksum), errors.Is(err, ErrLength), errors.Is(err, ErrHeader):
		return protocol.Malformed("The event stream is damaged: %v", err)
	}
	return err
}

// Stream returns the events of the union that r holds, in the generic form:
// the type of a typed event cannot be told from the input's field. A message
// that cannot be parsed ends it with a *protocol.SerializationError.
func (f Format) Stream(union *smithy.Shape, r io.Reader) smithy.Stream {
	return func(yield func(any, error) bool) {
		for {
			msg, err := Read(r)
			if err == io.EOF {
				return
			}
			if err != nil {
				yield(nil, malformed(err))
				return
			}
			ev, err := f.decode(union, msg)
			if !yield(ev, err) || err != nil {
				return
			}
		}
	}
}

// decode reads one event: a map with the union's member.
func (f Format) decode(union *smithy.Shape, msg *Message) (any, error) {
	if t := msg.Text(messageType); t != "event" {
		return nil, protocol.Malformed("A message of type %q is not an event", t)
	}
	m := union.Member(msg.Text(eventType))
	if m == nil {
		return nil, protocol.Malformed("The event stream %s has no event %q", union.Name, msg.Text(eventType))
	}
	var problems smithy.Problems
	problems.Push(m)
	var cell any
	v := reflect.ValueOf(&cell).Elem()
	var err error
	if m.Shape.Kind == smithy.Structure {
		err = f.structure(m.Shape, msg, v, &problems)
	} else {
		err = f.value(m, msg.Payload, v, &problems)
	}
	if err != nil {
		return nil, err
	}
	problems.Validate(m.Shape, v)
	if text := problems.Message(); text != "" {
		return nil, &protocol.SerializationError{Code: "ValidationException", Message: text}
	}
	return map[string]any{m.Name: cell}, nil
}

func (f Format) structure(sh *smithy.Shape, msg *Message, v reflect.Value, problems *smithy.Problems) error {
	ev := eventOf(sh)
	fields := smithy.Fill(v, sh)
	for _, h := range ev.headers {
		value := msg.Get(h.WireName())
		if value == nil {
			continue
		}
		if err := fields.Set(h, func(v reflect.Value) error { return setHeader(h, value, v) }); err != nil {
			return err
		}
	}
	switch {
	case ev.payload != nil:
		if len(msg.Payload) > 0 || ev.payload.Shape.Kind == smithy.Blob {
			if err := fields.Set(ev.payload, func(v reflect.Value) error {
				return f.value(ev.payload, msg.Payload, v, problems)
			}); err != nil {
				return err
			}
		}
	case ev.body != nil && len(msg.Payload) > 0:
		var body any
		if err := f.Decode(msg.Payload, ev.body, reflect.ValueOf(&body).Elem(), problems); err != nil {
			return err
		}
		got, _ := body.(map[string]any)
		for _, m := range ev.body.Shape.Members {
			if x, ok := got[m.Name]; ok {
				_ = fields.Set(m, func(v reflect.Value) error { smithy.SetAny(v, x); return nil })
			}
		}
		return nil // the body's decoder noted what is missing
	}
	problems.Missing(&fields)
	return nil
}

func (f Format) value(m *smithy.Member, b []byte, v reflect.Value, problems *smithy.Problems) error {
	switch m.Shape.Kind {
	case smithy.Blob:
		smithy.SetBytes(v, b)
		return nil
	case smithy.String:
		if !utf8.Valid(b) {
			return protocol.Malformed("An event holds text that is not valid UTF-8")
		}
		smithy.SetString(v, string(b))
		return nil
	}
	return f.Decode(b, m, v, problems)
}

func setHeader(m *smithy.Member, value any, v reflect.Value) error {
	k := m.Shape.Kind
	switch x := value.(type) {
	case bool:
		if k == smithy.Boolean {
			smithy.SetBool(v, x)
			return nil
		}
	case int8, int16, int32, int64:
		n := reflect.ValueOf(x).Int()
		if k >= smithy.Byte && k <= smithy.Long && smithy.IntFits(k, n) {
			smithy.SetInt(v, n)
			return nil
		}
	case []byte:
		if k == smithy.Blob {
			smithy.SetBytes(v, x)
			return nil
		}
	case string:
		if k == smithy.String && utf8.ValidString(x) {
			smithy.SetString(v, x)
			return nil
		}
	case time.Time:
		if k == smithy.Timestamp {
			smithy.SetTime(v, x)
			return nil
		}
	}
	return protocol.Malformed("The event header %s has the wrong type", m.WireName())
}
