package ingest_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"medfleet"
	"medfleet/collector/ingest"
	"medfleet/record"
)

func write(t testing.TB, d *ingest.Door, body, query string) reply {
	t.Helper()
	return send(t, d, strings.NewReader(body), "/api/v2/write"+query, "Authorization", "Bearer bmet")
}

func (j *journal) lines(t testing.TB) (envelopes []record.Envelope, lines []record.Line) {
	t.Helper()
	for _, r := range j.records {
		e, err := record.Parse(r)
		require.NoError(t, err)
		var l record.Line
		require.NoError(t, record.NewDecoder().Decode(e.Line, &l), "%q", e.Line)
		envelopes, lines = append(envelopes, e), append(lines, l)
	}
	return envelopes, lines
}

func TestGoodLinesAreTakenAndBadOnesNamed(t *testing.T) {
	for name, c := range map[string]struct {
		bad    string
		status int
		says   string
	}{
		"another measurement":  {"weather,city=Ulm rain=1", 422, `measurement "weather" is not in the schema`},
		"medfleet's own":       {"gateway,gateway=edge-1 feeds_up=1", 422, `measurement "gateway"`},
		"another tag":          {"infusion_pump,device=p,patient=Smith battery_charge=1", 422, `tag "patient" is not in the schema of infusion_pump`},
		"another field":        {"infusion_pump,device=p heart_rate=72", 422, `field "heart_rate" is not in the schema of infusion_pump`},
		"text for a number":    {`infusion_pump,device=p battery_charge="Smith"`, 422, "field battery_charge of infusion_pump is a number"},
		"a free text":          {`infusion_pump,device=p note="Smith"`, 422, `field "note"`},
		"an implausible value": {"infusion_pump,device=p battery_charge=32767", 422, "field battery_charge of infusion_pump is outside 0…100 %"},
		"no device":            {"infusion_pump battery_charge=1", 422, "tag device"},
		"a device twice":       {`infusion_pump,device=p,device=Smith battery_charge=1`, 422, "twice"},
		"words of an event":    {`event,class=infusion_pump,condition=battery_low,device=p,phase=start text="Smith"`, 422, "field text"},
		"an event's priority":  {`event,class=infusion_pump,condition=battery_low,device=p,phase=start priority="Smith"`, 422, "field priority"},
		"no condition":         {`event,class=infusion_pump,device=p,phase=start id="a"`, 422, "tag condition"},
		"NaN":                  {"infusion_pump,device=p battery_charge=NaN", 400, "not line protocol at column"},
		"1e400":                {"infusion_pump,device=p battery_charge=1e400", 400, "not line protocol at column"},
		"no line protocol":     {"Smith was here", 400, "not line protocol at column"},
		"a locale's comma":     {"infusion_pump,device=p battery_charge=1,5", 400, "not line protocol at column"},
	} {
		t.Run(name, func(t *testing.T) {
			j := &journal{}
			d := openDoor(t, j, t.TempDir())
			got := write(t, d, "# a comment\ninfusion_pump,device=p1 battery_charge=1\n\n"+c.bad+"\r\ninfusion_pump,device=p2 battery_charge=2\n", "")
			require.Equal(t, c.status, got.Status, got.Message)
			require.Equal(t, map[int]string{400: "invalid", 422: "unprocessable entity"}[c.status], got.Code)
			require.Contains(t, got.Message, "partial write: line 4: ")
			require.Contains(t, got.Message, c.says)
			require.Contains(t, got.Message, "; accepted=2 dropped=1")
			require.NotContains(t, got.Message, "Smith")
			_, lines := j.lines(t)
			require.Len(t, lines, 2)
			require.Equal(t, "p1", lines[0].Tag("device"))
			require.Equal(t, "p2", lines[1].Tag("device"))
			require.Equal(t, uint64(1), d.Counts().Refused.Load())
		})
	}
}

func TestManyBadLinesAreToldInFew(t *testing.T) {
	j := &journal{}
	got := write(t, openDoor(t, j, t.TempDir()), strings.Repeat("weather rain=1\n", 1000), "")
	require.Equal(t, 422, got.Status)
	require.Less(t, len(got.Message), 4000)
	require.Contains(t, got.Message, "and 990 more")
	require.Contains(t, got.Message, "accepted=0 dropped=1000")
	require.Zero(t, j.calls)
}

func TestTimesAreReadInTheirPrecision(t *testing.T) {
	now := medfleet.AsMillis(time.Now())
	for query, stamp := range map[string]int64{
		"":              int64(now) * 1_000_000,
		"?precision=ns": int64(now) * 1_000_000,
		"?precision=us": int64(now) * 1_000,
		"?precision=u":  int64(now) * 1_000,
		"?precision=ms": int64(now),
		"?precision=s":  int64(now) / 1000,
	} {
		j := &journal{}
		require.Equal(t, 204, write(t, openDoor(t, j, t.TempDir()), fmt.Sprintf("infusion_pump,device=p battery_charge=1 %d", stamp), query).Status)
		envelopes, lines := j.lines(t)
		require.InDelta(t, int64(now), int64(lines[0].Time), 1000, query)
		require.Zero(t, envelopes[0].Flags)
	}
	j := &journal{}
	got := write(t, openDoor(t, j, t.TempDir()), "infusion_pump,device=p battery_charge=1", "?precision=h")
	require.Equal(t, 400, got.Status)
	require.Empty(t, j.records)
}

