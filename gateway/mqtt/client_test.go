package mqtt_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"
	"github.com/stretchr/testify/require"

	"medfleet"
	"medfleet/gateway/mqtt"
)

func TestTheBrokerIsAskedToKeepMessagesWhileWeAreAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dial, came := dials(t)
		o := mqtt.ClientOptions{Taker: newDisk(), Dial: dial}
		o.ClientID, o.User, o.Password = "medfleet-edge-7", "ward", "s3cret"
		c, end := running(t, o)
		p := <-came
		hello := p.lets(packets.Accepted)
		require.False(t, hello.CleanSession)
		require.Equal(t, "medfleet-edge-7", hello.ClientIdentifier)
		require.Equal(t, byte(4), hello.ProtocolVersion)
		require.Equal(t, "ward", hello.Username)
		require.Equal(t, "s3cret", string(hello.Password))
		s := p.grants(1)
		require.Equal(t, []string{"medfleet/v1/+/+/+/+"}, s.Topics)
		require.Equal(t, []byte{1}, s.Qoss)
		synctest.Wait()
		require.True(t, c.Up())
		end()
		p.hears(&packets.DisconnectPacket{})
	})
}

func TestPUBACKGoesOutOnlyWhenTheMessageIsDurable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dial, came := dials(t)
		d := newDisk()
		d.stop()
		c, end := running(t, mqtt.ClientOptions{Taker: d, Dial: dial})
		p := <-came
		p.lets(packets.Accepted)
		// A kept session's messages come before the answer to SUBSCRIBE.
		require.NoError(t, p.publishes(7, "one"))
		p.grants(1)
		require.NoError(t, p.publishes(9, "two"))
		require.NoError(t, p.publishes(8, "three"))
		time.Sleep(5 * time.Second)
		require.Empty(t, p.in, "acknowledged before it was durable")
		d.start()
		require.Equal(t, []uint16{7, 9, 8}, []uint16{p.acknowledged(), p.acknowledged(), p.acknowledged()})
		require.Equal(t, []string{"one", "two", "three"}, d.payloads())
		require.Equal(t, uint64(3), c.Counts().Messages.Load())
		end()
	})
}

func TestWhatWaitsBehindAMessageSharesItsSync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dial, came := dials(t)
		d := newDisk()
		d.stop()
		running(t, mqtt.ClientOptions{Taker: d, Dial: dial})
		p := <-came
		p.lets(packets.Accepted)
		p.grants(1)
		for id := uint16(1); id <= 2000; id++ {
			require.NoError(t, p.publishes(id, "x"))
		}
		time.Sleep(time.Second)
		d.start()
		for id := uint16(1); id <= 2000; id++ {
			require.Equal(t, id, p.acknowledged())
		}
		require.Equal(t, 1, d.syncs)
	})
}

// counted is a connection whose writes are counted.
type counted struct {
	net.Conn
	writes atomic.Int64
}

func (c *counted) Write(p []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(p)
}

func TestTheAcknowledgementsOfOneSyncLeaveInOneWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dial, came := dials(t)
		d := newDisk()
		d.stop()
		conn := &counted{}
		running(t, mqtt.ClientOptions{Taker: d, Dial: func(ctx context.Context, network, address string) (c net.Conn, err error) {
			conn.Conn, err = dial(ctx, network, address)
			return conn, err
		}})
		p := <-came
		p.lets(packets.Accepted)
		p.grants(1)
		for id := uint16(1); id <= 100; id++ {
			require.NoError(t, p.publishes(id, "x"))
			if id == 1 {
				synctest.Wait() // the first waits alone
			}
		}
		time.Sleep(time.Second)
		before := conn.writes.Load()
		d.start()
		for id := uint16(1); id <= 100; id++ {
			require.Equal(t, id, p.acknowledged())
		}
		require.Equal(t, int64(2), conn.writes.Load()-before)
	})
}

func TestWhatWasKeptBeforeAFailureIsAcknowledged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dial, came := dials(t)
		moves := make(chan struct{})
		c, _ := running(t, mqtt.ClientOptions{Dial: dial, Taker: takerFunc(func(m mqtt.Message) mqtt.Receipt {
			switch string(m.Payload) {
			case "first":
				return waiting(moves)
			case "refused":
				return failing{}
			}
			return instant{}
		})})
		p := <-came
		p.lets(packets.Accepted)
		p.grants(1)
		for i, payload := range []string{"first", "two", "three", "refused", "five"} {
			require.NoError(t, p.publishes(uint16(i+1), payload))
			time.Sleep(time.Second) // the first waits alone, the others are one group
		}
		close(moves)
		require.Equal(t, []uint16{1, 2, 3}, []uint16{p.acknowledged(), p.acknowledged(), p.acknowledged()})
		p.hears(&packets.DisconnectPacket{})
		require.Equal(t, uint64(3), c.Counts().Messages.Load())
		require.Equal(t, uint64(2), c.Counts().Refused.Load())
	})
}

