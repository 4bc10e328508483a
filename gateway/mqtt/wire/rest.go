package wire

import (
	"net"
	"syscall"
	"time"
)

// restBytes is how much may come during a rest before the system tells us.
const restBytes = bufferBytes / 2

// Rest leaves what comes for a while to gather, or until stop is closed. Without it
// the system would wake us for each packet, which costs more than all that is done
// with a message.
func (c *Conn) Rest(d time.Duration, stop <-chan struct{}) {
	if d <= 0 {
		return
	}
	c.wakeAt(restBytes)
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-stop:
	}
	c.wakeAt(1)
}

// wakeAt sets how many bytes have to be there before the system tells us.
func (c *Conn) wakeAt(bytes int) {
	if c.raw != nil {
		_ = c.raw.Control(func(fd uintptr) { setLowWater(fd, bytes) }) // on a connection that has ended there is nothing to tell
	}
}

// rawConn gives the socket of a connection, nil where there is none.
func rawConn(conn net.Conn) syscall.RawConn {
	if secure, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = secure.NetConn()
	}
	if socket, ok := conn.(*net.TCPConn); ok {
		raw, err := socket.SyscallConn()
		if err == nil {
			return raw
		}
	}
	return nil
}
