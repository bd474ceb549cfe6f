package saml

import (
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"
	"github.com/russellhaering/goxmldsig/etreeutils"
)

// The reasons for which a response is refused.
var (
	ErrMalformed = errors.New("the document is not a SAML 2.0 response with one assertion")
	ErrSignature = errors.New("no signature of the provider covers the assertion")
	ErrStatus    = errors.New("the provider reports that it did not authenticate anybody")
	ErrIssuer    = errors.New("the assertion was not issued by the provider")
	ErrEncrypted = errors.New("encrypted assertions are not supported")
	ErrExpired   = errors.New("the assertion has expired")
	ErrNotYet    = errors.New("the assertion is not valid yet")
)

// Assertion is what a provider vouches for.
type Assertion struct {
	Issuer string
	// Subject is the NameID, and SubjectFormat its Format.
	Subject, SubjectFormat string
	// Confirmations are the ways in which its bearer is confirmed.
	Confirmations []Confirmation
	// Audiences are those of each restriction.
	Audiences [][]string
	// IssueInstant is when it was made. NotBefore and NotOnOrAfter bound its
	// time, and SessionNotOnOrAfter that of a session; zero for no bound.
	IssueInstant, NotBefore, NotOnOrAfter, SessionNotOnOrAfter time.Time
	// Attributes are the values of each attribute by its Name.
	Attributes map[string][]string
}

// Confirmation is the data of a bearer's SubjectConfirmation.
type Confirmation struct {
	Recipient    string
	NotBefore    time.Time
	NotOnOrAfter time.Time
}

// Verify reads the assertion in a response that a provider has signed: the
// response as a whole, or the assertion in it.
func Verify(response []byte, md *Metadata) (*Assertion, error) {
	if err := checkDepth(response); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	doc := etree.NewDocument()
	if err := doc.ReadFromBytes(response); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	root := doc.Root()
	if root == nil || !is(root, nsProtocol, "Response") {
		return nil, ErrMalformed
	}
	if err := checkStatus(root); err != nil {
		return nil, err
	}
	signed, err := signedAssertion(root, md)
	if err != nil {
		return nil, err
	}
	a, err := readAssertion(signed)
	if err != nil {
		return nil, err
	}
	if a.Issuer != md.EntityID {
		return nil, fmt.Errorf("%w: its issuer is %q", ErrIssuer, a.Issuer)
	}
	return a, nil
}

// checkStatus is before the signature, because a refusal often has none.
func checkStatus(root *etree.Element) error {
	status := child(root, nsProtocol, "Status")
	if status == nil {
		return ErrMalformed
	}
	code := child(status, nsProtocol, "StatusCode")
	if code == nil {
		return ErrMalformed
	}
	if v := code.SelectAttrValue("Value", ""); v != "urn:oasis:names:tc:SAML:2.0:status:Success" {
		return fmt.Errorf("%w: %s", ErrStatus, v)
	}
	return nil
}

// signedAssertion returns the assertion as it was parsed again from the bytes
// that a signature covers, so that nothing else of the document can be taken
// for it.
func signedAssertion(root *etree.Element, md *Metadata) (*etree.Element, error) {
	if own := children(root, "http://www.w3.org/2000/09/xmldsig#", "Signature"); len(own) > 0 {
		signed := validate(root, md.Certificates)
		if signed == nil || !is(signed, nsProtocol, "Response") {
			return nil, ErrSignature
		}
		return onlyAssertion(signed)
	}
	a, err := onlyAssertion(root)
	if err != nil {
		return nil, err
	}
	scope, err := etreeutils.NSBuildParentContext(a)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	alone, err := etreeutils.NSDetatch(scope, a)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	signed := validate(alone, md.Certificates)
	if signed == nil || !is(signed, nsAssertion, "Assertion") {
		return nil, ErrSignature
	}
	return signed, nil
}

func onlyAssertion(response *etree.Element) (*etree.Element, error) {
	if len(children(response, nsAssertion, "EncryptedAssertion")) > 0 {
		return nil, ErrEncrypted
	}
	list := children(response, nsAssertion, "Assertion")
	if len(list) != 1 {
		return nil, ErrMalformed
	}
	return list[0], nil
}

// validate returns what a signature of one of the certificates covers, or nil.
// The end of a certificate's validity is not looked at, as AWS does not: the
// metadata is what is trusted.
func validate(el *etree.Element, certificates []*x509.Certificate) *etree.Element {
	for _, c := range certificates {
		ctx := dsig.NewDefaultValidationContext(&dsig.MemoryX509CertificateStore{Roots: []*x509.Certificate{c}})
		ctx.Clock = dsig.NewFakeClockAt(c.NotBefore)
		if signed, err := ctx.Validate(el.Copy()); err == nil {
			return signed
		}
	}
	return nil
}

