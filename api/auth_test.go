package api

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"medfleet"
)

func TestTokens(t *testing.T) {
	tokens := testTokens(t)
	for _, c := range []struct {
		name   string
		header []string
		who    string
		err    error
	}{
		{"bearer", []string{"Bearer " + secretOf(medfleet.RoleBMET)}, "the-bmet", nil},
		{"as InfluxDB's clients", []string{"Token " + secretOf(medfleet.RoleViewer)}, "the-viewer", nil},
		{"scheme in any case", []string{"bEARER " + secretOf(medfleet.RoleViewer)}, "the-viewer", nil},
		{"nothing", nil, "", ErrNoCredentials},
		{"unknown", []string{"Bearer unknown-unknown-unknown"}, "", ErrBadCredentials},
		{"empty", []string{""}, "", ErrBadCredentials},
		{"no secret", []string{"Bearer "}, "", ErrBadCredentials},
		{"beginning of one", []string{"Bearer " + secretOf(medfleet.RoleAdmin)[:10]}, "", ErrBadCredentials},
		{"more than one", []string{"Bearer " + secretOf(medfleet.RoleAdmin) + "x"}, "", ErrBadCredentials},
		{"other scheme", []string{"Basic " + secretOf(medfleet.RoleAdmin)}, "", ErrBadCredentials},
		{"two headers", []string{"Bearer " + secretOf(medfleet.RoleAdmin), "Bearer x"}, "", ErrBadCredentials},
		{"endless", []string{"Bearer " + strings.Repeat("x", 10000)}, "", ErrBadCredentials},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/", nil)
			r.Header["Authorization"] = c.header
			p, err := tokens.Authenticate(r)
			require.ErrorIs(t, err, c.err)
			require.Equal(t, c.who, p.Name)
		})
	}
}

func TestTokensAreChosenWithCare(t *testing.T) {
	p := medfleet.Principal{Name: "gw-1", Gateway: "gw-1"}
	for _, secret := range []string{"", "short", strings.Repeat("x", 513), "with a space in the middle", "new\nline-new-line-new"} {
		_, err := NewToken(p, secret)
		require.ErrorContains(t, err, "openssl rand")
		if secret != "" {
			require.NotContains(t, err.Error(), secret)
		}
	}
	_, err := NewToken(medfleet.Principal{}, "0123456789abcdef")
	require.ErrorContains(t, err, "name")

	one, err := NewToken(p, "0123456789abcdef")
	require.NoError(t, err)
	twin, err := NewToken(medfleet.Principal{Name: "gw-2"}, "0123456789abcdef")
	require.NoError(t, err)
	_, err = NewTokens([]Token{one, twin})
	require.ErrorContains(t, err, "gw-1 and gw-2")
	namesake, err := NewToken(p, "another-secret-0123")
	require.NoError(t, err)
	_, err = NewTokens([]Token{one, namesake})
	require.ErrorContains(t, err, "gw-1")
}

func TestRevokedTokenIsOutAtOnce(t *testing.T) {
	p := medfleet.Principal{Name: "kim", Role: medfleet.RoleBMET}
	token, err := NewToken(p, "0123456789abcdef")
	require.NoError(t, err)
	tokens, err := NewTokens([]Token{token})
	require.NoError(t, err)
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Authorization", "Bearer 0123456789abcdef")
	got, err := tokens.Authenticate(r)
	require.NoError(t, err)
	require.Equal(t, p, got)
	require.Error(t, tokens.Replace([]Token{token, token}), "a list that is wrong changes nothing")
	_, err = tokens.Authenticate(r)
	require.NoError(t, err)
	require.NoError(t, tokens.Replace(nil))
	_, err = tokens.Authenticate(r)
	require.ErrorIs(t, err, ErrBadCredentials)
}

