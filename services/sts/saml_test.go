package sts_test

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"
	"github.com/russellhaering/goxmldsig/etreeutils"
)

// idp is a SAML identity provider.
type idp struct {
	t    *testing.T
	key  *ecdsa.PrivateKey
	cert []byte
}

func newIDP(t *testing.T) *idp {
	t.Helper()
	key := ecKey(t).(*ecdsa.PrivateKey)
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "idp"}, NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1, 0)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return &idp{t, key, der}
}

const idpName = "https://idp.example.com/saml"

func (p *idp) metadata() string {
	return fmt.Sprintf(`<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" entityID="%s"><!-- %0900d -->
		<md:IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol"><md:KeyDescriptor use="signing">
		<ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:X509Data><ds:X509Certificate>%s</ds:X509Certificate></ds:X509Data></ds:KeyInfo>
		</md:KeyDescriptor></md:IDPSSODescriptor></md:EntityDescriptor>`, idpName, 0, base64.StdEncoding.EncodeToString(p.cert))
}

// said is what an assertion says.
type said struct {
	issuer, recipient, audience, status, roles, session, more string
	issued                                                    time.Duration // ago
	ends                                                      time.Duration // from now
}

func (p *idp) says(role, provider string) said {
	return said{
		issuer: idpName, recipient: "https://signin.aws.amazon.com/saml", audience: "urn:amazon:webservices", status: "Success",
		roles: role + "," + provider, session: "ann@example.com", ends: time.Minute,
	}
}

func (x said) document() *etree.Document {
	stamp := func(d time.Duration) string { return time.Now().Add(d).UTC().Format(time.RFC3339) }
	doc := etree.NewDocument()
	err := doc.ReadFromString(fmt.Sprintf(`<p:Response xmlns:p="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:a="urn:oasis:names:tc:SAML:2.0:assertion" ID="_r" Version="2.0">
	<a:Issuer>%[1]s</a:Issuer><p:Status><p:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:%[4]s"/></p:Status>
	<a:Assertion ID="_a" Version="2.0" IssueInstant="%[5]s"><a:Issuer>%[1]s</a:Issuer>
	<a:Subject><a:NameID Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent">ann</a:NameID>
	<a:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><a:SubjectConfirmationData Recipient="%[2]s" NotOnOrAfter="%[6]s"/></a:SubjectConfirmation></a:Subject>
	<a:Conditions NotOnOrAfter="%[6]s"><a:AudienceRestriction><a:Audience>%[3]s</a:Audience></a:AudienceRestriction></a:Conditions>
	<a:AttributeStatement><a:Attribute Name="https://aws.amazon.com/SAML/Attributes/Role"><a:AttributeValue>%[7]s</a:AttributeValue></a:Attribute>
	<a:Attribute Name="https://aws.amazon.com/SAML/Attributes/RoleSessionName"><a:AttributeValue>%[8]s</a:AttributeValue></a:Attribute>%[9]s</a:AttributeStatement>
	</a:Assertion></p:Response>`, x.issuer, x.recipient, x.audience, x.status, stamp(-x.issued), stamp(x.ends), x.roles, x.session, x.more))
	if err != nil {
		panic(err)
	}
	return doc
}

// sign signs the assertion, or the whole response.
func (p *idp) sign(doc *etree.Document, whole bool) string {
	p.t.Helper()
	ctx, err := dsig.NewSigningContext(p.key, [][]byte{p.cert})
	if err != nil {
		p.t.Fatal(err)
	}
	if err := ctx.SetSignatureMethod(dsig.ECDSASHA256SignatureMethod); err != nil {
		p.t.Fatal(err)
	}
	ctx.Canonicalizer = dsig.MakeC14N10ExclusiveCanonicalizerWithPrefixList("")
	el := doc.Root()
	if !whole {
		el = doc.FindElement("//a:Assertion")
	}
	scope, err := etreeutils.NSBuildParentContext(el)
	if err != nil {
		p.t.Fatal(err)
	}
	alone, err := etreeutils.NSDetatch(scope, el) // with the namespaces that it inherits
	if err != nil {
		p.t.Fatal(err)
	}
	signature, err := ctx.ConstructSignature(alone, true)
	if err != nil {
		p.t.Fatal(err)
	}
	el.InsertChildAt(1, signature)
	return encode(p.t, doc)
}

func encode(t *testing.T, doc *etree.Document) string {
	t.Helper()
	b, err := doc.WriteToBytes()
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(b)
}

