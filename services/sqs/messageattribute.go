package sqs

import (
	"crypto/md5" //nolint:gosec // the API's checksum, not a secret
	"encoding/binary"
	"encoding/hex"
	"hash"
	"math/big"
	"regexp"
	"slices"
	"strings"

	"github.com/gigawatt-cloud/gigawatt/api/sqsapi"
)

// messageAttribute is one attribute of a message. Value is the text of a
// String or Number and the bytes of a Binary.
type messageAttribute struct {
	Name  string `cbor:"n"`
	Type  string `cbor:"t"`
	Value []byte `cbor:"v"`
}

func (a *messageAttribute) size() int { return len(a.Name) + len(a.Type) + len(a.Value) }

// binary reports whether the value is bytes. A type may have a custom label: Binary.png.
func (a *messageAttribute) binary() bool { return kindOf(a.Type) == "Binary" }

func kindOf(dataType string) string {
	kind, _, _ := strings.Cut(dataType, ".")
	return kind
}

const (
	maxAttributes    = 10
	maxAttributeName = 256
)

var attributeNameForm = regexp.MustCompile(`^[A-Za-z0-9_.-]+$`)

// readAttributes checks the attributes of a message to be sent and returns
// them in the order of their names.
func readAttributes(in map[string]sqsapi.MessageAttributeValue) ([]messageAttribute, error) {
	if len(in) > maxAttributes {
		return nil, errInvalidValue("Number of message attributes [%d] exceeds the allowed maximum [%d].", len(in), maxAttributes)
	}
	var out []messageAttribute
	for _, name := range sortedKeys(in) {
		if err := checkAttributeName(name); err != nil {
			return nil, err
		}
		v := in[name]
		a, err := readAttribute("user", name, attributeValue(v))
		if err != nil {
			return nil, err
		}
		out = append(out, *a)
	}
	return out, nil
}

func checkAttributeName(name string) error {
	l := lower(name)
	switch {
	case name == "" || len(name) > maxAttributeName:
		return errInvalidValue("The message attribute name '%s' is invalid. It must be 1 to %d characters long.", name, maxAttributeName)
	case !attributeNameForm.MatchString(name):
		return errInvalidValue("The message attribute name '%s' is invalid. Attribute name can contain A-Z, a-z, 0-9, underscore (_), hyphen (-), and period (.) characters.", name)
	case strings.HasPrefix(l, "aws.") || strings.HasPrefix(l, "amazon."):
		return errInvalidValue("The message attribute name '%s' is invalid. It must not begin with the reserved prefixes AWS. and Amazon.", name)
	case name[0] == '.' || name[len(name)-1] == '.' || strings.Contains(name, ".."):
		return errInvalidValue("The message attribute name '%s' is invalid. Periods must not begin or end it, nor follow one another.", name)
	}
	return nil
}

// attributeValue is what the two shapes of attribute values have in common.
type attributeValue struct {
	StringValue      *string
	BinaryValue      []byte
	StringListValues []string
	BinaryListValues [][]byte
	DataType         string
}

// readAttribute checks one attribute. class is how SQS calls its kind: user or system.
func readAttribute(class, name string, v attributeValue) (*messageAttribute, error) {
	switch {
	case len(v.StringListValues) > 0 || len(v.BinaryListValues) > 0:
		return nil, errUnsupported("Message attribute list values in SendMessage operation are not supported.")
	case v.DataType == "":
		return nil, errInvalidValue("The message attribute '%s' must contain non-empty message attribute type.", name)
	case len(v.DataType) > maxAttributeName:
		return nil, errInvalidValue("The type of message (%s) attribute '%s' must be shorter than %d bytes.", class, name, maxAttributeName)
	}
	a := &messageAttribute{Name: name, Type: v.DataType}
	kind := kindOf(v.DataType)
	switch kind {
	case "String", "Number":
		a.Value = []byte(value(v.StringValue))
	case "Binary":
		a.Value = v.BinaryValue
	default:
		return nil, errInvalidValue("The message attribute '%s' has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String.", name)
	}
	switch {
	case len(a.Value) == 0 || kind != "Binary" && v.BinaryValue != nil || kind == "Binary" && v.StringValue != nil:
		return nil, errInvalidValue("Message (%s) attribute '%s' must contain a non-empty value of type '%s'.", class, name, valueKind(kind))
	case kind != "Binary" && !validText(string(a.Value)):
		return nil, errInvalidValue("Message (%s) attribute '%s' has a value with invalid characters. %s", class, name, validCharacters)
	case kind == "Number" && !validNumber(string(a.Value)):
		return nil, errInvalidValue("Can't cast the value of message (%s) attribute '%s' to a number.", class, name)
	}
	return a, nil
}

