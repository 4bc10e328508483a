package mllp

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestASlowFrameIsCutOff(t *testing.T) {
	for name, next := range map[string]string{"byte by byte": "x", "ever new starts": "\x0b", "rubbish": ""} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h, p := &recorder{}, newPipes()
				l := NewListener(Config{}, h)
				stop := run(t, l, p)
				nc := p.dial()
				r := bufio.NewReader(nc)
				start := time.Now()
				send(t, nc, framed(message("1")))
				answer(t, r)
				time.Sleep(time.Hour)
				went := time.Now()
				if next == "" {
					next = "y"
				} else {
					send(t, nc, "\x0bMSH|")
				}
				go func() {
					for {
						time.Sleep(9 * time.Second)
						if _, err := nc.Write([]byte(next)); err != nil {
							return
						}
					}
				}()
				rest, err := io.ReadAll(r)
				require.NoError(t, err)
				require.Contains(t, string(rest), "refused: ")
				require.LessOrEqual(t, time.Since(went), 40*time.Second)
				require.GreaterOrEqual(t, time.Since(start), time.Hour+30*time.Second)
				require.Equal(t, int64(1), l.Counters().Slow.Load()+l.Counters().NoFrame.Load())
				require.Len(t, h.seen(), 1)
				time.Sleep(time.Minute)
				stop()
			})
		})
	}
}

func TestRefusals(t *testing.T) {
	elsewhere := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	tests := map[string]struct {
		config  Config
		send    string
		reason  Reason
		head    string
		counter func(*Counters) int64
		before  int // messages answered before
	}{
		"over the limit": {Config{Limits: Limits{MaxFrame: 3000}}, framed(message("1")) + "\x0b" + message("2") + strings.Repeat("x", 100_000),
			TooLarge, "MSH|", func(c *Counters) int64 { return c.TooLarge.Load() }, 1},
		"not MLLP": {Config{}, framed(message("1")) + strings.Repeat("GET / HTTP/1.1\r\n", 1000),
			NotFramed, "GET /", func(c *Counters) int64 { return c.NoFrame.Load() }, 1},
		"not allowed": {Config{Allow: elsewhere}, framed(message("1")) + framed(message("2")),
			NotAllowed, "MSH|", func(c *Counters) int64 { return c.Refused.Load() }, 0},
		"not allowed, and long": {Config{Allow: elsewhere}, "\x0b" + message("1") + strings.Repeat("x", 100_000),
			NotAllowed, "MSH|", func(c *Counters) int64 { return c.Refused.Load() }, 0},
		"unfinished too much": {Config{Limits: Limits{MaxUnfinished: 2000}}, "\x0bMSH|" + strings.Repeat("x", 100_000),
			Busy, "MSH|", func(c *Counters) int64 { return c.Busy.Load() }, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			ln, h := listen(t), &recorder{}
			l := NewListener(tt.config, h)
			stop := run(t, l, ln)
			defer stop()
			nc := dialTCP(t, ln)
			defer nc.Close()
			send(t, nc, tt.send)
			r := bufio.NewReader(nc)
			for i := range tt.before {
				require.Equal(t, ack(fmt.Sprint(i+1)), answer(t, r))
			}
			require.Equal(t, "refused: "+tt.reason.String(), answer(t, r))
			_, err := r.ReadByte()
			require.Equal(t, io.EOF, err, "closed in order, after the answer")
			require.Len(t, h.seen(), tt.before)
			require.Len(t, h.turnedAway(), 1)
			require.Contains(t, h.turnedAway()[0], tt.head)
			require.Equal(t, int64(1), tt.counter(l.Counters()))
		})
	}
}

func TestAllowListTakesAddressesAsTheyAre(t *testing.T) {
	ln, h := listen(t), &recorder{}
	stop := run(t, NewListener(Config{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}, h), ln)
	defer stop()
	nc := dialTCP(t, ln)
	defer nc.Close()
	send(t, nc, framed(message("1")))
	require.Equal(t, ack("1"), answer(t, bufio.NewReader(nc)))
	require.Equal(t, nc.LocalAddr().String(), h.peers[1].Addr.String())
}

