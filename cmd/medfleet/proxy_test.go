package main

import (
	"io"
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// proxy is a network between two of ours that can be cut: all connections through
// it end in the middle of whatever they carry, and new ones can be refused.
type proxy struct {
	to   string
	tap  io.Writer // what goes to the receiver, nil for nobody's eyes
	l    net.Listener
	busy sync.WaitGroup

	mu   sync.Mutex
	down bool
	open map[net.Conn]bool
}

func newProxy(t *testing.T, to string, tap io.Writer) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &proxy{to: to, tap: tap, l: l, open: map[net.Conn]bool{}}
	p.busy.Go(p.serve)
	t.Cleanup(func() {
		l.Close()
		p.cut(true)
		p.busy.Wait()
	})
	return p
}

func (p *proxy) address() string { return p.l.Addr().String() }

func (p *proxy) serve() {
	for {
		here, err := p.l.Accept()
		if err != nil {
			return
		}
		there, err := net.Dial("tcp", p.to)
		if err != nil || !p.enter(here, there) {
			here.Close()
			if there != nil {
				there.Close()
			}
			continue
		}
		p.busy.Go(func() { p.carry(there, here, p.tap) })
		p.busy.Go(func() { p.carry(here, there, nil) })
	}
}

// enter takes a pair of connections, unless the network is down.
func (p *proxy) enter(here, there net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.down {
		return false
	}
	p.open[here], p.open[there] = true, true
	return true
}

// carry copies one way until either end is gone.
func (p *proxy) carry(to, from net.Conn, tap io.Writer) {
	var in io.Reader = from
	if tap != nil {
		in = io.TeeReader(from, tap)
	}
	_, err := io.Copy(to, in)
	if half, ok := to.(*net.TCPConn); ok && err == nil {
		half.CloseWrite() // the other way may have something to say yet
		return
	}
	to.Close()
	from.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, to)
	delete(p.open, from)
}

// cut ends all connections, with a reset; while the network stays down none begins.
func (p *proxy) cut(stayDown bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = stayDown
	for c := range p.open {
		if tcp, ok := c.(*net.TCPConn); ok {
			tcp.SetLinger(0)
		}
		c.Close()
	}
	clear(p.open)
}

func (p *proxy) up() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = false
}

// used says whether there is a connection now.
func (p *proxy) used() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.open) > 0
}
