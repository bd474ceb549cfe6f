package gateway

import (
	"context"
	"crypto/tls"
	"net/url"
	"strings"
	"time"

	"github.com/gigawatt-cloud/gigawatt/aws/policy"
	"github.com/gigawatt-cloud/gigawatt/aws/sigv4"
	"github.com/gigawatt-cloud/gigawatt/service"
)

// tell tells the service what became of a request. A failure of that is the
// server's to look at; the client has its answer.
func (x *exchange) tell(code string) {
	if x.svc == nil || x.svc.Served == nil || x.match.Op == nil {
		return
	}
	c := x.call
	if c == nil { // who called was not found out
		c = x.g.newCall(&policy.Principal{Type: policy.Anonymous}, x.match.Op, "", x.id, x.now)
		if x.auth == nil {
			x.auth = &sigv4.Auth{}
		}
		c.Transport = x.transport()
	}
	r := &service.Reply{
		Line: x.r.Method + " " + x.r.RequestURI + " " + x.r.Proto, Labels: unescaped(x.match.Labels), In: x.in, Out: x.out,
		Status: x.status, Code: code, BytesSent: x.written, Duration: time.Since(x.start), HostID: x.w.Header().Get("X-Amz-Id-2"),
		Website: x.site != nil,
	}
	r.SignatureVersion, r.AuthType = signed(x.auth)
	if t := x.r.TLS; t != nil {
		r.Cipher, r.TLSVersion = tls.CipherSuiteName(t.CipherSuite), strings.ReplaceAll(tls.VersionName(t.Version), " ", "v")
	}
	if err := x.svc.Served(context.WithoutCancel(x.ctx), c, r); err != nil {
		x.g.Log.Error("tell a service of a request", "request_id", x.id, "service", x.svc.Name, "error", err)
	}
}

// signed names the form of a signature as S3's access log does.
func signed(a *sigv4.Auth) (version, kind string) {
	if a == nil {
		return "", ""
	}
	switch a.Form {
	case sigv4.HeaderV4:
		return "SigV4", "AuthHeader"
	case sigv4.HeaderV2:
		return "SigV2", "AuthHeader"
	case sigv4.PresignedV4:
		return "SigV4", "QueryString"
	case sigv4.PresignedV2:
		return "SigV2", "QueryString"
	case sigv4.PostV4:
		return "SigV4", ""
	case sigv4.PostV2:
		return "SigV2", ""
	}
	return "", ""
}

func unescaped(labels map[string]string) map[string]string {
	out := make(map[string]string, len(labels))
	for name, v := range labels {
		if u, err := url.PathUnescape(v); err == nil {
			v = u
		}
		out[name] = v
	}
	return out
}
