// Package saml reads what SAML 2.0 identity providers say: the metadata in
// which they describe themselves, and the signed responses in which they vouch
// for somebody.
//
// It is pure: no store, no network, and the time is an argument. It knows no
// roles: what an [Assertion] may be exchanged for is for its user to say, who
// begins with [ParseMetadata] and [Verify] and then asks [Assertion.Check]. Only what the
// signature covers is ever read. Encrypted assertions are refused.
package saml

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// The namespaces of SAML 2.0.
const (
	nsMetadata  = "urn:oasis:names:tc:SAML:2.0:metadata"
	nsProtocol  = "urn:oasis:names:tc:SAML:2.0:protocol"
	nsAssertion = "urn:oasis:names:tc:SAML:2.0:assertion"
)

// Metadata is what an identity provider says of itself.
type Metadata struct {
	// EntityID is the issuer of its assertions.
	EntityID string
	// ValidUntil is the zero time when the document has no end.
	ValidUntil time.Time
	// Certificates are those that its signatures may be verified with.
	Certificates []*x509.Certificate
}

// ErrMetadata says that a document is not the metadata of an identity provider.
var ErrMetadata = errors.New("the document is not the metadata of a SAML 2.0 identity provider")

type xmlMetadata struct {
	XMLName    xml.Name
	EntityID   string `xml:"entityID,attr"`
	ValidUntil string `xml:"validUntil,attr"`
	IDP        []struct {
		Keys []struct {
			Use          string   `xml:"use,attr"`
			Certificates []string `xml:"http://www.w3.org/2000/09/xmldsig# KeyInfo>X509Data>X509Certificate"`
		} `xml:"urn:oasis:names:tc:SAML:2.0:metadata KeyDescriptor"`
	} `xml:"urn:oasis:names:tc:SAML:2.0:metadata IDPSSODescriptor"`
}

// ParseMetadata reads an EntityDescriptor with an IDPSSODescriptor. Its errors
// wrap ErrMetadata.
func ParseMetadata(document []byte) (*Metadata, error) {
	if err := checkDepth(document); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMetadata, err)
	}
	var x xmlMetadata
	if err := xml.Unmarshal(document, &x); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMetadata, err)
	}
	switch {
	case x.XMLName != xml.Name{Space: nsMetadata, Local: "EntityDescriptor"}:
		return nil, fmt.Errorf("%w: its root is not an EntityDescriptor", ErrMetadata)
	case x.EntityID == "":
		return nil, fmt.Errorf("%w: it has no entityID", ErrMetadata)
	case len(x.IDP) == 0:
		return nil, fmt.Errorf("%w: it has no IDPSSODescriptor", ErrMetadata)
	}
	md := &Metadata{EntityID: x.EntityID}
	if x.ValidUntil != "" {
		t, err := time.Parse(time.RFC3339, x.ValidUntil)
		if err != nil {
			return nil, fmt.Errorf("%w: its validUntil is no time", ErrMetadata)
		}
		md.ValidUntil = t.UTC()
	}
	for _, idp := range x.IDP {
		for _, k := range idp.Keys {
			if k.Use != "" && k.Use != "signing" {
				continue
			}
			for _, text := range k.Certificates {
				c, err := parseCertificate(text)
				if err != nil {
					return nil, fmt.Errorf("%w: a certificate cannot be parsed", ErrMetadata)
				}
				md.Certificates = append(md.Certificates, c)
			}
		}
	}
	if len(md.Certificates) == 0 {
		return nil, fmt.Errorf("%w: it has no certificate for signatures", ErrMetadata)
	}
	return md, nil
}

func parseCertificate(text string) (*x509.Certificate, error) {
	der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// maxDepth is how deep elements may be nested; assertions need about ten.
const maxDepth = 64

var errForm = errors.New("the XML is not well formed, nested too deeply, or has a document type")

// checkDepth refuses documents that would cost much to walk.
func checkDepth(document []byte) error {
	dec := xml.NewDecoder(bytes.NewReader(document))
	depth, roots := 0, 0
	for {
		t, err := dec.Token()
		if errors.Is(err, io.EOF) && roots == 1 {
			return nil
		}
		if err != nil {
			return errForm
		}
		switch t.(type) {
		case xml.StartElement:
			if depth == 0 {
				roots++
			}
			depth++
		case xml.EndElement:
			depth--
		case xml.Directive:
			return errForm
		}
		if depth > maxDepth || roots > 1 {
			return errForm
		}
	}
}