func TestASenderNotAllowedCannotLinger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, p := &recorder{}, newPipes()
		stop := run(t, NewListener(Config{Allow: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}, h), p)
		nc := p.dial()
		start := time.Now()
		r := bufio.NewReader(nc)
		require.Equal(t, "refused: "+NotAllowed.String(), answer(t, r))
		require.Equal(t, turnAwayTime, time.Since(start))
		_, err := r.ReadByte()
		require.Equal(t, io.EOF, err)
		require.Empty(t, h.seen())
		stop()
	})
}

func TestTooManyConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, p := &recorder{}, newPipes()
		l := NewListener(Config{MaxConnections: 2}, h)
		stop := run(t, l, p)
		one, two, three := p.dial(), p.dial(), p.dial()
		_, err := three.Read(make([]byte, 1))
		require.Equal(t, io.EOF, err)
		require.Equal(t, []string{TooMany.String() + `: ""`}, h.turnedAway())
		one.Close()
		synctest.Wait()
		four := p.dial()
		send(t, four, framed(message("4")))
		require.Equal(t, ack("4"), answer(t, bufio.NewReader(four)))
		require.Equal(t, int64(2), l.Counters().Open.Load())
		two.Close()
		four.Close()
		stop()
	})
}

func TestAPanicCostsOneMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &recorder{accept: func(_ context.Context, frame string) Receipt {
			id := string(controlID([]byte(frame)))
			if id == "1" {
				panic("parser")
			}
			return ReceiptFunc(func(context.Context) Answer {
				if id == "2" {
					panic("storage")
				}
				return Answer{Frame: []byte(ack(id))}
			})
		}}
		p := newPipes()
		l := NewListener(Config{}, h)
		stop := run(t, l, p)
		nc := p.dial()
		send(t, nc, framed(message("1"))+framed(message("2"))+framed(message("3")))
		r := bufio.NewReader(nc)
		require.Equal(t, "refused: handler panicked", answer(t, r))
		require.Equal(t, "refused: handler panicked", answer(t, r))
		require.Equal(t, ack("3"), answer(t, r))
		require.Equal(t, int64(2), l.Counters().Panics.Load())

		h.refuse = func(Reason, string) Answer { panic("refusal") }
		send(t, nc, framed(message("1")))
		_, err := r.ReadByte()
		require.Equal(t, io.EOF, err, "a refusal that panics closes")
		nc.Close()
		stop()
	})
}

func TestASenderThatTakesNoAnswersIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, p := &recorder{}, newPipes()
		l := NewListener(Config{Limits: Limits{WriteTimeout: 10 * time.Second}}, h)
		stop := run(t, l, p)
		nc := p.dial()
		send(t, nc, framed(message("1")))
		time.Sleep(11 * time.Second)
		synctest.Wait()
		require.Zero(t, l.Counters().Open.Load())
		require.Equal(t, int64(1), l.Counters().Failures.Load())
		_, err := nc.Write([]byte("x"))
		require.Error(t, err)
		stop()
	})
}

func TestTLS(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	roots := x509.NewCertPool()
	roots.AddCert(cert)

	ln, h := listen(t), &recorder{}
	l := NewListener(Config{
		Limits: Limits{MaxFrame: 3000}, TLS: &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}},
	}, h)
	stop := run(t, l, ln)
	defer stop()
	c, err := Dial(context.Background(), ln.Addr().String(), ClientConfig{TLS: &tls.Config{RootCAs: roots}})
	require.NoError(t, err)
	defer c.Close()
	got, err := c.Send(context.Background(), []byte(message("1")))
	require.NoError(t, err)
	require.Equal(t, ack("1"), string(got))
	require.NotNil(t, h.peers[1].TLS)

	plain := dialTCP(t, ln)
	defer plain.Close()
	send(t, plain, framed(message("2")))
	_, err = io.ReadAll(plain)
	require.NoError(t, err)
	require.Len(t, h.seen(), 1, "plain text is not taken")
}
