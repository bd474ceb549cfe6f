package saml

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"
)

// provider is an identity provider that signs.
type provider struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newProvider(tb testing.TB) *provider {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1, 0)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		tb.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		tb.Fatal(err)
	}
	return &provider{key, cert}
}

func (p *provider) metadata(attrs, keys string) string {
	cert := base64.StdEncoding.EncodeToString(p.cert.Raw)
	if keys == "" {
		keys = `<KeyDescriptor><KeyInfo xmlns="http://www.w3.org/2000/09/xmldsig#"><X509Data><X509Certificate>` +
			cert[:40] + "\n  " + cert[40:] + `</X509Certificate></X509Data></KeyInfo></KeyDescriptor>`
	}
	return `<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" ` + attrs + `><IDPSSODescriptor>` + keys + `</IDPSSODescriptor></EntityDescriptor>`
}

func TestParseMetadata(t *testing.T) {
	p := newProvider(t)
	md, err := ParseMetadata([]byte(p.metadata(`entityID="idp" validUntil="2030-01-02T03:04:05+01:00"`, "")))
	if err != nil {
		t.Fatal(err)
	}
	if md.EntityID != "idp" || !md.ValidUntil.Equal(time.Date(2030, 1, 2, 2, 4, 5, 0, time.UTC)) || len(md.Certificates) != 1 || !md.Certificates[0].Equal(p.cert) {
		t.Errorf("read %+v", md)
	}
	for name, doc := range map[string]string{
		"nothing":              "",
		"no entityID":          p.metadata("", ""),
		"another root":         `<x xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="idp"/>`,
		"another namespace":    strings.Replace(p.metadata(`entityID="idp"`, ""), "SAML:2.0:metadata", "SAML:1.0:metadata", 1),
		"a service provider":   strings.ReplaceAll(p.metadata(`entityID="idp"`, ""), "IDPSSO", "SPSSO"),
		"no certificate":       p.metadata(`entityID="idp"`, "<KeyDescriptor/>"),
		"for encryption":       strings.Replace(p.metadata(`entityID="idp"`, ""), "<KeyDescriptor", `<KeyDescriptor use="encryption"`, 1),
		"a broken certificate": strings.Replace(p.metadata(`entityID="idp"`, ""), "<X509Certificate>MI", "<X509Certificate>AA", 1),
		"a document type":      `<!DOCTYPE x [<!ENTITY e "x">]>` + p.metadata(`entityID="idp"`, ""),
		"two roots":            p.metadata(`entityID="idp"`, "") + p.metadata(`entityID="idp"`, ""),
		"a deep one":           strings.Repeat("<x>", 1000) + strings.Repeat("</x>", 1000),
	} {
		if _, err := ParseMetadata([]byte(doc)); !errors.Is(err, ErrMetadata) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

const (
	from = "2026-01-01T00:00:00Z"
	till = "2026-01-01T00:05:00Z"
)

func response(inner string) string {
	return fmt.Sprintf(`<Response xmlns="urn:oasis:names:tc:SAML:2.0:protocol" ID="r"><Status><StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></Status>%s</Response>`, inner)
}

func assertion(id, subject string) string {
	return fmt.Sprintf(`<Assertion xmlns="urn:oasis:names:tc:SAML:2.0:assertion" ID="%s" IssueInstant="%s"><Issuer>idp</Issuer>
	<Subject><NameID>%s</NameID><SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><SubjectConfirmationData Recipient="me" NotOnOrAfter="%s"/></SubjectConfirmation></Subject>
	<Conditions NotBefore="%s" NotOnOrAfter="%s"><AudienceRestriction><Audience>a</Audience><Audience>b</Audience></AudienceRestriction><AudienceRestriction><Audience>b</Audience></AudienceRestriction></Conditions>
	<AuthnStatement SessionNotOnOrAfter="%s"/><AttributeStatement><Attribute Name="n"><AttributeValue>1</AttributeValue><AttributeValue>2</AttributeValue></Attribute></AttributeStatement></Assertion>`,
		id, from, subject, till, from, till, till)
}

// sign signs the element with an id.
func (p *provider) sign(tb testing.TB, document, id string) []byte {
	tb.Helper()
	doc := etree.NewDocument()
	if err := doc.ReadFromString(document); err != nil {
		tb.Fatal(err)
	}
	ctx, err := dsig.NewSigningContext(p.key, [][]byte{p.cert.Raw})
	if err != nil {
		tb.Fatal(err)
	}
	if err := ctx.SetSignatureMethod(dsig.ECDSASHA256SignatureMethod); err != nil {
		tb.Fatal(err)
	}
	ctx.Canonicalizer = dsig.MakeC14N10ExclusiveCanonicalizerWithPrefixList("")
	el := doc.FindElement("//*[@ID='" + id + "']")
	signature, err := ctx.ConstructSignature(el, true)
	if err != nil {
		tb.Fatal(err)
	}
	el.InsertChildAt(0, signature)
	b, err := doc.WriteToBytes()
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func TestVerify(t *testing.T) {
	p := newProvider(t)
	md := &Metadata{EntityID: "idp", Certificates: []*x509.Certificate{newProvider(t).cert, p.cert}}
	for _, id := range []string{"r", "a"} {
		x, err := Verify(p.sign(t, response(assertion("a", "ann<!-- x -->a")), id), md)
		if err != nil {
			t.Fatalf("signed %s: %v", id, err)
		}
		if x.Subject != "anna" || len(x.Attributes["n"]) != 2 || x.SessionNotOnOrAfter.IsZero() {
			t.Errorf("signed %s: read %+v", id, x)
		}
		if !x.For("b") || x.For("a") || x.For("c") {
			t.Errorf("audiences %v", x.Audiences)
		}
	}
	signed := string(p.sign(t, response(assertion("a", "ann")), "a"))
	whole := string(p.sign(t, response(assertion("a", "ann")), "r"))
	for name, tc := range map[string]struct {
		doc  string
		want error
	}{
		"nothing":                   {"", ErrMalformed},
		"no response":               {assertion("a", "ann"), ErrMalformed},
		"no status":                 {strings.ReplaceAll(signed, "StatusCode", "Code"), ErrMalformed},
		"a refusal":                 {strings.ReplaceAll(signed, "status:Success", "status:Responder"), ErrStatus},
		"no signature":              {response(assertion("a", "ann")), ErrSignature},
		"no assertion":              {response(""), ErrMalformed},
		"another subject":           {strings.ReplaceAll(signed, ">ann<", ">eve<"), ErrSignature},
		"another subject, whole":    {strings.ReplaceAll(whole, ">ann<", ">eve<"), ErrSignature},
		"a second assertion":        {strings.Replace(signed, "</Response>", assertion("b", "eve")+"</Response>", 1), ErrMalformed},
		"a second one, whole":       {strings.Replace(whole, "</Response>", assertion("b", "eve")+"</Response>", 1), ErrSignature},
		"an encrypted one":          {response(`<EncryptedAssertion xmlns="urn:oasis:names:tc:SAML:2.0:assertion"/>`), ErrEncrypted},
		"an entity":                 {strings.Replace(signed, "<Response", `<!DOCTYPE x [<!ENTITY e "x">]><Response`, 1), ErrMalformed},
		"somebody else's signature": {string(newProvider(t).sign(t, response(assertion("a", "ann")), "a")), ErrSignature},
	} {
		if x, err := Verify([]byte(tc.doc), md); !errors.Is(err, tc.want) {
			t.Errorf("%s: %+v, %v; want %v", name, x, err, tc.want)
		}
	}
	other := *md
	other.EntityID = "else"
	if _, err := Verify([]byte(signed), &other); !errors.Is(err, ErrIssuer) {
		t.Errorf("another issuer: %v", err)
	}
}

func TestCheck(t *testing.T) {
	p := newProvider(t)
	x, err := Verify(p.sign(t, response(assertion("a", "ann")), "a"), &Metadata{EntityID: "idp", Certificates: []*x509.Certificate{p.cert}})
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, tc := range []struct {
		after     time.Duration
		recipient string
		want      error
		found     bool
	}{
		{0, "me", nil, true},
		{5*time.Minute - 1, "me", nil, true},
		{-1, "me", ErrNotYet, false},
		{5 * time.Minute, "me", ErrExpired, false},
		{0, "you", nil, false},
	} {
		c, err := x.Check(begin.Add(tc.after), func(s string) bool { return s == tc.recipient })
		if !errors.Is(err, tc.want) || (c != nil) != tc.found {
			t.Errorf("%s for %s: %v, %v", tc.after, tc.recipient, c, err)
		}
	}
}

func FuzzParseMetadata(f *testing.F) {
	f.Add([]byte(newProvider(f).metadata(`entityID="idp"`, "")))
	f.Add([]byte(`<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="a"/>`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if md, err := ParseMetadata(b); err == nil && (md.EntityID == "" || len(md.Certificates) == 0) {
			t.Errorf("read %+v", md)
		}
	})
}

// FuzzVerify changes a signed response: whatever is still taken says the same.
func FuzzVerify(f *testing.F) {
	p := newProvider(f)
	md := &Metadata{EntityID: "idp", Certificates: []*x509.Certificate{p.cert}}
	f.Add(p.sign(f, response(assertion("a", "ann")), "a"))
	f.Add(p.sign(f, response(assertion("a", "ann")), "r"))
	f.Add([]byte(response(assertion("a", "eve"))))
	f.Fuzz(func(t *testing.T, b []byte) {
		if x, err := Verify(b, md); err == nil && x.Subject != "ann" {
			t.Errorf("took %q", x.Subject)
		}
	})
}
