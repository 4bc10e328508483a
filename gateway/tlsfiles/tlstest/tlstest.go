// Package tlstest makes certificate authorities and certificates for tests, as
// files in PEM form.
package tlstest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Authority signs certificates. Its own is CA; all files lie in one folder that
// goes with the test.
type Authority struct {
	t      testing.TB
	folder string
	key    *ecdsa.PrivateKey
	cert   *x509.Certificate
	serial int64
}

// New makes an authority.
func New(t testing.TB) *Authority {
	t.Helper()
	a := &Authority{t: t, folder: t.TempDir(), key: newKey(t), serial: 1}
	a.cert = &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "hospital"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	a.sign("ca.pem", a.cert, &a.key.PublicKey)
	return a
}

// CA is the file of the authority's own certificate.
func (a *Authority) CA() string { return a.path("ca.pem") }

// Issue makes a certificate with a common name, good for localhost and 127.0.0.1,
// server and client, and gives its files. Issued again it replaces the old one.
func (a *Authority) Issue(name string) (cert, key string) {
	a.t.Helper()
	a.serial++
	private := newKey(a.t)
	a.sign(name+".pem", &x509.Certificate{
		SerialNumber: big.NewInt(a.serial), Subject: pkix.Name{CommonName: name},
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		NotBefore:   time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}, &private.PublicKey)
	der, err := x509.MarshalECPrivateKey(private)
	a.must(err)
	a.write(name+".key", "EC PRIVATE KEY", der)
	return a.path(name + ".pem"), a.path(name + ".key")
}

func (a *Authority) sign(file string, c *x509.Certificate, public *ecdsa.PublicKey) {
	der, err := x509.CreateCertificate(rand.Reader, c, a.cert, public, a.key)
	a.must(err)
	a.write(file, "CERTIFICATE", der)
}

func (a *Authority) path(name string) string { return filepath.Join(a.folder, name) }

func (a *Authority) write(name, kind string, der []byte) {
	a.must(os.WriteFile(a.path(name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
}

func (a *Authority) must(err error) {
	a.t.Helper()
	if err != nil {
		a.t.Fatal(err)
	}
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}
