package iam_test

import (
	"bytes"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"image/png"
	"strings"
	"testing"
	"time"

	"github.com/gigawatt-cloud/gigawatt/aws/sigv4"
	"github.com/gigawatt-cloud/gigawatt/cloudtest"
	"github.com/gigawatt-cloud/gigawatt/identity"
)

// device is an authenticator program: it has the seed and reads the cloud's clock.
type device struct {
	serial string
	seed   []byte
	ahead  time.Duration // of the machine's clock
}

func newDevice(t *testing.T, c *cloudtest.Client, name string) *device {
	t.Helper()
	d := call(t, c, "CreateVirtualMFADevice", obj{"VirtualMFADeviceName": name, "Path": "/phones/"})["VirtualMFADevice"].(obj)
	text, err := base64.StdEncoding.DecodeString(d["Base32StringSeed"].(string))
	if err != nil {
		t.Fatal(err)
	}
	seed, err := base32.StdEncoding.DecodeString(string(text))
	if err != nil {
		t.Fatal(err)
	}
	picture, err := base64.StdEncoding.DecodeString(d["QRCodePNG"].(string))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := png.Decode(bytes.NewReader(picture)); err != nil {
		t.Errorf("QRCodePNG: %v", err)
	}
	return &device{serial: d["SerialNumber"].(string), seed: seed}
}

// code is the code that the device shows at some steps of 30 seconds from now.
func (d *device) code(steps int64) string {
	return identity.TOTP(d.seed, time.Now().Add(d.ahead).Unix()/30+steps)
}

func TestMFADevice(t *testing.T) {
	cloud := cloudtest.Start(t, cloudtest.Options{InMemory: true})
	c := cloud.Client()
	call(t, c, "CreateUser", obj{"UserName": "bob"})
	d := newDevice(t, c, "phone")
	if want := "arn:aws:iam::000000000000:mfa/phones/phone"; d.serial != want {
		t.Errorf("serial number %s, want %s", d.serial, want)
	}
	in := func(one, two int64) obj {
		return obj{"UserName": "bob", "SerialNumber": d.serial, "AuthenticationCode1": d.code(one), "AuthenticationCode2": d.code(two)}
	}
	for name, bad := range map[string]obj{"the same code twice": in(0, 0), "not in a row": in(-2, 0), "the wrong way round": in(0, -1), "too old": in(-200, -199)} {
		if got := code(c, "EnableMFADevice", bad); got != "InvalidAuthenticationCode" {
			t.Errorf("%s: %s", name, got)
		}
	}
	missing := in(-1, 0)
	missing["SerialNumber"] = d.serial + "x"
	if got := code(c, "EnableMFADevice", missing); got != "NoSuchEntity" {
		t.Errorf("an unknown device: %s", got)
	}
	call(t, c, "EnableMFADevice", in(-1, 0))
	if got := code(c, "EnableMFADevice", in(-1, 0)); got != "EntityAlreadyExists" {
		t.Errorf("enabled twice: %s", got)
	}
	if got := code(c, "DeleteVirtualMFADevice", obj{"SerialNumber": d.serial}); got != "DeleteConflict" {
		t.Errorf("deleted while in use: %s", got)
	}
	if got := code(c, "DeleteUser", obj{"UserName": "bob"}); got != "DeleteConflict" {
		t.Errorf("its user deleted: %s", got)
	}
	if list := call(t, c, "ListMFADevices", obj{"UserName": "bob"})["MFADevices"].([]any); len(list) != 1 || list[0].(obj)["SerialNumber"] != d.serial {
		t.Errorf("bob's devices: %v", list)
	}
	for status, want := range map[string]int{"Assigned": 1, "Unassigned": 0, "Any": 1} {
		if list := call(t, c, "ListVirtualMFADevices", obj{"AssignmentStatus": status})["VirtualMFADevices"].([]any); len(list) != want {
			t.Errorf("%s: %v", status, list)
		}
	}
	if got := code(c, "GetMFADevice", obj{"SerialNumber": d.serial, "UserName": "bob"}); got != "<nil>" {
		t.Error(got)
	}
	call(t, c, "DeactivateMFADevice", obj{"UserName": "bob", "SerialNumber": d.serial})
	if got := code(c, "DeactivateMFADevice", obj{"UserName": "bob", "SerialNumber": d.serial}); got != "NoSuchEntity" {
		t.Errorf("deactivated twice: %s", got)
	}
	call(t, c, "DeleteVirtualMFADevice", obj{"SerialNumber": d.serial})
	call(t, c, "DeleteUser", obj{"UserName": "bob"})
}