func TestAssumeRoleWithSAML(t *testing.T) {
	_, root := start(t)
	p := newIDP(t)
	provider := root.call("iam", "CreateSAMLProvider", obj{"Name": "corp", "SAMLMetadataDocument": p.metadata()})["SAMLProviderArn"].(string)
	trust := allow(`"sts:AssumeRoleWithSAML"`, `"Principal":{"Federated":"`+provider+`"},"Condition":{"StringEquals":{"SAML:aud":"https://signin.aws.amazon.com/saml","SAML:sub_type":"persistent"}}`)
	role := root.role("Corp", trust, allow(`"iam:List*"`, anything))
	nobody := root
	n := *root.Client
	n.Credentials.AccessKeyID, n.Credentials.SecretAccessKey = "", ""
	nobody.Client = &n
	in := func(response string) obj {
		return obj{"RoleArn": role, "PrincipalArn": provider, "SAMLAssertion": response}
	}
	good := p.says(role, provider)
	for _, whole := range []bool{false, true} {
		out := nobody.call("sts", "AssumeRoleWithSAML", in(p.sign(good.document(), whole)))
		if out["Subject"] != "ann" || out["SubjectType"] != "persistent" || out["Issuer"] != idpName || out["Audience"] != good.recipient || out["NameQualifier"] == nil {
			t.Errorf("answered %v", out)
		}
		session := root.with(out)
		if got, want := session.arn(), "arn:aws:sts::000000000000:assumed-role/Corp/ann@example.com"; got != want {
			t.Errorf("the session is %s, want %s", got, want)
		}
		session.call("iam", "ListUsers", obj{})
	}
	bad := func(change func(*said)) string {
		x := good
		change(&x)
		return p.sign(x.document(), false)
	}
	tag := `<a:Attribute Name="https://aws.amazon.com/SAML/Attributes/PrincipalTag:team"><a:AttributeValue>blue</a:AttributeValue></a:Attribute>`
	for name, tc := range map[string]struct{ response, code, message string }{
		"no base64":          {"<>", "ValidationError", ""},
		"no XML":             {base64.StdEncoding.EncodeToString([]byte("nonsense")), "InvalidIdentityToken", "Invalid SAML response"},
		"no signature":       {encode(t, good.document()), "InvalidIdentityToken", "signature"},
		"a stranger's":       {newIDP(t).sign(good.document(), false), "InvalidIdentityToken", "signature"},
		"a refusal":          {bad(func(x *said) { x.status = "Responder" }), "IDPRejectedClaim", ""},
		"another issuer":     {bad(func(x *said) { x.issuer = "https://else" }), "InvalidIdentityToken", "Issuer"},
		"another recipient":  {bad(func(x *said) { x.recipient = "https://signin.aws.amazon.com.evil.com/saml" }), "InvalidIdentityToken", "recipient"},
		"another audience":   {bad(func(x *said) { x.audience = "urn:else" }), "InvalidIdentityToken", "Audience"},
		"expired":            {bad(func(x *said) { x.ends = -time.Minute }), "ExpiredTokenException", ""},
		"issued long ago":    {bad(func(x *said) { x.issued = 6 * time.Minute }), "ExpiredTokenException", "5 minutes"},
		"another role":       {bad(func(x *said) { x.roles = role + "x," + provider }), "AccessDenied", "sts:AssumeRoleWithSAML"},
		"no session name":    {bad(func(x *said) { x.session = "" }), "InvalidIdentityToken", "RoleSessionName"},
		"a bad session name": {bad(func(x *said) { x.session = "a b" }), "InvalidIdentityToken", "RoleSessionName"},
		"tags without trust": {bad(func(x *said) { x.more = tag }), "AccessDenied", "sts:TagSession"},
		"changed afterwards": {tamper(t, p.sign(good.document(), false), "ann@example.com", "eve@example.com"), "InvalidIdentityToken", "signature"},
		"wrapped":            {wrap(t, p.sign(good.document(), false)), "InvalidIdentityToken", ""},
	} {
		t.Run(name, func(t *testing.T) {
			caller{nobody.Client, t}.refused("sts", "AssumeRoleWithSAML", in(tc.response), tc.code, tc.message)
		})
	}
	other := in(p.sign(good.document(), false))
	other["PrincipalArn"] = provider + "x"
	nobody.refused("sts", "AssumeRoleWithSAML", other, "InvalidIdentityToken", "provider doesn't exist")
	long := in(p.sign(good.document(), false))
	long["DurationSeconds"] = 7200
	nobody.refused("sts", "AssumeRoleWithSAML", long, "ValidationError", "MaxSessionDuration")
	root.call("iam", "UpdateAssumeRolePolicy", obj{"RoleName": "Corp", "PolicyDocument": strings.ReplaceAll(trust, "persistent", "transient")})
	nobody.refused("sts", "AssumeRoleWithSAML", in(p.sign(good.document(), false)), "AccessDenied", "Not authorized")
}

// tamper changes a response after it was signed.
func tamper(t *testing.T, response, old, replacement string) string {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(response)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(b), old) {
		t.Fatalf("no %s in the response", old)
	}
	return base64.StdEncoding.EncodeToString([]byte(strings.ReplaceAll(string(b), old, replacement)))
}

// wrap puts an assertion of one's own in the place of the signed one, which
// stays in the document for its signature.
func wrap(t *testing.T, response string) string {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(response)
	if err != nil {
		t.Fatal(err)
	}
	doc := etree.NewDocument()
	if err := doc.ReadFromBytes(b); err != nil {
		t.Fatal(err)
	}
	signed := doc.FindElement("//a:Assertion")
	forged := signed.Copy()
	for _, s := range forged.FindElements("//a:AttributeValue") {
		s.SetText(strings.ReplaceAll(s.Text(), "ann@example.com", "eve@example.com"))
	}
	forged.CreateAttr("ID", "_forged")
	parent := signed.Parent()
	parent.RemoveChild(signed)
	forged.CreateElement("a:Advice").AddChild(signed)
	parent.AddChild(forged)
	return encode(t, doc)
}
