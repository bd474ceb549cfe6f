// Package awserr holds the one error type that an AWS caller ever sees.
//
// Generated constructors in api/<svc>api make errors that a service's model
// declares; [New] makes the protocol-wide ones (AccessDenied, InvalidAction
// and so on). Any other Go error that reaches the gateway is answered as
// InternalFailure and logged in full. This package does not encode anything:
// each protocol's codec does that.
package awserr

import (
	"errors"
	"fmt"
)

// Fault says who can mend an error.
type Fault uint8

const (
	// Client: the caller can mend it (4xx).
	Client Fault = iota
	// Server: the operator has to look (5xx).
	Server
)

// Error is an error in AWS's terms: a code, a sentence and an HTTP status.
type Error struct {
	// Code is the error code on the wire, such as "NoSuchBucket".
	Code string
	// Message is the sentence for the caller. It holds no path, no stack and
	// no store error.
	Message string
	// Fault says whether the caller or the server is at fault.
	Fault Fault
	// Status is the HTTP status, such as 404.
	Status int
	// Members are further modelled members of the error, by model name.
	Members map[string]any
	// QueryCode is the code that awsQuery-compatible JSON services send in
	// x-amzn-query-error, when it differs from Code.
	QueryCode string
}

// New makes an error with a status; a status of 500 or more is the server's fault.
func New(code string, status int, format string, args ...any) *Error {
	e := &Error{Code: code, Status: status, Message: format}
	if len(args) > 0 {
		e.Message = fmt.Sprintf(format, args...)
	}
	if status >= 500 {
		e.Fault = Server
	}
	return e
}

// With returns a copy of e that carries one more modelled member.
func (e *Error) With(member string, value any) *Error {
	out := *e
	out.Members = make(map[string]any, len(e.Members)+1)
	for k, v := range e.Members {
		out.Members[k] = v
	}
	out.Members[member] = value
	return &out
}

// Error implements error.
func (e *Error) Error() string { return e.Code + ": " + e.Message }

// Is reports whether target is an *Error with the same code, so that
// errors.Is works with a generated constructor's result.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// As returns the *Error in err's chain, or nil.
func As(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return nil
}

// HasCode reports whether err is an *Error with this code.
func HasCode(err error, code string) bool {
	e := As(err)
	return e != nil && e.Code == code
}
