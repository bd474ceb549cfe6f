// Package jsoncodec reads and writes JSON by a schema.
//
// It is shared by the JSON protocols, by their event streams and by whoever
// needs a JSON form of an operation's values. It has its own tokenizer and
// writes into one buffer; a value is set as its bytes are read, with no tree in
// between. It knows no HTTP: see packages awsjson and restjson. Start at
// [Rules].
package jsoncodec

import "github.com/gigawatt-cloud/gigawatt/aws/smithy"

// Rules says how a protocol differs from the plain form. It holds no state.
type Rules struct {
	// Bindings says that the HTTP bindings of the model apply: members have
	// their names on the wire, and those of an outermost structure that are
	// bound to the path, to headers, to the query string or to the status code
	// are not in the JSON.
	Bindings bool
	// Epoch says that all timestamps are seconds since 1970, whatever format the
	// model gives them on the wire.
	Epoch bool
}

// time is the format of m's timestamps.
func (r Rules) time(m *smithy.Member) smithy.TimestampFormat {
	if r.Epoch {
		return smithy.UnixTimestamp
	}
	return m.Time(smithy.UnixTimestamp)
}

// name is m's name in JSON.
func (r Rules) name(m *smithy.Member) string {
	if r.Bindings {
		return m.WireName()
	}
	return m.Name
}
