package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"

	"medfleet/api"
)

// addressed says what is wrong with an address to listen on, if there is one; key
// is where it stands.
func addressed(key, address string) error {
	if address == "" {
		return nil
	}
	_, port, err := net.SplitHostPort(address)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return fmt.Errorf("%s: %q is no address: want host:port such as 127.0.0.1:8080", key, address)
	}
	return nil
}

// stays tells whether what goes to a host stays on this machine.
func stays(host string) bool {
	return (api.Listen{Address: net.JoinHostPort(host, "0")}).Check() == nil
}

// listen opens an address; how names the flag or key that says another.
func listen(ctx context.Context, address, how string) (net.Listener, error) {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("%s: %s is in use by another program: stop it, or choose another address with %s", how, address, how)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: listen on %q: %w", how, address, err)
	}
	return l, nil
}