func TestWhatALineLeavesOutIsFilledIn(t *testing.T) {
	j := &journal{}
	before := medfleet.AsMillis(time.Now())
	require.Equal(t, 204, write(t, openDoor(t, j, t.TempDir()), "infusion_pump,device=p battery_charge=1,on_mains=true\ninfusion_pump,device=q,site=south battery_charge=1i", "?org=x&bucket=y").Status)
	envelopes, lines := j.lines(t)
	for i, l := range lines {
		require.GreaterOrEqual(t, l.Time, before)
		require.Equal(t, l.Time, envelopes[i].Received)
		require.Equal(t, "infusion_pump", l.Tag("class"))
		require.Empty(t, envelopes[i].Gateway, "it came through no gateway")
		require.Equal(t, record.Observation, envelopes[i].Kind)
	}
	require.Equal(t, "north", lines[0].Tag("site"))
	require.Equal(t, "south", lines[1].Tag("site"))
	require.Equal(t, 1.0, lines[0].Number("on_mains"))
}

func TestAClockThatIsOffIsReplaced(t *testing.T) {
	j := &journal{}
	require.Equal(t, 204, write(t, openDoor(t, j, t.TempDir()), "infusion_pump,device=p battery_charge=1 1000", "?precision=s").Status)
	envelopes, lines := j.lines(t)
	require.Equal(t, envelopes[0].Received, lines[0].Time)
	require.Equal(t, record.Clamped, envelopes[0].Flags)
}

func TestAPlainEventGetsItsWordsAndAnID(t *testing.T) {
	j := &journal{}
	d := openDoor(t, j, t.TempDir())
	now := time.Now().UnixMilli()
	line := fmt.Sprintf(`event,class=infusion_pump,condition=battery_low,device=p,phase=start gateway="x" %d`, now)
	require.Equal(t, 204, write(t, d, line, "?precision=ms").Status)
	require.Equal(t, 204, write(t, d, line, "?precision=ms").Status)
	require.Equal(t, 204, write(t, d, strings.Replace(line, "start", "end", 1), "?precision=ms").Status)
	envelopes, lines := j.lines(t)
	first := lines[0].Event()
	require.Equal(t, record.Event, envelopes[0].Kind)
	require.Len(t, first.ID, 32)
	require.Equal(t, medfleet.Event{
		Equipment: medfleet.Equipment{Device: "p", Class: "infusion_pump", Site: "north"}, ID: first.ID, Time: medfleet.Millis(now),
		Condition: "battery_low", Phase: medfleet.Start, Text: "battery low", Kind: medfleet.Technical,
	}, first)
	require.Equal(t, first.ID, lines[1].Text("id"), "sent again it is the same event")
	require.NotEqual(t, first.ID, lines[2].Text("id"))
}

func TestASignOfLifeNeedsNoReading(t *testing.T) {
	j := &journal{}
	require.Equal(t, 204, write(t, openDoor(t, j, t.TempDir()), `infusion_pump,device=p gateway="mine"`, "").Status)
	_, lines := j.lines(t)
	require.Equal(t, "p", lines[0].Tag("device"))
	require.NotContains(t, lines[0].Text("gateway"), "mine", "nobody can say they are a gateway")
}

func TestGzippedLinesAreRead(t *testing.T) {
	j := &journal{}
	d := openDoor(t, j, t.TempDir())
	got := send(t, d, bytes.NewReader(zipped(t, []byte("infusion_pump,device=p battery_charge=1"))), "/api/v2/write",
		"Authorization", "Bearer bmet", "Content-Encoding", "gzip")
	require.Equal(t, 204, got.Status)
	require.Len(t, j.records, 1)
}

// The journal takes only so much at once; the sender need not know.
func TestAsManyLinesAsAreAllowedFit(t *testing.T) {
	j := &journal{}
	line := "infusion_pump,device=p,model=" + strings.Repeat("m", 60) + ",unit=" + strings.Repeat("u", 60) + " battery_charge=1,on_mains=1,operating_hours=12345\n"
	body := strings.Repeat(line, 50_000)
	require.Equal(t, 204, write(t, openDoor(t, j, t.TempDir()), body, "").Status)
	require.Len(t, j.records, 50_000)
	got := write(t, openDoor(t, j, t.TempDir()), body+line, "")
	require.Equal(t, 413, got.Status)
	require.Len(t, j.records, 50_000)
}

func FuzzLines(f *testing.F) {
	f.Add("infusion_pump,device=p battery_charge=1 1790000000000000000")
	f.Add("event,class=infusion_pump,condition=battery_low,device=p,phase=start id=\"a\"\n# x\n\r\n weather rain=1")
	f.Add(`infusion_pump,device=p,device=q battery_charge=1`)
	f.Fuzz(func(t *testing.T, body string) {
		j := &journal{}
		d := openDoor(t, j, t.TempDir())
		got := write(t, d, body, "?precision=ms")
		require.Contains(t, []int{204, 400, 413, 422}, got.Status)
		_, lines := j.lines(t)
		for _, l := range lines {
			require.True(t, medfleet.DeviceID(l.Tag("device")).Valid())
			for _, tag := range l.Tags {
				require.Contains(t, []string{"class", "code", "condition", "device", "model", "phase", "site", "unit"}, tag.Key)
			}
			for _, field := range l.Fields {
				if field.IsText {
					require.Contains(t, []string{"id", "text", "priority", "kind", "gateway"}, field.Key)
				}
			}
		}
	})
}
