package gateway

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"medfleet/gateway/mllp"
	"medfleet/gateway/pcd"
	"medfleet/record"
)

// What comes in decides what is answered, what is kept and whether the
// connection stays. This file is that table, row by row, over a real socket.

// exchange is one thing that a sender does, and all that comes of it.
type exchange struct {
	sends   string   // bytes on the wire
	answers []string // MSA-1 and MSA-2 of each answer, several in one frame joined by a comma
	closed  bool     // whether the connection ends
	counts  string   // the counter that moves
	records int      // observations at the collector, signs of life among them
	letters []string // of each dead letter, what a technician reads in it
}

func frame(messages ...string) string {
	var all []byte
	for _, m := range messages {
		all = mllp.AppendFrame(all, []byte(m))
	}
	return string(all)
}

func TestEachCauseHasItsAnswer(t *testing.T) {
	for name, row := range exchanges() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			requireExchange(t, row, func(o *Options) { o.HL7.MaxFrame = 256 << 10 })
		})
	}
}

func exchanges() map[string]exchange {
	order := header("OMP^O09", "o1") + "\r" + patientSegments + "ORC|NW|1\rRXO|Heparin\r"
	nameless := header("ORU^R01^ORU_R01", "n1") + "\r" + patientSegments + "OBR|1|1^V|1^V|^^|||20260314\r" +
		"OBX|1|NM|67996^MDC_ATTR_VAL_BATT_CHARGE^MDC|1.0.0.1|87|262688^MDC_DIM_PERCENT^MDC|||||R\r"
	return map[string]exchange{
		// understood, something for us
		"understood":                          {sends: frame(battery("1")), answers: []string{"AA 1"}, counts: "kept", records: 1},
		"understood, a commit is asked for":   {sends: frame(battery("2", "|||AL|NE")), answers: []string{"CA 2"}, counts: "kept", records: 1},
		"understood, an answer is asked for":  {sends: frame(battery("3", "|||NE|AL")), answers: []string{"AA 3"}, counts: "kept", records: 1},
		"understood, only errors are wanted":  {sends: frame(battery("4", "|||ER|NE")), counts: "kept", records: 1},
		"understood, no answer is wanted":     {sends: frame(battery("5", "|||NE|NE")), counts: "kept", records: 1},
		"understood, only success is wanted":  {sends: frame(battery("6", "|||SU|NE")), answers: []string{"CA 6"}, counts: "kept", records: 1},
		"understood, with a long control id":  {sends: frame(battery(strings.Repeat("7", 199))), answers: []string{"AA " + strings.Repeat("7", 199)}, counts: "kept", records: 1},
		"understood, the end block cut short": {sends: "\x0b" + battery("8") + "\x1c", answers: []string{"AA 8"}, counts: "kept", records: 1},
		"understood, behind half a frame":     {sends: "\x0b" + vitals("never ended")[:200] + frame(battery("9")), answers: []string{"AA 9"}, counts: "kept", records: 1},

		// understood, nothing for us
		"measurements only": {sends: frame(vitals("10")), answers: []string{"AA 10"}, counts: "nothing"},
		"demographics":      {sends: frame(header("ADT^A01", "11") + "\r" + patientSegments), answers: []string{"AA 11"}, counts: "nothing"},
		"an order":          {sends: frame(order), answers: []string{"AA o1"}, counts: "nothing"},
		"an answer":         {sends: frame(header("ACK", "12") + "\rMSA|AA|11\r"), counts: "nothing"},
		"a monitor's vitals are its sign of life": {
			sends:   frame(vitals("13") + "OBX|2||69965^MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS^MDC|1.0.0.0|||||||X|||||||M-77\r"),
			answers: []string{"AA 13"}, counts: "kept", records: 1},

		// HL7, not understood or not mappable
		"no device identity": {sends: frame(nameless), answers: []string{"AA n1"}, counts: "not understood", letters: []string{"no device identity"}},
		"no type":            {sends: frame(header("", "14") + "\r" + patientSegments), answers: []string{"AA 14"}, counts: "not understood", letters: []string{"MSH-9"}},
		"no type, enhanced":  {sends: frame(header("", "15", "|||AL|NE") + "\r" + patientSegments), answers: []string{"CA 15"}, counts: "not understood", letters: []string{"MSH-9"}},
		"too many segments": {sends: frame(header("ORU^R01^ORU_R01", "16") + "\r" + strings.Repeat("OBX|1\r", 20_000)),
			answers: []string{"AA 16"}, counts: "not understood", letters: []string{"too many segments"}},
		"no control id": {sends: frame(nameless[:strings.Index(nameless, "|n1|")] + "||P|2.6" + nameless[strings.Index(nameless, "|2.6")+4:]),
			answers: []string{"AA "}, counts: "not understood", letters: []string{"no device identity"}},

		// asks us something
		"a query":           {sends: frame(header("QRY^R02", "17") + "\rQRD|1\r"), answers: []string{"AR 17"}, counts: "asked"},
		"a query by name":   {sends: frame(header("QBP^Q22^QBP_Q21", "18") + "\rQPD|Q22|1|@PID.5^Quintero\r"), answers: []string{"AR 18"}, counts: "asked"},
		"a query, enhanced": {sends: frame(header("QRY^A19", "19", "|||AL|AL") + "\rQRD|1\r"), answers: []string{"CR 19"}, counts: "asked"},

		// not HL7
		"a frame of something else":       {sends: frame("hello Quintero"), closed: true, counts: "refused", letters: []string{"does not begin with MSH"}},
		"an empty frame":                  {sends: frame(""), closed: true, counts: "refused", letters: []string{"does not begin with MSH"}},
		"no frame":                        {sends: "GET /Quintero HTTP/1.1\r\n\r\n" + strings.Repeat("x", 8192), closed: true, counts: "refused", letters: []string{"not MLLP"}},
		"a message without a frame":       {sends: battery("20") + strings.Repeat("NTE|1||x\r", 1000), answers: []string{"AR 20"}, closed: true, counts: "refused", letters: []string{"not MLLP"}},
		"no usable separators":            {sends: frame("MSHabcdeQuintero"), closed: true, counts: "refused", letters: []string{"does not begin with MSH"}},
		"over the limit":                  {sends: "\x0b" + battery("21") + strings.Repeat("NTE|1||Quintero\r", 20_000), answers: []string{"AR 21"}, closed: true, counts: "refused", letters: []string{"over the limit"}},
		"over the limit, an id beyond it": {sends: "\x0bMSH|^~\\&|" + strings.Repeat("Q", 300<<10), closed: true, counts: "refused", letters: []string{"over the limit"}},
		"after a message that was all right": {sends: frame(battery("22"), "hello"), answers: []string{"AA 22"}, closed: true, counts: "refused", records: 1,
			letters: []string{"does not begin with MSH"}},

		// several messages in one frame: each becomes what it would have become alone
		"a batch": {
			sends:   frame("FHS|^~\\&|F\rBHS|^~\\&|B\r" + battery("23", "|||AL|NE") + header("QRY^R02", "24") + "\r" + vitals("25") + nameless + "BTS|9\rFTS|1\r"),
			answers: []string{"CA 23, AR 24, AA 25, AA n1"}, counts: "kept", records: 1, letters: []string{"no device identity"}},
		"saved frames without their blocks": {sends: frame(battery("26") + battery("27")), answers: []string{"AA 26, AA 27"}, counts: "kept", records: 2},
		"a batch with a broken message": {sends: frame("BHS|^~\\&|B\r" + battery("28") + "MSH|Quintero\r" + battery("29") + "BTS|3\r"),
			answers: []string{"AA 28, AA 29"}, counts: "kept", records: 2, letters: []string{"encoding characters"}},
		"an empty batch": {sends: frame("FHS|^~\\&|F\rFTS|0\r"), counts: "nothing"},
		"a batch, each of its parts in a frame": {
			sends:   frame("FHS|^~\\&|F\r", "BHS|^~\\&|B\r", battery("31"), battery("32"), "BTS|2\r", "FTS|1"),
			answers: []string{"AA 31", "AA 32"}, counts: "nothing", records: 2},
		"a batch too long": {sends: frame("BHS|^~\\&|B\r" + strings.Repeat(header("ADT^A08", "30")+"\r", maxBatch+1)),
			answers: []string{strings.Repeat("AA 30, ", maxBatch-1) + "AA 30"}, counts: "nothing", letters: []string{"too many messages"}},
	}
}

