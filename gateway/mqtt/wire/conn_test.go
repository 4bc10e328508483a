package wire_test

import (
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"
	"github.com/stretchr/testify/require"

	"medfleet/gateway/mqtt/wire"
)

// between gives a connection and its broker's end, in a bubble of time.
func between(t *testing.T, story func(t *testing.T, c *wire.Conn, broker net.Conn)) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		c := wire.NewConn(ours, most)
		story(t, c, theirs)
		c.Cut(io.EOF)
		theirs.Close()
		time.Sleep(time.Minute) // until all have noticed
	})
}

// letIn answers CONNECT.
func letIn(t *testing.T, c *wire.Conn, broker net.Conn) {
	t.Helper()
	go func() {
		_, _ = packets.ReadPacket(broker)
		_, _ = broker.Write([]byte{packets.Connack << 4, 2, 0, 0})
	}()
	require.NoError(t, c.Open(packets.NewControlPacket(packets.Connect).(*packets.ConnectPacket)))
}

func TestAnAnswerToConnectIsATrueOneOrNone(t *testing.T) {
	for name, s := range map[string]struct {
		answer []byte
		is     error
		says   string
	}{
		"refused":         {[]byte{packets.Connack << 4, 2, 0, packets.ErrRefusedNotAuthorised}, packets.ErrorRefusedNotAuthorised, ""},
		"an odd code":     {[]byte{packets.Connack << 4, 2, 0, 99}, nil, "refused with code 99"},
		"another packet":  {[]byte{packets.Suback << 4, 2, 0, 1}, wire.ErrMalformed, ""},
		"a short one":     {[]byte{packets.Connack << 4, 1, 0}, wire.ErrMalformed, ""},
		"something else":  {[]byte("HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n400 Bad Request"), nil, "is it an MQTT broker"},
		"and then an end": {[]byte{packets.Connack << 4, 2, 0}, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			between(t, func(t *testing.T, c *wire.Conn, broker net.Conn) {
				go func() {
					_, _ = packets.ReadPacket(broker)
					_, _ = broker.Write(s.answer)
					broker.Close()
				}()
				err := c.Open(packets.NewControlPacket(packets.Connect).(*packets.ConnectPacket))
				require.Error(t, err)
				if s.is != nil {
					require.ErrorIs(t, err, s.is)
				}
				require.ErrorContains(t, err, s.says)
			})
		})
	}
}

func TestABrokerThatLetsUsInByteByByteIsGivenUp(t *testing.T) {
	between(t, func(t *testing.T, c *wire.Conn, broker net.Conn) {
		began := time.Now()
		go func() {
			_, _ = packets.ReadPacket(broker)
			for _, b := range []byte{packets.Connack << 4, 2, 0, 0} {
				time.Sleep(9 * time.Second)
				if _, err := broker.Write([]byte{b}); err != nil {
					return
				}
			}
		}()
		err := c.Open(packets.NewControlPacket(packets.Connect).(*packets.ConnectPacket))
		require.ErrorContains(t, err, "it does not answer")
		require.Equal(t, 10*time.Second, time.Since(began))
	})
}

func TestABrokerThatAnswersNoPingIsGivenUpAndOneThatDoesIsNot(t *testing.T) {
	between(t, func(t *testing.T, c *wire.Conn, broker net.Conn) {
		letIn(t, c, broker)
		began := time.Now()
		go func() {
			for range 10 {
				_, _ = packets.ReadPacket(broker)
				_, _ = broker.Write([]byte{packets.Pingresp << 4, 0})
			}
			_, _ = io.Copy(io.Discard, broker)
		}()
		go func() {
			for c.Ping() == nil {
				time.Sleep(wire.PingEvery)
			}
		}()
		for range 10 {
			p, err := c.Next()
			require.NoError(t, err)
			require.Equal(t, byte(packets.Pingresp), p.Kind)
		}
		last := time.Now()
		require.Equal(t, 9*wire.PingEvery, last.Sub(began))
		_, err := c.Next()
		require.ErrorContains(t, err, "it does not answer")
		require.Equal(t, 30*time.Second, time.Since(last))
	})
}

func TestABrokerThatDoesNotReadEndsTheConnection(t *testing.T) {
	between(t, func(t *testing.T, c *wire.Conn, broker net.Conn) {
		letIn(t, c, broker)
		read := make(chan error)
		go func() {
			_, err := c.Next()
			read <- err
		}()
		began := time.Now()
		err := c.Write([]byte{0xc0, 0})
		require.Error(t, err)
		require.Equal(t, 10*time.Second, time.Since(began))
		require.ErrorIs(t, <-read, err, "whoever reads is told why")
		<-c.Ended()
		require.ErrorIs(t, c.Cause(), err)
		require.ErrorIs(t, c.Write([]byte{0xc0, 0}), err)
	})
}

func TestAStoppedConnectionStillTellsWhatIsDue(t *testing.T) {
	between(t, func(t *testing.T, c *wire.Conn, broker net.Conn) {
		letIn(t, c, broker)
		read := make(chan error)
		go func() {
			for {
				if _, err := c.Next(); err != nil {
					read <- err
					return
				}
			}
		}()
		synctest.Wait()
		began := time.Now()
		c.Stop()
		require.ErrorContains(t, <-read, "connection ended")
		_, err := c.Next()
		require.Error(t, err, "and for good")
		require.Zero(t, time.Since(began))
		go func() { _ = c.Write(wire.AppendAnswer(nil, packets.Puback, 7)); c.Part() }()
		p, err := packets.ReadPacket(broker)
		require.NoError(t, err)
		require.Equal(t, uint16(7), p.(*packets.PubackPacket).MessageID)
		p, err = packets.ReadPacket(broker)
		require.NoError(t, err)
		require.IsType(t, &packets.DisconnectPacket{}, p)
		_, err = broker.Read(make([]byte, 1))
		require.ErrorIs(t, err, io.EOF)
	})
}

func TestAStoppedConnectionThatEndsIsNoticedByWatching(t *testing.T) {
	between(t, func(t *testing.T, c *wire.Conn, broker net.Conn) {
		letIn(t, c, broker)
		c.Stop()
		_, err := c.Next()
		require.Error(t, err)
		go c.Watch()
		_, err = broker.Write(packet(0x32, publishBody("a/b", 1, make([]byte, 1000))))
		require.NoError(t, err, "what still comes is dropped")
		select {
		case <-c.Ended():
			t.Fatal("it has not ended")
		default:
		}
		broker.Close()
		<-c.Ended()
		require.Error(t, c.Cause())
	})
}

func TestPartingFromABrokerThatDoesNotReadTakesASecond(t *testing.T) {
	between(t, func(t *testing.T, c *wire.Conn, broker net.Conn) {
		letIn(t, c, broker)
		wrote := make(chan error, 1)
		go func() { wrote <- c.Write([]byte{0xc0, 0}) }()
		synctest.Wait()
		began := time.Now()
		c.Part()
		require.LessOrEqual(t, time.Since(began), 2*time.Second)
		require.Error(t, <-wrote)
	})
}

func TestTheFirstCauseIsTheOneThatIsTold(t *testing.T) {
	between(t, func(t *testing.T, c *wire.Conn, broker net.Conn) {
		letIn(t, c, broker)
		first := errors.New("the disk is full")
		c.Cut(first)
		c.Cut(io.EOF)
		_, err := c.Next()
		require.ErrorIs(t, err, first)
		require.ErrorIs(t, c.Cause(), first)
	})
}