func valueKind(kind string) string {
	if kind == "Binary" {
		return kind
	}
	return "String"
}

var numberForm = regexp.MustCompile(`^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?$`)

// validNumber accepts decimal numbers between 10^-128 and 10^126 in size.
func validNumber(s string) bool {
	if len(s) > maxAttributeName || !numberForm.MatchString(s) {
		return false
	}
	f, _, err := big.ParseFloat(s, 10, 128, big.ToNearestEven)
	if err != nil {
		return false
	}
	return f.Sign() == 0 || f.MantExp(nil) <= 420 && f.MantExp(nil) >= -426
}

// write turns an attribute into the API's shape.
func (a *messageAttribute) write() sqsapi.MessageAttributeValue {
	out := sqsapi.MessageAttributeValue{DataType: a.Type}
	if a.binary() {
		out.BinaryValue = a.Value
	} else {
		text := string(a.Value)
		out.StringValue = &text
	}
	return out
}

const traceHeader = sqsapi.MessageSystemAttributeNameForSendsAWSTraceHeader

// readSystemAttributes checks the system attributes of a message to be sent;
// AWSTraceHeader is the only one that there is.
func readSystemAttributes(in map[string]sqsapi.MessageSystemAttributeValue) ([]messageAttribute, error) {
	var out []messageAttribute
	for _, name := range sortedKeys(in) {
		if name != traceHeader {
			return nil, errInvalidValue("Message system attribute name '%s' is invalid.", name)
		}
		a, err := readAttribute("system", name, attributeValue(in[name]))
		if err != nil {
			return nil, err
		}
		if a.Type != "String" {
			return nil, errInvalidValue("The message system attribute '%s' must be of type String.", name)
		}
		out = append(out, *a)
	}
	return out, nil
}

// attributeFilter says which message attributes a receive asks for: by name,
// by a prefix that ends in .*, or all.
func attributeFilter(names []string) func(name string) bool {
	return func(name string) bool {
		return slices.ContainsFunc(names, func(n string) bool {
			if n == "All" || n == ".*" || n == name {
				return true
			}
			prefix, ok := strings.CutSuffix(n, ".*")
			return ok && strings.HasPrefix(name, prefix+".")
		})
	}
}

// md5Hex is the checksum of a body.
func md5Hex(s string) string {
	sum := md5.Sum([]byte(s)) //nolint:gosec // the API's checksum
	return hex.EncodeToString(sum[:])
}

// md5OfAttributes is SQS's checksum of attributes in the order of their names:
// name, type and value, each behind its length, with a byte that tells text
// from bytes. It is nil when there are no attributes.
func md5OfAttributes(as []messageAttribute) *string {
	if len(as) == 0 {
		return nil
	}
	h := md5.New() //nolint:gosec // the API's checksum
	for i := range as {
		a := &as[i]
		writeField(h, a.Name)
		writeField(h, a.Type)
		if a.binary() {
			h.Write([]byte{2})
		} else {
			h.Write([]byte{1})
		}
		writeField(h, string(a.Value))
	}
	out := hex.EncodeToString(h.Sum(nil))
	return &out
}

func writeField(h hash.Hash, s string) {
	var n [4]byte
	binary.BigEndian.PutUint32(n[:], uint32(len(s)))
	h.Write(n[:])
	h.Write([]byte(s))
}