// requireExchange sends, then sends a message that is all right, so that what
// came before its answer is all that came of the first.
func requireExchange(t *testing.T, row exchange, change ...func(*Options)) {
	t.Helper()
	centre := newCentre(t)
	e := startEdge(t, centre, t.TempDir(), change...)
	counted := counter(e.Counts(), row.counts)
	answers, closed := converse(t, e.hl7, row.sends)
	require.Equal(t, row.answers, answers)
	require.Equal(t, row.closed, closed, "the connection ends")
	if row.closed {
		e.eventually(func() bool { return counted() > 0 }, "it is not counted")
	}
	after := 1 // the message that asked whether the connection stays
	if row.closed {
		after = 0
	}
	if row.counts == "kept" {
		require.Greater(t, counted(), uint64(after), "it is not counted")
	}
	require.NotZero(t, counted(), "it is not counted")
	require.Eventually(t, func() bool { return len(centre.of(record.Observation)) == row.records+after }, soon, time.Millisecond,
		"records at the collector")
	e.eventually(func() bool { return len(e.letters()) >= len(row.letters) }, "a letter is missing")
	letters := e.letters()
	require.Len(t, letters, len(row.letters))
	for i, reason := range row.letters {
		require.Contains(t, letters[i], reason)
		require.Contains(t, letters[i], `"peer":"127.0.0.1`)
	}
	for _, never := range []string{"Quintero", "8812345", "Heparin"} {
		require.NotContains(t, string(e.written()), never)
	}
}