// waiting is a receipt for what is durable when it is closed.
type waiting chan struct{}

func (w waiting) Wait(context.Context) error {
	<-w
	return nil
}

// takerFunc is a Taker of one function.
type takerFunc func(m mqtt.Message) mqtt.Receipt

func (f takerFunc) Take(m mqtt.Message, _ medfleet.Millis) mqtt.Receipt { return f(m) }

// failing is a receipt for what the disk does not take.
type failing struct{}

func (failing) Wait(context.Context) error { return errors.New("disk full") }

func TestWhatIsNotKeptIsNotAcknowledgedAndTheConnectionEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dial, came := dials(t)
		d := newDisk()
		c, _ := running(t, mqtt.ClientOptions{Taker: d, Dial: dial})
		p := <-came
		p.lets(packets.Accepted)
		p.grants(1)
		require.NoError(t, p.publishes(1, "one"))
		require.Equal(t, uint16(1), p.acknowledged())
		d.refuse(errors.New("disk full"))
		require.NoError(t, p.publishes(2, "two"))
		p.hears(&packets.DisconnectPacket{}) // not PUBACK
		synctest.Wait()
		require.ErrorContains(t, c.Err(), "disk full")
		require.Equal(t, uint64(1), c.Counts().Refused.Load())
		d.refuse(nil)
		p = <-came
		p.lets(packets.Accepted)
		p.grants(1)
		require.NoError(t, p.publishes(2, "two"))
		require.Equal(t, uint16(2), p.acknowledged())
		synctest.Wait() // until the answer to SUBSCRIBE is seen too
		require.True(t, c.Up())
	})
}

func TestTheWaitBetweenConnectionsGrowsToAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Time
		dial := func(context.Context, string, string) (net.Conn, error) {
			at = append(at, time.Now())
			return nil, errors.New("connection refused")
		}
		c, end := running(t, mqtt.ClientOptions{Taker: newDisk(), Dial: dial})
		time.Sleep(20 * time.Minute)
		require.ErrorContains(t, c.Err(), "connection refused: look whether the broker runs")
		end()
		require.Greater(t, len(at), 20)
		want := time.Second
		for i := range at[1:] {
			wait := at[i+1].Sub(at[i])
			require.GreaterOrEqual(t, wait, want/2, "attempt %d", i)
			require.LessOrEqual(t, wait, want, "attempt %d", i)
			want = min(2*want, time.Minute)
		}
	})
}

// A name that two clients use throws each of them out in turn, forever.
func TestConnectionsThatDoNotLastAreNoSuccess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dial, came := dials(t)
		c, end := running(t, mqtt.ClientOptions{Taker: newDisk(), Dial: dial})
		began := time.Now()
		for range 8 {
			p := <-came
			p.lets(packets.Accepted)
			p.grants(1)
			synctest.Wait()
			p.conn.Close()
		}
		require.Greater(t, time.Since(began), time.Minute)
		time.Sleep(time.Second)
		require.ErrorContains(t, c.Err(), `another client may use the name "medfleet-edge-1"`)
		p := <-came
		p.lets(packets.Accepted)
		p.grants(1)
		go func() { // answers pings
			for range p.in {
				_ = packets.NewControlPacket(packets.Pingresp).Write(p.conn)
			}
		}()
		time.Sleep(2 * time.Minute)
		lost := time.Now()
		p.conn.Close()
		<-came
		require.LessOrEqual(t, time.Since(lost), time.Second, "after one that lasted")
		end()
	})
}

func TestABrokerThatRefusesIsToldApart(t *testing.T) {
	for name, c := range map[string]struct {
		code, granted byte
		want          string
	}{
		"password":           {packets.ErrRefusedBadUsernameOrPassword, 0, "hold user, password_file and cert_file of gateway.mqtt.brokers against the broker's own list"},
		"not authorised":     {packets.ErrRefusedNotAuthorised, 0, "hold user, password_file and cert_file of gateway.mqtt.brokers against the broker's own list"},
		"name":               {packets.ErrRefusedIDRejected, 0, "set gateway.mqtt.brokers.client_id"},
		"version":            {packets.ErrRefusedBadProtocolVersion, 0, "MQTT 3.1.1"},
		"unavailable":        {packets.ErrRefusedServerUnavailable, 0, "look at the broker's log"},
		"may not subscribe":  {packets.Accepted, 0x80, `let the broker's access list allow "medfleet-edge-1" to read it`},
		"QoS 0 alone":        {packets.Accepted, 0, "let the broker allow QoS 1"},
		"a code of no sense": {99, 0, "broker"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dial, came := dials(t)
				client, _ := running(t, mqtt.ClientOptions{Taker: newDisk(), Dial: dial})
				p := <-came
				p.lets(c.code)
				if c.code == packets.Accepted {
					p.grants(c.granted)
				}
				<-came // it tries again
				require.ErrorContains(t, client.Err(), c.want)
				require.Zero(t, client.Counts().Connected.Load())
			})
		})
	}
}

