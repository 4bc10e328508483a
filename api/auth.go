package api

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"

	"medfleet"
)

// Authenticator finds out who makes a request. It fails with ErrNoCredentials
// when the request does not say, so that another may be asked.
type Authenticator interface {
	Authenticate(r *http.Request) (medfleet.Principal, error)
}

// AuthenticatorFunc is a function that is an Authenticator.
type AuthenticatorFunc func(*http.Request) (medfleet.Principal, error)

// Authenticate calls the function.
func (f AuthenticatorFunc) Authenticate(r *http.Request) (medfleet.Principal, error) { return f(r) }

// Why somebody was not let in.
var (
	ErrNoCredentials  = errors.New("nobody is signed in: send a token in the header Authorization: Bearer …")
	ErrBadCredentials = errors.New("the token is not known: it may have been revoked; ask an administrator for a new one")
	ErrBeyondLoopback = errors.New("without a token only this machine itself is let in: send one in the header Authorization: Bearer …, or open http://127.0.0.1 on the collector")
)

// FirstOf asks one authenticator after the other until one knows the credentials.
// Credentials that are wrong are refused at once: who shows a bad token is not
// somebody anonymous.
func FirstOf(all ...Authenticator) Authenticator {
	return AuthenticatorFunc(func(r *http.Request) (medfleet.Principal, error) {
		for _, one := range all {
			p, err := one.Authenticate(r)
			if err == nil || !errors.Is(err, ErrNoCredentials) {
				return p, err
			}
		}
		return medfleet.Principal{}, ErrNoCredentials
	})
}

// Token gives a principal to whoever knows a secret. Only its SHA-256 is kept,
// which is enough for a secret that was drawn at random; a person's password
// would need more.
type Token struct {
	Principal medfleet.Principal
	digest    [sha256.Size]byte
}

// Bounds of a secret in bytes.
const (
	minSecret = 16
	maxSecret = 512
)

// NewToken makes a token. A secret shorter than 16 bytes can be guessed and is
// refused; draw one with `openssl rand -hex 32`.
func NewToken(p medfleet.Principal, secret string) (Token, error) {
	if p.Name == "" {
		return Token{}, errors.New("make token: it names nobody: give it a name")
	}
	if len(secret) < minSecret || len(secret) > maxSecret || strings.ContainsFunc(secret, notInToken) {
		return Token{}, fmt.Errorf("make token of %s: want %d to %d printable characters without spaces: draw one with `openssl rand -hex 32`", p.Name, minSecret, maxSecret)
	}
	return Token{Principal: p, digest: sha256.Sum256([]byte(secret))}, nil
}

func notInToken(r rune) bool { return r <= ' ' || r > '~' }

// Tokens lets in whoever sends a known token: Authorization: Bearer …, or
// Token … as InfluxDB's clients do.
type Tokens struct{ list atomic.Pointer[[]Token] }

// NewTokens makes an authenticator of tokens. Names and secrets must differ.
func NewTokens(list []Token) (*Tokens, error) {
	t := &Tokens{}
	if err := t.Replace(list); err != nil {
		return nil, err
	}
	return t, nil
}

// Replace makes a new list count from the next request on; a live stream is cut
// within 30 s. The old list stays when the new one is wrong.
func (t *Tokens) Replace(list []Token) error {
	names, digests := map[string]bool{}, map[[sha256.Size]byte]string{}
	for _, token := range list {
		name := token.Principal.Name
		if other, ok := digests[token.digest]; ok {
			return fmt.Errorf("replace tokens: %s and %s have the same secret: draw one for each", other, name)
		}
		if names[name] {
			return fmt.Errorf("replace tokens: two are named %s: give each a name of its own", name)
		}
		names[name], digests[token.digest] = true, name
	}
	own := append([]Token(nil), list...)
	t.list.Store(&own)
	return nil
}

// Authenticate finds the token's principal. Every token is compared, each in
// constant time, so that the time taken tells nothing.
func (t *Tokens) Authenticate(r *http.Request) (medfleet.Principal, error) {
	sent := r.Header.Values("Authorization")
	if len(sent) == 0 {
		return medfleet.Principal{}, ErrNoCredentials
	}
	scheme, secret, ok := strings.Cut(sent[0], " ")
	if !ok || len(sent) > 1 || len(secret) > maxSecret ||
		!strings.EqualFold(scheme, "Bearer") && !strings.EqualFold(scheme, "Token") {
		return medfleet.Principal{}, ErrBadCredentials
	}
	digest := sha256.Sum256([]byte(strings.TrimSpace(secret)))
	found := -1
	list := *t.list.Load()
	for i := range list {
		if subtle.ConstantTimeCompare(list[i].digest[:], digest[:]) == 1 {
			found = i
		}
	}
	if found < 0 {
		return medfleet.Principal{}, ErrBadCredentials
	}
	return list[found].Principal, nil
}

// Loopback lets whoever sits at this machine in as one principal without asking:
// for a demonstration. A request counts as from here only when its address and
// the host it asked for are loopback and no proxy passed it on: so neither a
// reverse proxy on this machine nor a foreign page whose name was made to point
// here (DNS rebinding) gets in.
type Loopback struct{ Principal medfleet.Principal }

// Authenticate gives the principal, or ErrBeyondLoopback.
func (l Loopback) Authenticate(r *http.Request) (medfleet.Principal, error) {
	if !loopbackAddress(r.RemoteAddr) || !loopbackHost(r.Host) || forwarded(r.Header) {
		return medfleet.Principal{}, ErrBeyondLoopback
	}
	return l.Principal, nil
}

// Everybody lets anybody in from anywhere as one principal. It is what
// --insecure means, and nothing else should use it.
type Everybody struct{ Principal medfleet.Principal }

// Authenticate gives the principal.
func (e Everybody) Authenticate(*http.Request) (medfleet.Principal, error) { return e.Principal, nil }

func loopbackAddress(address string) bool {
	a, err := netip.ParseAddrPort(address)
	return err == nil && a.Addr().Unmap().IsLoopback()
}

func loopbackHost(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	a, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && a.Unmap().IsLoopback()
}

func forwarded(h http.Header) bool {
	for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-Ip", "Via"} {
		if h.Get(name) != "" {
			return true
		}
	}
	return false
}