func (e *edge) eventually(is func() bool, what string) {
	e.t.Helper()
	require.Eventually(e.t, is, soon, time.Millisecond, what)
}

func counter(c *Counts, name string) func() uint64 {
	return map[string]func() uint64{
		"kept": c.Kept.Load, "nothing": c.Nothing.Load, "not understood": c.NotUnderstood.Load, "asked": c.Asked.Load, "refused": c.Refused.Load,
	}[name]
}

// converse sends bytes and then a good message, and gives the answers that came
// before the good one's, or before the connection ended.
func converse(t *testing.T, address, sends string) (answers []string, closed bool) {
	t.Helper()
	const last = "the-last"
	conn, err := net.Dial("tcp", address)
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(soon)))
	written := make(chan struct{})
	go func() { // a receiver that has enough need not read the rest
		defer close(written)
		_, _ = io.WriteString(conn, sends+frame(battery(last)))
	}()
	defer func() { conn.Close(); <-written }()
	reader := mllp.NewReader(conn, mllp.ReaderConfig{})
	defer reader.Release()
	for {
		answer, err := reader.Next()
		if err != nil {
			require.NotErrorIs(t, err, os.ErrDeadlineExceeded, "neither an answer nor an end")
			return answers, true
		}
		codes := codesOf(answer)
		if strings.HasSuffix(codes, " "+last) {
			return answers, false
		}
		answers = append(answers, codes)
	}
}

// A refusal says why, in an ERR segment that the sender's technician finds in its log.
func TestARefusalSaysWhy(t *testing.T) {
	for name, c := range map[string]struct{ sends, want string }{
		"a query":        {frame(header("QRY^A19", "1") + "\rQRD|1\r"), "ERR||MSH^1^9|200^Unsupported message type^HL70357|E|||this receiver answers no queries"},
		"over the limit": {"\x0b" + battery("2") + strings.Repeat("NTE|1||Quintero\r", 80_000), "ERR|||207^Application internal error^HL70357|E|||message over the limit"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := startEdge(t, newCentre(t), t.TempDir())
			conn, err := net.Dial("tcp", e.hl7)
			require.NoError(t, err)
			defer conn.Close()
			require.NoError(t, conn.SetDeadline(time.Now().Add(soon)))
			written := make(chan struct{})
			go func() {
				defer close(written)
				_, _ = io.WriteString(conn, c.sends)
			}()
			defer func() { conn.Close(); <-written }()
			reader := mllp.NewReader(conn, mllp.ReaderConfig{})
			defer reader.Release()
			answer, err := reader.Next()
			require.NoError(t, err)
			require.Contains(t, string(answer), "\rMSA|AR|")
			require.Contains(t, string(answer), "\r"+c.want+"\r")
		})
	}
}

// codesOf gives MSA-1 and MSA-2 of all answers in a frame, whatever separates
// their fields.
func codesOf(answer []byte) string {
	var codes []string
	for s := range strings.SplitSeq(string(answer), "\r") {
		if len(s) < 4 {
			continue
		}
		if f := strings.Split(s, s[3:4]); f[0] == "MSA" && len(f) > 2 {
			codes = append(codes, f[1]+" "+f[2])
		}
	}
	return strings.Join(codes, ", ")
}

func TestASenderThatIsNotOnTheListIsToldOnceAndKeptOut(t *testing.T) {
	elsewhere := func(o *Options) { o.HL7.Allow = []netip.Prefix{netip.MustParsePrefix("10.20.0.0/16")} }
	for name, row := range map[string]exchange{
		"a message":        {sends: frame(battery("1")), answers: []string{"AR 1"}},
		"several":          {sends: frame(battery("1"), battery("2"), battery("3")), answers: []string{"AR 1"}},
		"something else":   {sends: frame("hello Quintero")},
		"nothing readable": {sends: strings.Repeat("Quintero", 4096)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			row.closed, row.counts, row.letters = true, "refused", []string{"not on the allow-list"}
			requireExchange(t, row, elsewhere)
		})
	}
}

