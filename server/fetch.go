package server

import (
	"context"
	"crypto/sha1"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"
)

// fetcher reads the public documents of identity providers for sts.
type fetcher struct{}

func newFetcher() fetcher { return fetcher{} }

const (
	fetchTimeout = 10 * time.Second
	fetchLimit   = 1 << 20
)

var errFetch = errors.New("the document could not be read")

// Fetch implements sts.Fetcher. Redirects are not followed: AWS asks for the
// documents where the issuer is.
func (fetcher) Fetch(ctx context.Context, url string, thumbprints []string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	rq, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, err
	}
	tr := &http.Transport{
		Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true, TLSClientConfig: thumbprintTLS(rq.URL.Hostname(), thumbprints),
	}
	client := &http.Client{Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	rs, err := client.Do(rq)
	if err != nil {
		return nil, err
	}
	defer rs.Body.Close()
	if rs.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%w: status %d", errFetch, rs.StatusCode)
	}
	b, err := io.ReadAll(io.LimitReader(rs.Body, fetchLimit+1))
	if err != nil {
		return nil, err
	}
	if len(b) > fetchLimit {
		return nil, fmt.Errorf("%w: it is larger than a megabyte", errFetch)
	}
	return b, nil
}

// thumbprintTLS trusts a server that the machine trusts, or one whose
// certificate is vouched for by a certificate with one of the thumbprints.
func thumbprintTLS(host string, thumbprints []string) *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: true, //nolint:gosec // VerifyConnection below verifies, with one more source of trust
		VerifyConnection: func(cs tls.ConnectionState) error {
			return verifyServer(&cs, host, thumbprints)
		},
	}
}

func verifyServer(cs *tls.ConnectionState, host string, thumbprints []string) error {
	if len(cs.PeerCertificates) == 0 {
		return fmt.Errorf("%w: the server has no certificate", errFetch)
	}
	leaf, between := cs.PeerCertificates[0], x509.NewCertPool()
	for _, c := range cs.PeerCertificates[1:] {
		between.AddCert(c)
	}
	_, err := leaf.Verify(x509.VerifyOptions{DNSName: host, Intermediates: between})
	if err == nil {
		return nil
	}
	pinned := x509.NewCertPool()
	for _, c := range cs.PeerCertificates {
		sum := sha1.Sum(c.Raw)
		if slices.Contains(thumbprints, hex.EncodeToString(sum[:])) {
			pinned.AddCert(c)
		}
	}
	if _, again := leaf.Verify(x509.VerifyOptions{DNSName: host, Intermediates: between, Roots: pinned}); again == nil {
		return nil
	}
	return err
}
