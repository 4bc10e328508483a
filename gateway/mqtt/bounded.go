package mqtt

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// bounded is a listener with room for so many connections. The library counts
// those that have said CONNECT; a connection costs memory before that already.
type bounded struct {
	net.Listener
	room    chan struct{}
	refused *atomic.Uint64
}

// Accept closes what there is no room for at once, so that it can be told from a
// gateway that does not answer.
func (b *bounded) Accept() (net.Conn, error) {
	for {
		c, err := b.Listener.Accept()
		if passes(err) {
			time.Sleep(acceptAgain)
			continue
		}
		if err != nil {
			return nil, err
		}
		select {
		case b.room <- struct{}{}:
			return &guest{Conn: c, leave: sync.OnceFunc(func() { <-b.room })}, nil
		default:
			b.refused.Add(1)
			c.Close()
		}
	}
}

// acceptAgain is how long a listener waits for the machine to have what it lacks.
const acceptAgain = 100 * time.Millisecond

// passes reports whether an error of Accept is about one connection, or about what
// the machine has too little of now. Any other ends the broker.
func passes(err error) bool {
	for _, one := range [...]error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED} {
		if errors.Is(err, one) {
			return true
		}
	}
	return false
}

// guest is a connection that gives its room back.
type guest struct {
	net.Conn
	leave func()
}

func (g *guest) Close() error {
	g.leave()
	return g.Conn.Close()
}
