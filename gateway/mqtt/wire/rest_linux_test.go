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

const soon = 5 * time.Second

// lowWater is how many bytes have to come before the system tells of them.
func lowWater(t *testing.T, conn *net.TCPConn) (bytes int) {
	t.Helper()
	raw, err := conn.SyscallConn()
	require.NoError(t, err)
	var failed error
	require.NoError(t, raw.Control(func(fd uintptr) {
		bytes, failed = syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVLOWAT)
	}))
	require.NoError(t, failed)
	return bytes
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
		rested, began := make(chan time.Duration, 1), time.Now()
		go func() {
			c.Rest(50*time.Millisecond, nil)
			rested <- time.Since(began)
		}()
		require.Eventually(t, func() bool { return lowWater(t, socket) > 32<<10 }, soon, time.Millisecond)
		_, err := broker.Write(append(ping, ping...))
		require.NoError(t, err)
		require.GreaterOrEqual(t, <-rested, 50*time.Millisecond)
		require.Equal(t, 1, lowWater(t, socket))
		_, err = c.Next()
		require.NoError(t, err)
		require.True(t, c.More(), "both have come")
		_, err = c.Next()
		require.NoError(t, err)
		go func() { // one byte after the other, for somebody who waits already
			time.Sleep(10 * time.Millisecond)
			_, _ = broker.Write(ping[:1])
			time.Sleep(10 * time.Millisecond)
			_, _ = broker.Write(ping[1:])
		}()
		_, err = c.Next()
		require.NoError(t, err)
	}
}

func TestARestEndsWhenItIsToldTo(t *testing.T) {
	c, socket, _ := tcpBetween(t)
	stop := make(chan struct{})
	time.AfterFunc(10*time.Millisecond, func() { close(stop) })
	began := time.Now()
	c.Rest(time.Hour, stop)
	require.Less(t, time.Since(began), soon)
	require.Equal(t, 1, lowWater(t, socket))
}
