package simulators

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"medfleet"
	"medfleet/gateway/hl7"
	"medfleet/gateway/mllp"
	"medfleet/gateway/tlsfiles"
	"medfleet/gateway/tlsfiles/tlstest"
)

// hl7Receiver is a receiver over MLLP that sometimes does not answer as one would wish.
type hl7Receiver struct {
	*receiver
	cut     func(n int) bool // close instead of an answer
	outcome func(n int) hl7.Outcome
}

func (r *hl7Receiver) Accept(_ context.Context, _ mllp.Peer, frame []byte) mllp.Receipt {
	m, err := hl7.Parse(frame)
	if err != nil {
		return mllp.Answer{Close: true}
	}
	id := m.Header().Field(10).String()
	var device string
	for _, s := range m.Segments() {
		if name := s.Field(18).Component(1).String(); s.Name() == "OBX" && name != "" {
			device = name
		}
	}
	n := r.take(medfleet.DeviceID(device), key{"", id}, frame)
	if r.cut(n) {
		return mllp.Answer{Close: true, NotKept: true}
	}
	answer, _ := hl7.Ack(nil, &m, r.outcome(n), hl7.AckOptions{Now: time.Now()})
	return mllp.Answer{Frame: answer}
}

func (r *hl7Receiver) Refuse(context.Context, mllp.Peer, mllp.Reason, []byte) mllp.Answer {
	return mllp.Answer{}
}

// sinkReceiver accepts overMQTTAndHL7.
type sinkReceiver struct{ hl7Receiver }

func (r *sinkReceiver) Accept(_ context.Context, _ mllp.Peer, frame []byte) mllp.Receipt {
	m, err := hl7.Parse(frame)
	if err != nil {
		return mllp.Answer{Close: true}
	}
	answer, _ := hl7.Ack(nil, &m, hl7.Accepted, hl7.AckOptions{Now: time.Now()})
	return mllp.Answer{Frame: answer}
}

func listen(t testing.TB, h mllp.Handler) string {
	t.Helper()
	return listenAs(t, h, mllp.Config{})
}

func listenAs(t testing.TB, h mllp.Handler, c mllp.Config) string {
	t.Helper()
	l := mllp.NewListener(c, h)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-ended)
	})
	return ln.Addr().String()
}

func TestStationsOverACutReceiver(t *testing.T) {
	got := newReceiver()
	r := &hl7Receiver{
		receiver: got, cut: func(n int) bool { return n%29 == 28 },
		outcome: func(n int) hl7.Outcome {
			if n == 50 {
				return hl7.Failed // not now: it is to come again
			}
			return hl7.Accepted
		},
	}
	requireCutsAreSurvived(t, got, Config{HL7: listen(t, r)})
}

func TestStationsOverTLSAndRelease2(t *testing.T) {
	authority := tlstest.New(t)
	cert, key := authority.Issue("gateway")
	server, err := tlsfiles.Server{CertFile: cert, KeyFile: key, ClientCAFile: authority.CA()}.Config("server")
	require.NoError(t, err)
	cert, key = authority.Issue("station")
	client, err := tlsfiles.Client{CAFile: authority.CA(), CertFile: cert, KeyFile: key}.Config("client", "127.0.0.1")
	require.NoError(t, err)
	got := newReceiver()
	r := &hl7Receiver{
		receiver: got, cut: func(n int) bool { return n%29 == 28 },
		outcome: func(int) hl7.Outcome { return hl7.Accepted },
	}
	address := listenAs(t, r, mllp.Config{TLS: server, Release2: true})
	requireCutsAreSurvived(t, got, Config{HL7: address, HL7TLS: client, HL7Release2: true})
}

// requireCutsAreSurvived lets a ward send to a receiver that cuts connections.
func requireCutsAreSurvived(t *testing.T, got *receiver, c Config) {
	t.Helper()
	c.Devices, c.Interval, c.Scenario, c.Drain, c.Acked = 15, 30*time.Millisecond, "calm", time.Minute, got.settled
	f, err := New(c)
	require.NoError(t, err)
	stop := start(t, f)
	soon(t, func() bool { return got.ackedSoFar() > 400 }, "400 acknowledgements")
	require.NoError(t, stop())
	got.check(t, func(m Message) key { return key{"", m.ID} })
	n := f.Counts()
	require.Zero(t, n.Dropped)
	require.Equal(t, n.Made, n.Acked)
	require.Positive(t, n.Resent)
	require.Positive(t, n.Reconnects)
}

func TestWhatIsRefusedForGoodIsNotSentAgain(t *testing.T) {
	got := newReceiver()
	r := &hl7Receiver{
		receiver: got, cut: func(int) bool { return false },
		outcome: func(n int) hl7.Outcome {
			if n%5 == 0 {
				return hl7.Rejected
			}
			return hl7.Accepted
		},
	}
	f, err := New(Config{Devices: 3, Interval: 20 * time.Millisecond, Scenario: "calm", Drain: time.Minute, HL7: listen(t, r)})
	require.NoError(t, err)
	stop := start(t, f)
	soon(t, func() bool { return f.Counts().Refused > 5 }, "refusals")
	require.NoError(t, stop())
	c := f.Counts()
	require.Equal(t, c.Made, c.Acked+c.Refused)
	require.Zero(t, c.Resent)
	for k, payloads := range got.got {
		require.Len(t, payloads, 1, k.id)
	}
}