func TestASendersConfigurationChoosesTheAnswer(t *testing.T) {
	for answer, want := range map[string]string{"original": "AA 1", "enhanced": "CA 1", "auto": "CA 1"} {
		t.Run(answer, func(t *testing.T) {
			t.Parallel()
			row := exchange{sends: frame(battery("1", "|||AL|NE")), answers: []string{want}, counts: "kept", records: 1}
			requireExchange(t, row, func(o *Options) {
				o.HL7.Senders = []pcd.Sender{{Name: "vents", Match: pcd.Match{Application: "VENT"}, Answer: answer}}
			})
		})
	}
}

// stuck is a disk that is not done until somebody gives up waiting.
type stuck struct{ Custody }

func (stuck) WaitDurable(ctx context.Context, _ uint64) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestAGatewayThatStopsAcknowledgesNothingItDoesNotHave(t *testing.T) {
	e := startEdge(t, newCentre(t), t.TempDir(), func(o *Options) {
		o.Fault = func(c Custody) Custody { return stuck{c} }
	})
	conn, err := net.Dial("tcp", e.hl7)
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(soon)))
	_, err = io.WriteString(conn, frame(battery("1"), header("QRY^R02", "2")+"\r"))
	require.NoError(t, err)
	e.eventually(func() bool { return e.Counts().Asked.Load() == 1 }, "the messages did not come in")
	e.stop()
	answer, _ := io.ReadAll(conn)
	require.Empty(t, answer, "not even to the question: it stands behind a message without an answer")
	require.Zero(t, e.Counts().Kept.Load())
}

func TestAThousandMessagesInOneGoAreAnsweredInTheirOrder(t *testing.T) {
	const n = 1000
	centre := newCentre(t)
	e := startEdge(t, centre, t.TempDir())
	var all strings.Builder
	want := make([]string, 0, n)
	for i := range n {
		id := fmt.Sprint("p", i)
		all.WriteString(frame(battery(id)))
		want = append(want, "AA "+id)
	}
	answers, closed := converse(t, e.hl7, all.String())
	require.False(t, closed)
	require.Equal(t, want, answers)
	require.Equal(t, uint64(n+1), e.Counts().Kept.Load())
	require.Eventually(t, func() bool { return len(centre.of(record.Observation)) == n+1 }, soon, 5*time.Millisecond)
}

// What goes back is what the sender itself wrote into its header, byte by byte,
// whatever it calls its character set; and one frame is one frame.
func TestAnAnswerHoldsNothingButItsSendersHeader(t *testing.T) {
	e := startEdge(t, newCentre(t), t.TempDir())
	for name, row := range map[string]struct{ charset, id, wantSet, wantID string }{
		"a set that nobody knows":               {"KLINGON-7", "7\xff\xfe\x80", "KLINGON-7", "7\xff\xfe\x80"},
		"bytes of no set":                       {"A\x01\x1d\x00\xc3\x28", "8", "A\xc3\x28", "8"}, // control characters are left out
		"several sets":                          {"KLINGON~UNICODE UTF-8~", "9", "KLINGON~UNICODE UTF-8~", "9"},
		"escapes that would end a segment":      {`\X0D\\X1C0D\\.br\`, `10\X1C0D\`, `\X0D\\X1C0D\\.br\`, `10\X1C0D\`},
		"a set that is read before it is split": {"GB 18030-2000", "11\x81\x40", "UNICODE UTF-8", "11\u4e02"},
		"a set that is not what came":           {"UNICODE UTF-16", "12", "UNICODE UTF-16", "12"},
		"a very long name":                      {strings.Repeat("Q", 20_000), "13", strings.Repeat("Q", 20_000), "13"},
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := net.Dial("tcp", e.hl7)
			require.NoError(t, err)
			s := talk(t, conn)
			defer s.Close()
			s.says(battery(row.id, "||||||"+row.charset), battery("next"))
			answer, err := s.r.Next()
			require.NoError(t, err)
			lines := strings.Split(strings.TrimSuffix(string(answer), "\r"), "\r")
			require.Len(t, lines, 2)
			header := strings.Split(lines[0], "|")
			require.Equal(t, []string{"MSH", `^~\&`, "HUB", "HOSP", "VENT^00137A0000A1B2C3^EUI-64", "MAKER"}, header[:6])
			require.Equal(t, []string{"P", "2.6"}, header[10:12])
			require.Equal(t, row.wantSet, header[17])
			require.Equal(t, "MSA|AA|"+row.wantID, lines[1])
			for i, own := range map[int]string{6: `^\d{14}`, 8: `^ACK\^R01\^ACK$`, 9: `^\d+$`} {
				require.Regexp(t, own, header[i])
			}
			require.Empty(t, strings.Join(append(header[12:17:17], header[18:]...), ""))
			answer, err = s.r.Next()
			require.NoError(t, err)
			require.Equal(t, "AA next", code(answer), "the frame ended where it should")
		})
	}
}
