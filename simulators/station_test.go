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
		return mllp.Answer{Close: true}
	}
	answer, _ := hl7.Ack(nil, &m, r.outcome(n), hl7.AckOptions{Now: time.Now()})
	return mllp.Answer{Frame: answer}
}

func (r *hl7Receiver) Refuse(context.Context, mllp.Peer, mllp.Reason, []byte) mllp.Answer {
	return mllp.Answer{}
}

// sinkReceiver accepts everything.
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
	l := mllp.NewListener(mllp.Config{}, h)
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
	f, err := New(Config{
		Devices: 15, Interval: 30 * time.Millisecond, Scenario: "calm", Drain: 20 * time.Second,
		HL7: listen(t, r), Acked: got.settled,
	})
	require.NoError(t, err)
	stop := start(t, f)
	soon(t, func() bool { return got.ackedSoFar() > 400 }, "400 acknowledgements")
	require.NoError(t, stop())
	got.check(t, func(m Message) key { return key{"", m.ID} })
	c := f.Counts()
	require.Zero(t, c.Dropped)
	require.Equal(t, c.Made, c.Acked)
	require.Positive(t, c.Resent)
	require.Positive(t, c.Reconnects)
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
	f, err := New(Config{Devices: 3, Interval: 20 * time.Millisecond, Scenario: "calm", Drain: 20 * time.Second, HL7: listen(t, r)})
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
