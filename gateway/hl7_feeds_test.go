package gateway

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"medfleet"
	"medfleet/gateway/hl7"
	"medfleet/gateway/mllp"
	"medfleet/gateway/pcd"
	"medfleet/gateway/tlsfiles"
	"medfleet/gateway/tlsfiles/tlstest"
	"medfleet/record"
)

// secured makes the gateway's HL7 address speak TLS; with mutual it asks senders
// for a certificate.
func secured(a *tlstest.Authority, name string, mutual bool) func(*Options) {
	cert, key := a.Issue(name)
	return func(o *Options) {
		o.HL7.TLS.CertFile, o.HL7.TLS.KeyFile = cert, key
		if mutual {
			o.HL7.TLS.ClientCAFile = a.CA()
		}
	}
}

func clientTLS(t *testing.T, c tlsfiles.Client) *tls.Config {
	t.Helper()
	config, err := c.Config("client", "127.0.0.1")
	require.NoError(t, err)
	return config
}

func TestHL7OverTLS(t *testing.T) {
	ours, others := tlstest.New(t), tlstest.New(t)
	cert, key := ours.Issue("pump")
	strange, strangeKey := others.Issue("pump")
	oneSided, mutual := secured(ours, "one", false), secured(ours, "two", true)
	for name, row := range map[string]struct {
		server func(*Options)
		client tlsfiles.Client
		plain  bool
		taken  bool
	}{
		"one-sided":                            {server: oneSided, client: tlsfiles.Client{CAFile: ours.CA()}, taken: true},
		"mutual":                               {server: mutual, client: tlsfiles.Client{CAFile: ours.CA(), CertFile: cert, KeyFile: key}, taken: true},
		"mutual, and the sender shows nothing": {server: mutual, client: tlsfiles.Client{CAFile: ours.CA()}},
		"mutual, and it shows another's":       {server: mutual, client: tlsfiles.Client{CAFile: ours.CA(), CertFile: strange, KeyFile: strangeKey}},
		"the sender does not know us":          {server: oneSided, client: tlsfiles.Client{CAFile: others.CA()}},
		"plain text":                           {server: oneSided, plain: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := startEdge(t, newCentre(t), t.TempDir(), row.server)
			config := mllp.ClientConfig{Timeout: soon}
			if !row.plain {
				config.TLS = clientTLS(t, row.client)
			}
			client, err := mllp.Dial(t.Context(), e.hl7, config)
			if err == nil {
				defer client.Close()
				var answer []byte
				if answer, err = client.Send(t.Context(), []byte(battery("1"))); err == nil {
					require.Equal(t, "AA 1", code(answer))
				}
			}
			require.Equal(t, row.taken, err == nil, "%v", err)
			require.Equal(t, row.taken, e.Counts().Kept.Load() == 1)
		})
	}
}

func TestSeveralHL7Listeners(t *testing.T) {
	c, more, authority := newCentre(t), listen(t), tlstest.New(t)
	e := startEdge(t, c, t.TempDir(), func(o *Options) {
		l := HL7Listener{Name: "secure", Listen: more.Addr().String(), Release2: true}
		l.TLS.CertFile, l.TLS.KeyFile = authority.Issue("gateway")
		o.HL7.Listeners, o.HL7More = []HL7Listener{l}, []net.Listener{more}
	})
	_, err := dial(t, e.hl7).Send(t.Context(), []byte(battery("1")))
	require.NoError(t, err)
	client, err := mllp.Dial(t.Context(), more.Addr().String(), mllp.ClientConfig{
		Timeout: soon, Release2: true, TLS: clientTLS(t, tlsfiles.Client{CAFile: authority.CA()}),
	})
	require.NoError(t, err)
	defer client.Close()
	answer, err := client.Send(t.Context(), []byte(battery("2")))
	require.NoError(t, err)
	require.Equal(t, "AA 2", code(answer))
	feeds := map[string]Feed{}
	for _, f := range e.Feeds() {
		feeds[f.Name] = f
		require.True(t, f.Up(), f.Name)
	}
	require.Len(t, feeds, 3)
	require.True(t, feeds["mqtt"].Heard().IsZero())
	require.Nil(t, feeds["mqtt"].Lines)
	for _, name := range []string{"hl7", "hl7 secure"} {
		require.False(t, feeds[name].Heard().IsZero(), name)
		require.Equal(t, uint64(1), feeds[name].Messages())
		require.Equal(t, int64(1), feeds[name].Lines.Open.Load())
	}
}

// station takes one connection of the gateway and speaks as the far end.
type station struct {
	net.Conn
	t *testing.T
	r *mllp.Reader
}

func takeCall(t *testing.T, l net.Listener) *station {
	t.Helper()
	require.NoError(t, l.(*net.TCPListener).SetDeadline(time.Now().Add(soon)))
	conn, err := l.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	return talk(t, conn)
}

func talk(t *testing.T, conn net.Conn) *station {
	require.NoError(t, conn.SetDeadline(time.Now().Add(soon)))
	return &station{conn, t, mllp.NewReader(conn, mllp.ReaderConfig{})}
}