// A device is what GetSessionToken and policies ask for; no code works twice,
// and one whose clock is off works again once it is synchronized.
func TestMFASession(t *testing.T) {
	cloud := cloudtest.Start(t, cloudtest.Options{InMemory: true})
	root := cloud.Client()
	call(t, root, "CreateUser", obj{"UserName": "bob"})
	call(t, root, "PutUserPolicy", obj{"UserName": "bob", "PolicyName": "p", "PolicyDocument": `{"Version":"2012-10-17","Statement":
		{"Effect":"Allow","Action":"iam:ListUsers","Resource":"*","Condition":{"Bool":{"aws:MultiFactorAuthPresent":"true"}}}}`})
	key := call(t, root, "CreateAccessKey", obj{"UserName": "bob"})["AccessKey"].(obj)
	bob := *root
	bob.Credentials = sigv4.Credentials{AccessKeyID: key["AccessKeyId"].(string), SecretAccessKey: key["SecretAccessKey"].(string)}
	d := newDevice(t, root, "phone")
	pair := func(offset int64) obj {
		return obj{"UserName": "bob", "SerialNumber": d.serial, "AuthenticationCode1": d.code(offset - 1), "AuthenticationCode2": d.code(offset)}
	}
	first := pair(0)
	call(t, root, "EnableMFADevice", first)

	login := func(code string) (obj, error) {
		var out obj
		_, err := bob.Call(t.Context(), "sts", "GetSessionToken", obj{"SerialNumber": d.serial, "TokenCode": code}, &out)
		return out, err
	}
	refused := func(why, code string) {
		t.Helper()
		_, err := login(code)
		var e *cloudtest.Error
		if !errors.As(err, &e) || e.Code != "AccessDenied" || !strings.Contains(e.Message, "MultiFactorAuthentication failed") {
			t.Errorf("%s: %v", why, err)
		}
	}
	refused("the code that enabled the device", first["AuthenticationCode2"].(string))
	d.advance(t, cloud, time.Minute)
	now := d.code(0)
	out, err := login(now)
	if err != nil {
		t.Fatal(err)
	}
	refused("a code that was used", now)

	if got := code(&bob, "ListUsers", obj{}); got != "AccessDenied" {
		t.Errorf("without MFA: %s", got)
	}
	cred := out["Credentials"].(obj)
	session := bob
	session.Credentials = sigv4.Credentials{
		AccessKeyID: cred["AccessKeyId"].(string), SecretAccessKey: cred["SecretAccessKey"].(string), SessionToken: cred["SessionToken"].(string),
	}
	call(t, &session, "ListUsers", obj{})

	d.advance(t, cloud, time.Minute)
	const ahead = 20 // steps that the device's clock is ahead
	refused("a device whose clock is off", d.code(ahead))
	call(t, root, "ResyncMFADevice", pair(ahead))
	d.advance(t, cloud, time.Minute)
	if _, err := login(d.code(ahead)); err != nil {
		t.Errorf("after ResyncMFADevice: %v", err)
	}
}

func (d *device) advance(t *testing.T, cloud *cloudtest.Cloud, by time.Duration) {
	t.Helper()
	if err := cloud.Advance(by); err != nil {
		t.Fatal(err)
	}
	d.ahead += by
}
