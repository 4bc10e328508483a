package pcd

import (
	"encoding/json"
	"math"
	"regexp"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"medfleet"
	"medfleet/gateway/hl7"
)

var (
	codeForm   = regexp.MustCompile(`^([0-9]{1,7})?\^?(MDC[A-Z0-9_]{2,77})?$`)
	reasonForm = regexp.MustCompile(`^[ -~]{0,300}$`)
)

// FuzzMap: whatever comes in, what goes out is well formed, of known words and
// of the declared shapes, and the same for the same message.
func FuzzMap(f *testing.F) {
	for _, segments := range bearers() {
		f.Add([]byte(message(segments...)))
	}
	f.Add([]byte("MSH|^~\\&|||||||QRY^R02|1|P|2.3\r"))
	m := newMapper(f)
	var res, again Result
	f.Fuzz(func(t *testing.T, b []byte) {
		msg, err := hl7.Parse(b)
		m.Map(&res, &msg, peer, now)
		if err != nil && len(msg.Segments()) == 0 {
			require.Equal(t, NotUnderstood, res.Verdict)
		}
		checkResult(t, m, &res)
		m.lives.forget()
		m.Map(&again, &msg, peer, now)
		m.lives.forget()
		require.Equal(t, spoken(t, &res), spoken(t, &again))
		skeleton := Skeleton(nil, &msg)
		require.True(t, json.Valid(skeleton), "%s", skeleton)
	})
}

// forget makes two messages alike to the mapper that are.
func (l *lives) forget() { clear(l.newer); clear(l.older) }

// tester is *testing.T or *rapid.T.
type tester interface {
	require.TestingT
	Helper()
}

func checkResult(t tester, m *Mapper, res *Result) {
	t.Helper()
	require.Regexp(t, reasonForm, res.Reason)
	require.Len(t, res.ObservationMarks, len(res.Observations))
	require.Len(t, res.EventMarks, len(res.Events))
	require.LessOrEqual(t, len(res.Dropped.Unknown), MaxUnknown)
	for _, code := range res.Dropped.Unknown {
		require.Regexp(t, codeForm, code)
	}
	for i := range res.Observations {
		checkObservation(t, m, &res.Observations[i])
		require.Equal(t, res.ObservationMarks[i].Clamped, res.ObservationMarks[i].DeviceTime != 0)
	}
	for i := range res.Events {
		checkEvent(t, m, &res.Events[i])
	}
	require.Len(t, res.AttachmentMarks, len(res.Attachments))
	for i := range res.Attachments {
		checkAttachment(t, &res.Attachments[i])
	}
	for i := range res.Identities {
		checkIdentity(t, m, &res.Identities[i])
	}
	if res.Verdict == NothingForUs || res.Verdict == AsksUs {
		require.Empty(t, res.Events)
	}
	if res.Verdict == AsksUs {
		require.Empty(t, res.Observations)
	}
}

func checkAttachment(t tester, a *medfleet.Attachment) {
	t.Helper()
	require.True(t, a.Part.Valid() && a.Parent.Valid() && a.Part != a.Parent, "%q in %q", a.Part, a.Parent)
	require.True(t, a.Type == "" || isRefID([]byte(a.Type)), "%q", a.Type)
	require.True(t, a.Model == "" || isModel([]byte(a.Model)), "%q", a.Model)
	require.Regexp(t, `^[0-9]{0,9}$`, a.Slot)
	_, clamped := medfleet.Believe(a.Time, now)
	require.False(t, clamped)
}

func checkIdentity(t tester, m *Mapper, id *Identity) {
	t.Helper()
	require.True(t, id.Device.Valid())
	_, ok := m.profiles.Class(id.Class)
	require.True(t, ok)
	require.True(t, id.Serial == "" || isIdentity([]byte(id.Serial)), "%q", id.Serial)
	for _, text := range []string{id.Model, id.Manufacturer} {
		require.True(t, text == "" || isModel([]byte(text)), "%q", text)
	}
	for _, text := range []string{id.Firmware, id.Software, id.Hardware} {
		require.Regexp(t, `^([A-Za-z0-9._+/, -]*[0-9][A-Za-z0-9._+/, -]*)?$`, text)
	}
}

func checkEquipment(t tester, m *Mapper, q medfleet.Equipment, at medfleet.Millis) {
	t.Helper()
	require.True(t, q.Device.Valid(), "%q", q.Device)
	_, ok := m.profiles.Class(q.Class)
	require.True(t, ok, "%q", q.Class)
	require.True(t, q.Model == "" || isModel([]byte(q.Model)), "%q", q.Model)
	require.True(t, q.Unit == "" || isPlace([]byte(q.Unit)) && utf8.ValidString(string(q.Unit)), "%q", q.Unit)
	_, clamped := medfleet.Believe(at, now)
	require.False(t, clamped)
}

func checkObservation(t tester, m *Mapper, o *medfleet.Observation) {
	t.Helper()
	checkEquipment(t, m, o.Equipment, o.Time)
	p, _ := m.profiles.Class(o.Class)
	seen := map[string]bool{}
	for _, r := range o.Readings {
		metric, ok := p.Metric(r.Metric)
		require.True(t, ok, "%s has no %q", o.Class, r.Metric)
		require.False(t, seen[r.Metric] || math.IsNaN(r.Value) || !metric.Plausible(r.Value), "%s = %v", r.Metric, r.Value)
		seen[r.Metric] = true
	}
}

func checkEvent(t tester, m *Mapper, e *medfleet.Event) {
	t.Helper()
	checkEquipment(t, m, e.Equipment, e.Time)
	c, ok := m.profiles.Condition(e.Condition)
	require.True(t, ok, "%q", e.Condition)
	require.Equal(t, c.Kind, e.Kind)
	if f, ok := m.profiles.Fault(e.Model, e.Code); !ok || f.Meaning != e.Text {
		require.Equal(t, c.Title, e.Text)
	}
	if c.Name != unknownCode && e.Text == c.Title {
		require.Regexp(t, codeForm, e.Code)
	}
	require.Regexp(t, `^[A-Za-z0-9._:/^-]{1,100}$`, e.Code)
	require.NotEmpty(t, e.Code)
	require.Regexp(t, `^[0-9a-f]{32}$`, e.ID)
	require.Contains(t, []medfleet.Phase{medfleet.Start, medfleet.Continue, medfleet.End, medfleet.Instant}, e.Phase)
	require.Contains(t, []string{"", "high", "medium", "low", "none"}, e.Priority)
}