func TestOnlyThisMachineIsAnonymous(t *testing.T) {
	loopback := Loopback{medfleet.Principal{Name: "demo", Role: medfleet.RoleBMET}}
	for _, c := range []struct {
		name, from, host string
		header           string
		in               bool
	}{
		{"here", "127.0.0.1:50000", "127.0.0.1:8080", "", true},
		{"here by name", "127.0.0.1:50000", "localhost:8080", "", true},
		{"here, name without port", "127.0.0.1:50000", "LocalHost", "", true},
		{"here by IPv6", "[::1]:50000", "[::1]:8080", "", true},
		{"here by IPv6 without port", "[::1]:50000", "[::1]", "", true},
		{"mapped", "[::ffff:127.0.0.1]:50000", "127.9.9.9", "", true},
		{"from the ward", "10.0.0.7:50000", "127.0.0.1:8080", "", false},
		{"from the ward by the collector's name", "10.0.0.7:50000", "medfleet.hospital", "", false},
		{"a name that was made to point here", "127.0.0.1:50000", "evil.example:8080", "", false},
		{"a name that looks like here", "127.0.0.1:50000", "127.0.0.1.evil.example", "", false},
		{"no host", "127.0.0.1:50000", "", "", false},
		{"through a proxy", "127.0.0.1:50000", "127.0.0.1", "X-Forwarded-For", false},
		{"through another proxy", "127.0.0.1:50000", "127.0.0.1", "Forwarded", false},
		{"a socket", "@", "localhost", "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/", nil)
			r.RemoteAddr, r.Host = c.from, c.host
			if c.header != "" {
				r.Header.Set(c.header, "10.0.0.7")
			}
			p, err := loopback.Authenticate(r)
			if c.in {
				require.NoError(t, err)
				require.Equal(t, "demo", p.Name)
				return
			}
			require.ErrorIs(t, err, ErrBeyondLoopback)
			require.Zero(t, p)
		})
	}
}

func TestWrongTokenIsNotAnonymous(t *testing.T) {
	s := serve(t, testOptions(t, newWard()))
	require.Equal(t, http.StatusOK, s.get("/api/v1/devices").status)
	p := problemOf(t, s.get("/api/v1/devices", "Authorization", "Bearer not-a-known-token"), kindUnauthenticated)
	require.Contains(t, p.Detail, "not known")
}

func TestAnonymousIsToldWhatToSend(t *testing.T) {
	s := serve(t, testOptions(t, newWard()))
	r := s.get("/api/v1/devices", "Host", "medfleet.hospital")
	require.Contains(t, problemOf(t, r, kindUnauthenticated).Detail, "Authorization: Bearer")
	require.Contains(t, r.header.Get("WWW-Authenticate"), "Bearer")
}

func TestEverybody(t *testing.T) {
	o := testOptions(t, newWard())
	o.Auth = Everybody{medfleet.Principal{Name: "anybody", Role: medfleet.RoleViewer}}
	s := serve(t, o)
	require.Equal(t, http.StatusOK, s.get("/api/v1/devices", "Host", "medfleet.hospital").status)
	problemOf(t, s.do("POST", "/api/v1/alarms/x/ack", "{}"), kindForbidden)
}

func TestListen(t *testing.T) {
	for _, c := range []struct {
		listen Listen
		says   string
	}{
		{Listen{Address: "127.0.0.1:8080", Anonymous: true}, ""},
		{Listen{Address: "[::1]:8080", Anonymous: true}, ""},
		{Listen{Address: "localhost:8080", Anonymous: true}, ""},
		{Listen{Address: "0.0.0.0:8080"}, "plain text"},
		{Listen{Address: ":8080"}, "plain text"},
		{Listen{Address: "10.1.2.3:8080"}, "plain text"},
		{Listen{Address: "medfleet.hospital:8080"}, "plain text"},
		{Listen{Address: ":8443", TLS: true, Anonymous: true}, "anybody"},
		{Listen{Address: ":8443", TLS: true}, ""},
		{Listen{Address: ":8080", Anonymous: true, Insecure: true}, ""},
		{Listen{Address: "8080"}, "host:port"},
	} {
		err := c.listen.Check()
		if c.says == "" {
			require.NoError(t, err, "%+v", c.listen)
			continue
		}
		require.ErrorContains(t, err, c.says)
		require.ErrorContains(t, err, c.listen.Address)
	}
}
