package api

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"
)

// HTTPServer makes a server with bounds on every time and size that a client
// could stretch. A live stream takes its connection over and has its own.
func HTTPServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       60 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       120 * time.Second,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
}

// Listen says how a listener is meant to be open.
type Listen struct {
	Address   string // host:port
	TLS       bool   // encrypted
	Anonymous bool   // lets somebody in who did not say who they are, from beyond loopback
	Insecure  bool   // a person said that neither matters here
}

// Check refuses plain text and anonymous access beyond loopback unless a person
// asked for it.
func (l Listen) Check() error {
	host, _, err := net.SplitHostPort(l.Address)
	if err != nil {
		return fmt.Errorf("check listener %q: want host:port such as 127.0.0.1:8080", l.Address)
	}
	if l.Insecure || strings.EqualFold(host, "localhost") {
		return nil
	}
	if a, err := netip.ParseAddr(host); err == nil && a.Unmap().IsLoopback() {
		return nil
	}
	var why error
	switch {
	case !l.TLS:
		why = errors.New("plain text could be read on its way: give a certificate and key, listen on 127.0.0.1, or say --insecure")
	case l.Anonymous:
		why = errors.New("anybody could look and acknowledge: configure tokens, listen on 127.0.0.1, or say --insecure")
	default:
		return nil
	}
	return fmt.Errorf("listen on %s, beyond this machine: %w", l.Address, why)
}
