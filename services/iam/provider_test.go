package iam_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"testing"
	"time"

	"github.com/gigawatt-cloud/gigawatt/cloudtest"
)

// issued is a certificate with its key.
type issued struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// issue makes a certificate that by signs; nil makes one that signs itself.
func issue(t *testing.T, name string, by *issued) *issued {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Unix(0, 0), NotAfter: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	parent, signer := tmpl, key
	if by != nil {
		parent, signer = by.cert, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &issued{cert, key}
}

func (x *issued) pem() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: x.cert.Raw}))
}

func (x *issued) keyPEM(t *testing.T) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(x.key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

func TestServerCertificate(t *testing.T) {
	c := cloudtest.Start(t, cloudtest.Options{InMemory: true}).Client()
	root := issue(t, "root", nil)
	between := issue(t, "between", root)
	leaf := issue(t, "www.example.com", between)
	in := func(more obj) obj {
		m := obj{"ServerCertificateName": "www", "Path": "/web/", "CertificateBody": leaf.pem(), "PrivateKey": leaf.keyPEM(t), "CertificateChain": between.pem() + root.pem()}
		for k, v := range more {
			m[k] = v
		}
		return m
	}
	for name, tc := range map[string]struct {
		in   obj
		want string
	}{
		"another's key":     {in(obj{"PrivateKey": root.keyPEM(t)}), "KeyPairMismatch"},
		"no certificate":    {in(obj{"CertificateBody": "nonsense"}), "MalformedCertificate"},
		"two certificates":  {in(obj{"CertificateBody": leaf.pem() + root.pem()}), "MalformedCertificate"},
		"a key as the body": {in(obj{"CertificateBody": leaf.keyPEM(t)}), "MalformedCertificate"},
		"no key":            {in(obj{"PrivateKey": leaf.pem()}), "MalformedCertificate"},
		"a chain reversed":  {in(obj{"CertificateChain": root.pem() + between.pem()}), "MalformedCertificate"},
		"a chain with gaps": {in(obj{"CertificateChain": root.pem()}), "MalformedCertificate"},
	} {
		if got := code(c, "UploadServerCertificate", tc.in); got != tc.want {
			t.Errorf("%s: %s, want %s", name, got, tc.want)
		}
	}
	meta := call(t, c, "UploadServerCertificate", in(nil))["ServerCertificateMetadata"].(obj)
	if meta["Arn"] != "arn:aws:iam::000000000000:server-certificate/web/www" || meta["Expiration"] == nil {
		t.Errorf("metadata %v", meta)
	}
	if got := code(c, "UploadServerCertificate", in(nil)); got != "EntityAlreadyExists" {
		t.Errorf("uploaded twice: %s", got)
	}
	call(t, c, "UpdateServerCertificate", obj{"ServerCertificateName": "www", "NewServerCertificateName": "site", "NewPath": "/"})
	whole := call(t, c, "GetServerCertificate", obj{"ServerCertificateName": "site"})["ServerCertificate"].(obj)
	if whole["CertificateBody"] != leaf.pem() || whole["CertificateChain"] != between.pem()+root.pem() || whole["PrivateKey"] != nil {
		t.Errorf("the certificate: %v", whole)
	}
	for prefix, want := range map[string]int{"/": 1, "/web/": 0} {
		if list := call(t, c, "ListServerCertificates", obj{"PathPrefix": prefix})["ServerCertificateMetadataList"].([]any); len(list) != want {
			t.Errorf("under %s: %v", prefix, list)
		}
	}
	call(t, c, "TagServerCertificate", obj{"ServerCertificateName": "site", "Tags": []obj{{"Key": "k", "Value": "v"}}})
	if tags := call(t, c, "ListServerCertificateTags", obj{"ServerCertificateName": "site"})["Tags"].([]any); len(tags) != 1 {
		t.Errorf("tags: %v", tags)
	}
	call(t, c, "DeleteServerCertificate", obj{"ServerCertificateName": "site"})
	if got := code(c, "GetServerCertificate", obj{"ServerCertificateName": "site"}); got != "NoSuchEntity" {
		t.Errorf("after its end: %s", got)
	}
}

func TestSAMLProvider(t *testing.T) {
	c := cloudtest.Start(t, cloudtest.Options{InMemory: true}).Client()
	// The model asks for a thousand characters at least, which real metadata has.
	metadata := func(entity, validUntil string) string {
		return fmt.Sprintf(`<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="%s"%s><!-- %0900d -->
			<IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol"><KeyDescriptor use="signing">
			<KeyInfo xmlns="http://www.w3.org/2000/09/xmldsig#"><X509Data><X509Certificate>%s</X509Certificate></X509Data></KeyInfo>
			</KeyDescriptor></IDPSSODescriptor></EntityDescriptor>`, entity, validUntil, 0, base64.StdEncoding.EncodeToString(issue(t, "idp", nil).cert.Raw))
	}
	const arn = "arn:aws:iam::000000000000:saml-provider/corp"
	in := obj{"Name": "corp", "SAMLMetadataDocument": metadata("https://idp.example.com", ` validUntil="2099-01-01T00:00:00Z"`)}
	if got := call(t, c, "CreateSAMLProvider", in)["SAMLProviderArn"]; got != arn {
		t.Errorf("created %v", got)
	}
	if got := code(c, "CreateSAMLProvider", in); got != "EntityAlreadyExists" {
		t.Errorf("created twice: %s", got)
	}
	for name, bad := range map[string]obj{
		"not metadata":     {"Name": "x", "SAMLMetadataDocument": fmt.Sprintf("%01000d", 0)},
		"without a name":   {"Name": "x", "SAMLMetadataDocument": metadata("", "")},
		"with a bad bound": {"Name": "x", "SAMLMetadataDocument": metadata("e", ` validUntil="soon"`)},
	} {
		if got := code(c, "CreateSAMLProvider", bad); got != "InvalidInput" {
			t.Errorf("%s: %s", name, got)
		}
	}
	if got := call(t, c, "GetSAMLProvider", obj{"SAMLProviderArn": arn}); got["ValidUntil"] == nil || got["SAMLMetadataDocument"] != in["SAMLMetadataDocument"] {
		t.Errorf("GetSAMLProvider: %v", got)
	}
	next := metadata("https://idp2.example.com", "")
	call(t, c, "UpdateSAMLProvider", obj{"SAMLProviderArn": arn, "SAMLMetadataDocument": next})
	if got := call(t, c, "GetSAMLProvider", obj{"SAMLProviderArn": arn})["SAMLMetadataDocument"]; got != next {
		t.Errorf("after the update: %v", got)
	}
	if got := code(c, "UpdateSAMLProvider", obj{"SAMLProviderArn": arn, "AssertionEncryptionMode": "Required"}); got != "ValidationError" {
		t.Errorf("encryption: %s", got)
	}
	if list := call(t, c, "ListSAMLProviders", obj{})["SAMLProviderList"].([]any); len(list) != 1 {
		t.Errorf("ListSAMLProviders: %v", list)
	}
	call(t, c, "TagSAMLProvider", obj{"SAMLProviderArn": arn, "Tags": []obj{{"Key": "k", "Value": "v"}}})
	call(t, c, "UntagSAMLProvider", obj{"SAMLProviderArn": arn, "TagKeys": []string{"k"}})
	if tags := call(t, c, "ListSAMLProviderTags", obj{"SAMLProviderArn": arn})["Tags"].([]any); len(tags) != 0 {
		t.Errorf("tags: %v", tags)
	}
	call(t, c, "DeleteSAMLProvider", obj{"SAMLProviderArn": arn})
	if got := code(c, "DeleteSAMLProvider", obj{"SAMLProviderArn": arn}); got != "NoSuchEntity" {
		t.Errorf("deleted twice: %s", got)
	}
}
