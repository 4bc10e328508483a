package gateway

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"medfleet/gateway/mllp"
	"medfleet/record"
)

// header is an MSH of a message type; the rest of the segment may follow.
func header(kind, id string, rest ...string) string {
	return `MSH|^~\&|VENT^00137A0000A1B2C3^EUI-64|MAKER|HUB|HOSP|` + time.Now().UTC().Format("20060102150405") + `+0000||` + kind + "|" + id + "|P|2.6" + strings.Join(rest, "")
}

const patientSegments = "PID|||8812345^^^HOSP^MR||Quintero^Ana||19580203|F\rPV1||I|ICU^412^A^NORTH\r"

// battery is a ventilator's report of its battery, among a patient's data.
func battery(id string, rest ...string) string {
	return header("ORU^R01^ORU_R01", id, rest...) + "\r" + patientSegments +
		"OBR|1|1^V|1^V|^^|||" + time.Now().UTC().Format("20060102150405") + "+0000\r" +
		"OBX|1||70001^MDC_DEV_SYS_PT_VENT_MDS^MDC|1.0.0.0|||||||X|||||||V-1007\r" +
		"OBX|2|NM|67996^MDC_ATTR_VAL_BATT_CHARGE^MDC|1.0.0.1|87|262688^MDC_DIM_PERCENT^MDC|||||R\r" +
		"OBX|3|NM|151562^MDC_VENT_RESP_RATE^MDC|1.0.0.2|14|264928^MDC_DIM_RESP_PER_MIN^MDC|||||R\r"
}

// vitals has the patient's data only.
func vitals(id string) string {
	return header("ORU^R01^ORU_R01", id) + "\r" + patientSegments +
		"OBR|1|1^V|1^V|^^|||" + time.Now().UTC().Format("20060102150405") + "+0000\r" +
		"OBX|1|NM|147842^MDC_ECG_HEART_RATE^MDC|1.0.0.1|72|264864^MDC_DIM_BEAT_PER_MIN^MDC|||||R\r"
}

func dial(t *testing.T, address string) *mllp.Client {
	t.Helper()
	c, err := mllp.Dial(t.Context(), address, mllp.ClientConfig{Timeout: soon})
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

// code gives MSA-1 and MSA-2 of an answer.
func code(answer []byte) string {
	for s := range strings.SplitSeq(string(answer), "\r") {
		if f := strings.Split(s, "|"); f[0] == "MSA" && len(f) > 2 {
			return f[1] + " " + f[2]
		}
	}
	return "no MSA"
}

func TestWhatIsNoHL7EndsTheConnection(t *testing.T) {
	for name, raw := range map[string]string{
		"a frame of something else": "\x0bhello Quintero\x1c\r",
		"no frame":                  "GET /Quintero HTTP/1.1\r\nHost: x\r\n\r\n" + strings.Repeat("x", 8192),
		"no usable separators":      "\x0bMSHabcdeQuintero\x1c\r",
	} {
		t.Run(name, func(t *testing.T) {
			e := startEdge(t, newCentre(t), t.TempDir())
			conn, err := net.Dial("tcp", e.hl7)
			require.NoError(t, err)
			defer conn.Close()
			require.NoError(t, conn.SetDeadline(time.Now().Add(soon)))
			_, err = conn.Write([]byte(raw))
			require.NoError(t, err)
			answer, err := io.ReadAll(conn)
			if err != nil {
				require.NotErrorIs(t, err, os.ErrDeadlineExceeded, "the connection stays open")
			}
			require.NotContains(t, string(answer), "AA")
			require.Eventually(t, func() bool { return e.Counts().Refused.Load() == 1 }, soon, time.Millisecond)
			letters := e.letters()
			require.Len(t, letters, 1)
			require.Contains(t, letters[0], "digest ")
			require.Contains(t, letters[0], `"peer":"127.0.0.1`)
			require.NotContains(t, string(e.written()), "Quintero")
		})
	}
}

// failing is a spool whose disk is full, until it is not.
type failing struct {
	Custody
	err error
}

func (f *failing) WaitDurable(ctx context.Context, sequence uint64) error {
	if f.err != nil {
		return f.err
	}
	return f.Custody.WaitDurable(ctx, sequence)
}

func TestWithoutADiskThereIsNoAnswerAndTheConnectionEnds(t *testing.T) {
	broken := errors.New("disk full")
	e := startEdge(t, newCentre(t), t.TempDir(), func(o *Options) {
		o.Fault = func(c Custody) Custody { return &failing{c, broken} }
	})
	client := dial(t, e.hl7)
	_, err := client.Send(t.Context(), []byte(battery("1")))
	require.Error(t, err)
	select {
	case <-client.Done():
	case <-time.After(soon):
		t.Fatal("the connection stays: the sender waits for an answer that never comes")
	}
	require.Equal(t, uint64(1), e.Counts().NotKept.Load())
	require.Zero(t, e.Counts().Kept.Load())
}

func TestAMessageSentAgainIsOneEventAndOnePoint(t *testing.T) {
	c := newCentre(t)
	e := startEdge(t, c, t.TempDir())
	client := dial(t, e.hl7)
	message := []byte(battery("7"))
	for range 3 {
		answer, err := client.Send(t.Context(), message)
		require.NoError(t, err)
		require.Equal(t, "AA 7", code(answer))
	}
	require.Eventually(t, func() bool { return len(c.of(record.Observation)) == 3 }, soon, time.Millisecond)
	times := map[any]bool{}
	for _, l := range c.of(record.Observation) {
		require.Equal(t, 87.0, l.Number("battery_charge"))
		require.Zero(t, l.Number("resp_rate"))
		times[l.Time] = true
	}
	require.Len(t, times, 1, "the same point three times")
}

func TestAnswersComeInTheOrderOfTheMessages(t *testing.T) {
	e := startEdge(t, newCentre(t), t.TempDir())
	conn, err := net.Dial("tcp", e.hl7)
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(soon)))
	ids := []string{"a1", "a2", "a3", "a4", "a5", "a6"}
	var all []byte
	for i, id := range ids {
		message := battery(id)
		if i%2 == 1 {
			message = header("QRY^R02", id) + "\r" // answered without the disk
		}
		all = mllp.AppendFrame(all, []byte(message))
	}
	_, err = conn.Write(all)
	require.NoError(t, err)
	reader := mllp.NewReader(conn, mllp.ReaderConfig{})
	defer reader.Release()
	for _, id := range ids {
		answer, err := reader.Next()
		require.NoError(t, err)
		require.Equal(t, id, strings.Fields(code(answer))[1])
	}
}

func TestAMessageTheHandlerCannotBearCostsNoOther(t *testing.T) {
	e := startEdge(t, newCentre(t), t.TempDir())
	h, err := newHL7Keeper(e.keeper, e.dead, e.Counts(), HL7Config{}, set(), "north", "edge-1")
	require.NoError(t, err)
	a := h.Refuse(t.Context(), mllp.Peer{}, mllp.Panicked, []byte(battery("13")))
	require.Equal(t, "AR 13", code(a.Frame))
	require.False(t, a.Close, "the connection stays")
	require.True(t, h.Refuse(t.Context(), mllp.Peer{}, mllp.Panicked, nil).Close, "without an answer it would wait for ever")
	require.True(t, h.Refuse(t.Context(), mllp.Peer{}, mllp.TooLarge, []byte(battery("14"))).Close)
	require.Len(t, e.letters(), 3)
}