func (s *station) says(messages ...string) {
	s.t.Helper()
	_, err := io.WriteString(s, frame(messages...))
	require.NoError(s.t, err)
}

// hears gives the next message that is no echo.
func (s *station) hears() string {
	s.t.Helper()
	for {
		message, err := s.r.Next()
		require.NoError(s.t, err)
		if m, err := hl7.Parse(message); err != nil || !isEcho(&m) {
			return string(message)
		}
	}
}

func (e *edge) source(name string) source {
	e.t.Helper()
	for _, s := range e.sources {
		if s.name == name {
			return s
		}
	}
	e.t.Fatalf("there is no source %q", name)
	return source{}
}

func TestAStationIsCalledAndItsMessagesAreKept(t *testing.T) {
	c, at, authority := newCentre(t), listen(t), tlstest.New(t)
	cert, key := authority.Issue("station")
	server, err := tlsfiles.Server{CertFile: cert, KeyFile: key, ClientCAFile: authority.CA()}.Config("station")
	require.NoError(t, err)
	e := startEdge(t, c, t.TempDir(), func(o *Options) {
		s := HL7Station{HL7Remote: HL7Remote{Name: "central", Address: at.Addr().String()}}
		s.TLS.CAFile = authority.CA()
		s.TLS.CertFile, s.TLS.KeyFile = authority.Issue("gateway")
		o.HL7.Dial = []HL7Station{s}
	})
	take := func() *station {
		s := takeCall(t, at)
		secure := tls.Server(s.Conn, server)
		require.NoError(t, secure.HandshakeContext(t.Context()))
		return talk(t, secure)
	}
	s := take()
	s.says(battery("1"), header("QRY^R02", "2")+"\r", battery("3"))
	for _, want := range []string{"AA 1", "AR 2", "AA 3"} {
		require.Equal(t, want, code([]byte(s.hears())))
	}
	require.True(t, e.source("hl7 central").up())
	require.WithinDuration(t, time.Now(), e.source("hl7 central").heard(), soon)
	s.Close()
	require.Eventually(t, func() bool { return !e.source("hl7 central").up() }, soon, time.Millisecond)
	s = take()
	s.says(battery("4"))
	require.Equal(t, "AA 4", code([]byte(s.hears())))
	require.Eventually(t, func() bool { return len(c.of(record.Observation)) == 3 }, soon, time.Millisecond)
}

// monitorEcho is a monitor's sign of life, and monitorResult what it sends when it
// was asked.
const monitorEcho = `MSH|^~\&|||||||ORU^R01|106|P|2.3.1|`

func TestAMonitorIsAskedOverTheWire(t *testing.T) {
	c, at := newCentre(t), listen(t)
	e := startEdge(t, c, t.TempDir(), func(o *Options) {
		o.HL7.Poll = []HL7Monitor{{
			HL7Remote: HL7Remote{Name: "bed-7", Address: at.Addr().String()},
			Query:     HL7Query{Ask: []string{AskParameters, AskTechnical}, Parameters: []int{101, 160, 161, 171, 172}},
		}}
	})
	s := takeCall(t, at)
	s.says(monitorEcho)
	m, err := hl7.Parse([]byte(s.hears()))
	require.NoError(t, err)
	require.Equal(t, "QRY^R02", string(m.Header().Field(9).Bytes()))
	require.Equal(t, "1203", m.Header().Field(10).String())
	require.Equal(t, "2.3.1", m.Header().Field(12).String())
	var filters []string
	for _, segment := range m.Segments()[2:] {
		filters = append(filters, string(segment.Bytes()))
	}
	require.Equal(t, []string{"QRF|MON||||0&0^1^1^0^101&160&161&171", "QRF|MON||||0&0^1^1^0^172", "QRF|MON||||0&0^4^1^1^"}, filters)
	require.Regexp(t, `^QRD\|\d{14}\|R\|I\|Q\d+\|\|\|\|\|RES$`, string(m.First("QRD").Bytes()))

	s.says(battery("204"), monitorEcho, header("QRY^A19", "1")+"\r", battery("204", "|||AL|NE"), strings.TrimSuffix(monitorEcho, "|")+"|||AL|\r")
	require.Equal(t, "AR 1", code([]byte(s.hears())), "the result and the echo are not acknowledged, and nobody is told of patients")
	require.Equal(t, "CA 204", code([]byte(s.hears())), "who asks is answered")
	require.Equal(t, "CA 106", code([]byte(s.hears())))
	require.Eventually(t, func() bool { return len(c.of(record.Observation)) == 2 }, soon, time.Millisecond)
	require.Equal(t, uint64(3), e.Counts().Echoes.Load())
	require.Zero(t, e.Counts().Nothing.Load())
	require.True(t, e.source("hl7 bed-7").up())
	require.False(t, e.source("hl7 bed-7").heard().IsZero())

	echo, err := s.r.Next()
	require.NoError(t, err)
	require.Equal(t, monitorEcho+"\r", string(echo), "it is shown that we live")
	require.Empty(t, e.letters())
}

