package processtest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"testing"
)

// The ports lie below those that the system gives, from 32768 on, to whatever
// connection or listener is next: one of those is another's as soon as the process
// that had it is killed.
const (
	firstPort = 16_384
	endOfPort = 32_768
)

// FreeAddress gives an address on loopback at which nobody listens. Until the test
// ends no other test gets it, in this process or in another.
func FreeAddress(t testing.TB) string {
	t.Helper()
	p, err := Promise()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Release)
	return p.Address
}

// Promised is an address on loopback that is kept for somebody.
type Promised struct {
	Address string
	token   net.PacketConn
}

// Promise keeps an address until it is released or this process ends.
func Promise() (*Promised, error) {
	var errs []error
	for range 100 {
		p, err := promise(fmt.Sprintf("127.0.0.1:%d", firstPort+rand.IntN(endOfPort-firstPort)))
		if err == nil {
			return p, nil
		}
		errs = append(errs, err)
	}
	return nil, fmt.Errorf("no port is free: %w", errors.Join(errs...))
}

// promise takes the UDP port of the same number as a token: only one process can have
// it, however it ends it has it no longer, and TCP stays free for whom it is promised to.
func promise(address string) (*Promised, error) {
	token, err := net.ListenPacket("udp", address)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, errors.Join(err, token.Close())
	}
	return &Promised{Address: address, token: token}, l.Close()
}

// Release gives the address free.
func (p *Promised) Release() { p.token.Close() }
