package wire_test

import (
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"
	"github.com/stretchr/testify/require"

	"medfleet/gateway/mqtt/wire"
)

const soon = time.Minute

// asked is what the system says of a socket.
func asked(t *testing.T, conn *net.TCPConn, ask func(fd int) (int, error)) (answer int) {
	t.Helper()
	raw, err := conn.SyscallConn()
	require.NoError(t, err)
	var failed error
	require.NoError(t, raw.Control(func(fd uintptr) { answer, failed = ask(int(fd)) }))
	require.NoError(t, failed)
	return answer
}

// lowWater is how many bytes have to come before the system tells of them.
func lowWater(t *testing.T, conn *net.TCPConn) int {
	t.Helper()
	return asked(t, conn, func(fd int) (int, error) { return syscall.GetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_RCVLOWAT) })
}

// holds waits until so many bytes have come that nobody has read.
func holds(t *testing.T, conn *net.TCPConn, bytes int) {
	t.Helper()
	require.Eventually(t, func() bool {
		return asked(t, conn, func(fd int) (int, error) {
			n, _, err := syscall.Recvfrom(fd, make([]byte, 64), syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
			if err == syscall.EAGAIN {
				return 0, nil
			}
			return n, err
		}) == bytes
	}, soon, time.Millisecond)
}

// resting has a connection rest until the function it gives is called, which waits for
// the end of the rest.
func resting(t *testing.T, c *wire.Conn, socket *net.TCPConn) (end func()) {
	t.Helper()
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() { c.Rest(time.Hour, stop); close(ended) }()
	require.Eventually(t, func() bool { return lowWater(t, socket) > 32<<10 }, soon, time.Millisecond)
	return func() { close(stop); <-ended }
}

// tcpBetween gives a connection, its socket and its broker's end.
func tcpBetween(t *testing.T) (*wire.Conn, *net.TCPConn, net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	ours, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	broker, err := l.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { broker.Close() })
	c := wire.NewConn(ours, most)
	t.Cleanup(func() { c.Cut(net.ErrClosed) })
	return c, ours.(*net.TCPConn), broker
}

func TestWhatComesDuringARestWakesNobodyAndIsThereAfterwards(t *testing.T) {
	c, socket, broker := tcpBetween(t)
	ping := []byte{packets.Pingresp << 4, 0}
	for range 3 {
		end := resting(t, c, socket)
		_, err := broker.Write(append(ping, ping...))
		require.NoError(t, err)
		holds(t, socket, 4)
		require.Greater(t, lowWater(t, socket), 32<<10, "the rest goes on")
		end()
		require.Equal(t, 1, lowWater(t, socket))
		_, err = c.Next()
		require.NoError(t, err)
		require.True(t, c.More(), "both have come")
		_, err = c.Next()
		require.NoError(t, err)
		read := make(chan error, 1)
		go func() { _, err := c.Next(); read <- err }()
		for i := range ping { // one byte after the other, each taken as it comes
			_, err = broker.Write(ping[i : i+1])
			require.NoError(t, err)
			holds(t, socket, 0)
		}
		require.NoError(t, <-read)
	}
}

func TestARestEndsByItselfAndWhenItIsToldTo(t *testing.T) {
	c, socket, _ := tcpBetween(t)
	began := time.Now()
	c.Rest(20*time.Millisecond, nil)
	require.GreaterOrEqual(t, time.Since(began), 20*time.Millisecond)
	require.Equal(t, 1, lowWater(t, socket))
	resting(t, c, socket)()
	require.Equal(t, 1, lowWater(t, socket))
}