func TestWhatAMonitorThatIsAskedListsBecomesEvents(t *testing.T) {
	c, at := newCentre(t), listen(t)
	startEdge(t, c, t.TempDir(), func(o *Options) {
		o.HL7.Senders = []pcd.Sender{{Name: "umec", Identity: "peer", Class: "patient_monitor"}}
		o.HL7.Poll = []HL7Monitor{{HL7Remote: HL7Remote{Name: "bed-7", Address: at.Addr().String()}}}
	})
	s := takeCall(t, at)
	list := strings.Replace(monitorEcho, "|106|", "|56|", 1) + "\r"
	told := func(condition string, phase medfleet.Phase) func() bool {
		return func() bool {
			for _, line := range c.of(record.Event) {
				if e := line.Event(); e.Device == "127.0.0.1" && e.Condition == condition && e.Phase == phase {
					return true
				}
			}
			return false
		}
	}
	s.says(list+"OBX||CE|3||22^Low Battery||||||F|\r", list+"OBX||CE|3||22^Low Battery||||||F|\r")
	require.Eventually(t, told("battery_low", medfleet.Start), soon, time.Millisecond)
	require.False(t, told("battery_low", medfleet.End)())
	s.says(list)
	require.Eventually(t, told("battery_low", medfleet.End), soon, time.Millisecond)
}

func TestQueriesAsTheyAreUsed(t *testing.T) {
	at := time.Date(2026, 7, 31, 14, 55, 57, 0, time.UTC)
	const head = "MSH|^~\\&|||||||QRY^R02|1203|P|2.3.1|\rQRD|20260731145557|R|I|Q20260731145557|||||RES\r"
	for want, q := range map[string]HL7Query{
		"QRF|MON||||0&0^1^1^1^\rQRF|MON||||0&0^4^1^1^\r": {},
		"QRF|MON||||0&0^3^1^1^\r":                        {Ask: []string{AskPhysiological}, Parameters: []int{1}},
		"QRF|MON||||0&0^1^1^0^5\r":                       {Ask: []string{AskParameters}, Parameters: []int{5}},
	} {
		require.Equal(t, head+want, string(q.message(at)))
	}
}

// failsFor is on_trouble of one sender, and a disk that takes nothing.
func failsFor(onTrouble string) func(*Options) {
	return func(o *Options) {
		o.HL7.Senders = []pcd.Sender{{Name: "vents", Match: pcd.Match{Application: "VENT"}, OnTrouble: onTrouble}}
		o.Fault = func(c Custody) Custody { return &failing{c, errors.New("disk full")} }
	}
}

func TestWhatASenderHearsOfStorageTrouble(t *testing.T) {
	for name, row := range map[string]struct {
		onTrouble, ask, want string
	}{
		"nothing":                     {pcd.TroubleNone, "", ""},
		"unless it is configured":     {pcd.TroubleError, "", "AE 1"},
		"in the way that it asks for": {pcd.TroubleError, "|||AL|NE", "CE 1"},
		"or that it does not":         {pcd.TroubleError, "|||SU|NE", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := startEdge(t, newCentre(t), t.TempDir(), failsFor(row.onTrouble))
			conn, err := net.Dial("tcp", e.hl7)
			require.NoError(t, err)
			s := talk(t, conn)
			defer s.Close()
			s.says(battery("1", row.ask))
			all, err := io.ReadAll(s)
			require.NoError(t, err)
			if row.want == "" {
				require.Empty(t, all)
			} else {
				require.Equal(t, row.want, code(bytes.Trim(all, "\x0b\x1c\r")))
				require.Contains(t, string(all), "ERR|||207^")
			}
			require.Zero(t, e.Counts().Kept.Load())
		})
	}
}

func TestRelease2CommitsWhatIsOnDiskAndNothingElse(t *testing.T) {
	release2 := func(o *Options) { o.HL7.Release2 = true }
	send := func(t *testing.T, e *edge, message string) error {
		c, err := mllp.Dial(t.Context(), e.hl7, mllp.ClientConfig{Timeout: soon, Release2: true})
		require.NoError(t, err)
		defer c.Close()
		return c.Commit(t.Context(), []byte(message))
	}
	e := startEdge(t, newCentre(t), t.TempDir(), release2)
	require.NoError(t, send(t, e, battery("1", "|||NE|NE")))
	require.NoError(t, send(t, e, header("ORU^R01", "2")+"\rZZZ|1\r"))
	require.Equal(t, uint64(2), e.Counts().Kept.Load()+e.Counts().NotUnderstood.Load())
	e = startEdge(t, newCentre(t), t.TempDir(), release2, failsFor(pcd.TroubleNone))
	require.ErrorIs(t, send(t, e, battery("1", "|||NE|NE")), mllp.ErrNotCommitted)
	require.ErrorIs(t, send(t, e, "hello"), mllp.ErrNotCommitted)
}