func readAssertion(el *etree.Element) (*Assertion, error) {
	a := &Assertion{Issuer: text(child(el, nsAssertion, "Issuer")), Attributes: map[string][]string{}}
	r := &timeReader{}
	a.IssueInstant = r.attr(el, "IssueInstant")
	subject := child(el, nsAssertion, "Subject")
	if subject == nil {
		return nil, ErrMalformed
	}
	if id := child(subject, nsAssertion, "NameID"); id != nil {
		a.Subject, a.SubjectFormat = text(id), id.SelectAttrValue("Format", "")
	}
	for _, sc := range children(subject, nsAssertion, "SubjectConfirmation") {
		data := child(sc, nsAssertion, "SubjectConfirmationData")
		if data == nil || sc.SelectAttrValue("Method", "") != "urn:oasis:names:tc:SAML:2.0:cm:bearer" {
			continue
		}
		a.Confirmations = append(a.Confirmations, Confirmation{
			Recipient: data.SelectAttrValue("Recipient", ""), NotBefore: r.attr(data, "NotBefore"), NotOnOrAfter: r.attr(data, "NotOnOrAfter"),
		})
	}
	if c := child(el, nsAssertion, "Conditions"); c != nil {
		a.NotBefore, a.NotOnOrAfter = r.attr(c, "NotBefore"), r.attr(c, "NotOnOrAfter")
		for _, restriction := range children(c, nsAssertion, "AudienceRestriction") {
			var list []string
			for _, audience := range children(restriction, nsAssertion, "Audience") {
				list = append(list, text(audience))
			}
			a.Audiences = append(a.Audiences, list)
		}
	}
	for _, st := range children(el, nsAssertion, "AuthnStatement") {
		if t := r.attr(st, "SessionNotOnOrAfter"); !t.IsZero() && (a.SessionNotOnOrAfter.IsZero() || t.Before(a.SessionNotOnOrAfter)) {
			a.SessionNotOnOrAfter = t
		}
	}
	for _, st := range children(el, nsAssertion, "AttributeStatement") {
		for _, attr := range children(st, nsAssertion, "Attribute") {
			name := attr.SelectAttrValue("Name", "")
			for _, v := range children(attr, nsAssertion, "AttributeValue") {
				a.Attributes[name] = append(a.Attributes[name], text(v))
			}
		}
	}
	if r.bad || a.IssueInstant.IsZero() {
		return nil, fmt.Errorf("%w: a time in it is missing or cannot be read", ErrMalformed)
	}
	return a, nil
}

// timeReader reads times and remembers whether all could be.
type timeReader struct{ bad bool }

func (r *timeReader) attr(el *etree.Element, name string) time.Time {
	s := el.SelectAttrValue(name, "")
	if s == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		r.bad = true
	}
	return t.UTC()
}

// Check returns the confirmation for one of the recipients that is good at a
// time. Its errors are ErrExpired and ErrNotYet; nil without an error means
// that the assertion is meant for somebody else.
func (a *Assertion) Check(now time.Time, recipients func(string) bool) (*Confirmation, error) {
	if err := within(now, a.NotBefore, a.NotOnOrAfter); err != nil {
		return nil, err
	}
	var late error
	for i := range a.Confirmations {
		c := &a.Confirmations[i]
		if !recipients(c.Recipient) {
			continue
		}
		if late = within(now, c.NotBefore, c.NotOnOrAfter); late == nil {
			return c, nil
		}
	}
	return nil, late
}

func within(now, from, to time.Time) error {
	switch {
	case !from.IsZero() && now.Before(from):
		return ErrNotYet
	case !to.IsZero() && !now.Before(to):
		return ErrExpired
	}
	return nil
}

// For reports whether one of the audiences is meant: there is a restriction to
// audiences, and each one names one of them.
func (a *Assertion) For(audiences ...string) bool {
	for _, list := range a.Audiences {
		if !slices.ContainsFunc(list, func(s string) bool { return slices.Contains(audiences, s) }) {
			return false
		}
	}
	return len(a.Audiences) > 0
}

func is(el *etree.Element, space, tag string) bool {
	return el.Tag == tag && el.NamespaceURI() == space
}

func children(el *etree.Element, space, tag string) []*etree.Element {
	var out []*etree.Element
	for _, c := range el.ChildElements() {
		if is(c, space, tag) {
			out = append(out, c)
		}
	}
	return out
}

// child is the first child of a name, or nil.
func child(el *etree.Element, space, tag string) *etree.Element {
	if list := children(el, space, tag); len(list) > 0 {
		return list[0]
	}
	return nil
}

// text is all of an element's text. A comment within it does not end it, as
// some parsers have it, so that nobody can cut a name short.
func text(el *etree.Element) string {
	if el == nil {
		return ""
	}
	var b strings.Builder
	for _, t := range el.Child {
		if data, ok := t.(*etree.CharData); ok {
			b.WriteString(data.Data)
		}
	}
	return strings.TrimSpace(b.String())
}