// The library indexes its own list by the broker's answer.
func TestAnAnswerForMoreFiltersThanAskedForCostsTheConnectionOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dial, came := dials(t)
		c, _ := running(t, mqtt.ClientOptions{Taker: newDisk(), Dial: dial})
		p := <-came
		p.lets(packets.Accepted)
		p.grants(1, 1, 1)
		p = <-came
		require.Error(t, c.Err())
		p.lets(packets.Accepted)
		p.grants(1)
		synctest.Wait()
		require.True(t, c.Up())
	})
}

func TestASlowDiskHoldsTheBrokerBackAndMemoryStaysBounded(t *testing.T) {
	for name, c := range map[string]struct{ window, bytes, size, most, all int }{
		"by number": {100, 1 << 30, 1000, 100, 2000},
		"by bytes":  {100_000, 1 << 20, 100_000, 11, 100}, // 10 reach over 1 MiB with the 11th
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dial, came := dials(t)
				d := newDisk()
				d.stop()
				client, _ := running(t, mqtt.ClientOptions{Taker: d, Dial: dial, Window: c.window, WindowBytes: c.bytes, Patience: 5 * time.Second})
				p := <-came
				p.lets(packets.Accepted)
				p.grants(1)
				said, all := 0, make(chan error, 1)
				payload := strings.Repeat("x", c.size)
				go func() {
					for id := uint16(1); int(id) <= c.all; id++ {
						if err := p.publishes(id, payload); err != nil {
							all <- err
							return
						}
						said++
					}
					all <- nil
				}()
				time.Sleep(time.Second)
				synctest.Wait()
				require.InDelta(t, c.most, said, 2)
				require.True(t, client.Up(), "it only waits")
				require.Zero(t, client.Counts().Full.Load())

				time.Sleep(3 * time.Second)
				d.start() // in time: nothing is cut, and all the rest comes
				for id := uint16(1); int(id) <= c.all; id++ {
					require.Equal(t, id, p.acknowledged())
				}
				require.NoError(t, <-all)
				require.Len(t, d.durable(), c.all)
				require.Equal(t, uint64(1), client.Counts().Connected.Load())
			})
		})
	}
}

func TestADiskThatStandsStillIsSeenAndAFullWindowEndsTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dial, came := dials(t)
		d := newDisk()
		d.stop()
		c, _ := running(t, mqtt.ClientOptions{Taker: d, Dial: dial, Window: 3})
		p := <-came
		p.lets(packets.Accepted)
		p.grants(1)
		require.NoError(t, p.publishes(1, "one"))
		time.Sleep(11 * time.Second)
		require.False(t, c.Up(), "with one message waiting")
		require.ErrorContains(t, c.Err(), "the disk has not answered for 11s")
		require.Zero(t, c.Counts().Full.Load(), "but it stays connected: there is room")
		for id := uint16(2); id <= 4; id++ {
			require.NoError(t, p.publishes(id, "more"))
		}
		time.Sleep(9 * time.Second)
		require.Zero(t, c.Counts().Full.Load())
		time.Sleep(2 * time.Second)
		require.Equal(t, uint64(1), c.Counts().Full.Load())
		require.ErrorContains(t, c.Err(), "the window is full")
		d.start()
		p = <-came
		p.lets(packets.Accepted)
		p.grants(1)
		for id := uint16(1); id <= 4; id++ {
			require.NoError(t, p.publishes(id, fmt.Sprint("again ", id)))
			require.Equal(t, id, p.acknowledged())
		}
		require.True(t, c.Up())
	})
}

func TestADurableMessageWhoseConnectionIsGoneIsNotAcknowledged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dial, came := dials(t)
		d := newDisk()
		d.stubborn = true
		d.stop()
		c, _ := running(t, mqtt.ClientOptions{Taker: d, Dial: dial})
		p := <-came
		p.lets(packets.Accepted)
		p.grants(1)
		for id := uint16(1); id <= 50; id++ {
			require.NoError(t, p.publishes(id, "x"))
		}
		synctest.Wait()
		p.conn.Close()
		synctest.Wait()
		d.start()
		p = <-came
		require.Positive(t, c.Counts().Late.Load())
		require.Equal(t, c.Counts().Late.Load(), c.Counts().Messages.Load())
		p.lets(packets.Accepted)
		p.grants(1)
		synctest.Wait()
		require.Empty(t, p.in, "an acknowledgement of the last connection")
	})
}

// waitsForTheDisk is a client with a message that a disk which stands still does not take.
func waitsForTheDisk(t *testing.T) (*disk, *pretender, func()) {
	dial, came := dials(t)
	d := newDisk()
	d.stop()
	_, end := running(t, mqtt.ClientOptions{Taker: d, Dial: dial})
	p := <-came
	p.lets(packets.Accepted)
	p.grants(1)
	require.NoError(t, p.publishes(1, "one"))
	return d, p, end
}

func TestItEndsWhileTheDiskStandsStill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, p, end := waitsForTheDisk(t)
		synctest.Wait()
		began := time.Now()
		end()
		require.LessOrEqual(t, time.Since(began), 5*time.Second)
		p.hears(&packets.DisconnectPacket{}) // and no PUBACK before
	})
}

func TestItEndsAtOnceWhenTheConnectionIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, p, end := waitsForTheDisk(t)
		time.Sleep(time.Second)
		began := time.Now()
		p.conn.Close()
		end()
		require.Less(t, time.Since(began), 100*time.Millisecond, "nobody is left to be told what the disk takes")
	})
}

func TestAtTheEndWhatTheDiskTakesInTimeIsAcknowledged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, p, end := waitsForTheDisk(t)
		synctest.Wait()
		go func() {
			time.Sleep(time.Second)
			d.start()
		}()
		end()
		require.Equal(t, uint16(1), p.acknowledged())
		p.hears(&packets.DisconnectPacket{})
	})
}

func TestItEndsAtWhateverPointTheBrokerFallsSilent(t *testing.T) {
	for name, until := range map[string]func(*pretender){
		"before CONNACK": func(p *pretender) { p.hears(&packets.ConnectPacket{}) },
		"before SUBACK":  func(p *pretender) { p.lets(packets.Accepted); p.hears(&packets.SubscribePacket{}) },
		"in a packet": func(p *pretender) {
			p.lets(packets.Accepted)
			p.grants(1)
			_, err := p.conn.Write([]byte{0x32, 200, 1, 0, 5})
			require.NoError(p.t, err)
		},
	} {
		for _, ends := range []bool{true, false} {
			t.Run(fmt.Sprint(name, ", told to end ", ends), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					dial, came := dials(t)
					c, end := running(t, mqtt.ClientOptions{Taker: newDisk(), Dial: dial})
					p := <-came
					until(p)
					synctest.Wait()
					began := time.Now()
					if ends {
						end()
						require.LessOrEqual(t, time.Since(began), 5*time.Second)
						return
					}
					<-came // it gives up and tries again
					require.LessOrEqual(t, time.Since(began), time.Minute)
					require.Error(t, c.Err())
				})
			})
		}
	}
}

// instant is a Taker that costs nothing.
type instant struct{}

func (instant) Take(mqtt.Message, medfleet.Millis) mqtt.Receipt { return instant{} }
func (instant) Wait(context.Context) error                      { return nil }

// BenchmarkClient measures the way from the broker's socket to custody and back to
// PUBACK, with 1000 messages in flight.
func BenchmarkClient(b *testing.B) {
	const inFlight = 1000
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b, err)
	defer l.Close()
	o := mqtt.ClientOptions{Taker: instant{}}
	o.URL, o.ClientID = "mqtt://"+l.Addr().String(), "bench"
	c, err := mqtt.NewClient(o)
	require.NoError(b, err)
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	conn, err := l.Accept()
	require.NoError(b, err)
	_, err = packets.ReadPacket(conn)
	require.NoError(b, err)
	_, err = conn.Write(packet(0x20, []byte{0, 0}))
	require.NoError(b, err)
	s, err := packets.ReadPacket(conn)
	require.NoError(b, err)
	_, err = conn.Write(packet(0x90, append(binary.BigEndian.AppendUint16(nil, s.Details().MessageID), 1)))
	require.NoError(b, err)
	window := make(chan struct{}, inFlight)
	go func() {
		body := publishBody(statusTopic, 1, make([]byte, 200))
		one := packet(0x32, body)
		for range b.N {
			window <- struct{}{}
			if _, err := conn.Write(one); err != nil {
				return
			}
		}
	}()
	b.ReportAllocs()
	b.ResetTimer()
	in := bufio.NewReaderSize(conn, 64<<10)
	ack := make([]byte, 4)
	for range b.N {
		if _, err := io.ReadFull(in, ack); err != nil || ack[0] != 0x40 {
			b.Fatal(err, ack)
		}
		<-window
	}
	b.StopTimer()
	cancel()
	conn.Close()
	require.NoError(b, <-ended)
}
