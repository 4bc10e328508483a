package ingest_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"medfleet"
	"medfleet/record"
)

func TestABatchIsTakenAsAWholeOrNotAtAll(t *testing.T) {
	event := func(change func(*medfleet.Event)) []byte {
		ev := medfleet.Event{
			Equipment: medfleet.Equipment{Device: "pump-17", Class: "infusion_pump", Site: "north"}, ID: "e1", Time: 1_790_000_000_000,
			Condition: "battery_low", Phase: medfleet.Start, Text: "battery low", Priority: "high", Kind: medfleet.Technical, Gateway: "edge-1",
		}
		change(&ev)
		var e record.Encoder
		return e.Event(nil, &ev)
	}
	beat := func(gateway string) []byte {
		var e record.Encoder
		return e.Heartbeat(nil, &medfleet.Heartbeat{Gateway: gateway, Site: "north", Time: 1_790_000_000_000, ClockOffset: -3})
	}
	lost := func(gateway string) []byte {
		var e record.Encoder
		return e.Gap(nil, &medfleet.Gap{Gateway: gateway, Site: "north", Stream: "telemetry", Epoch: 1, First: 1, Last: 2, Count: 2, Reason: "expired"})
	}
	feed := func(gateway, name string) []byte {
		var e record.Encoder
		return e.Feed(nil, &medfleet.FeedReport{Gateway: gateway, Site: "north", Feed: name, Time: 1_790_000_000_000, Silent: -1})
	}
	part := func(change func(*medfleet.Attachment)) []byte {
		var e record.Encoder
		a := medfleet.Attachment{Part: "NIBP-7", Type: "MDC_DEV_METER_PRESS_BLD_NONINV_VMD", Model: "M3", Parent: "MON-4", Slot: "2", Site: "north", Time: 1_790_000_000_000, Gateway: "edge-1"}
		change(&a)
		return e.Attachment(nil, &a)
	}
	for name, c := range map[string]struct {
		kind record.Kind
		line []byte
		says string // empty: it is taken
	}{
		"an event":                     {record.Event, event(func(*medfleet.Event) {}), ""},
		"a heartbeat":                  {record.Heartbeat, beat("edge-1"), ""},
		"a feed":                       {record.Heartbeat, feed("edge-1", "mqtt broker"), ""},
		"an event by a feed":           {record.Event, event(func(e *medfleet.Event) { e.Feed, e.DeviceTime = "hl7", -5 }), ""},
		"an observation by a feed":     {record.Observation, []byte(`infusion_pump,device=p battery_charge=5,device_time=-5i,feed="hl7",gateway="edge-1" 1`), ""},
		"a feed without a name":        {record.Heartbeat, feed("edge-1", ""), "tag feed"},
		"a feed of another gateway":    {record.Heartbeat, feed("edge-2", "hl7"), "another gateway"},
		"a feed that decides":          {record.Heartbeat, []byte(`feed,feed=hl7,gateway=edge-1 quiet=0 1`), `"quiet"`},
		"a negative depth":             {record.Heartbeat, []byte(`gateway,gateway=edge-1 events_depth=-1 1`), "events_depth"},
		"a feed with words":            {record.Heartbeat, []byte(`feed,feed=hl7,gateway=edge-1 note="Smith" 1`), `"note"`},
		"a feed's name of other shape": {record.Heartbeat, []byte(`feed,feed=<Smith>,gateway=edge-1 up=1 1`), "tag feed"},
		"text in the feed's place":     {record.Observation, []byte(`infusion_pump,device=p feed="Smith, John; 4711" 1`), "feed"},
		"a device's time as text":      {record.Observation, []byte(`infusion_pump,device=p device_time="Smith" 1`), "device_time"},
		"a gap":                        {record.Gap, lost("edge-1"), ""},
		"a part":                       {record.Attachment, part(func(*medfleet.Attachment) {}), ""},
		"a part without a slot":        {record.Attachment, part(func(a *medfleet.Attachment) { a.Slot, a.Type, a.Model = "", "", "" }), ""},
		"a ward in its own language":   {record.Event, event(func(e *medfleet.Event) { e.Unit = "Chirurgie Öst / 4#2"; e.Model = "Alpha (3)" }), ""},
		"an unknown class":             {record.Observation, []byte("toaster,device=t1 heat=5 1"), `"toaster"`},
		"an unknown metric":            {record.Observation, []byte("infusion_pump,device=p heart_rate=72 1"), `"heart_rate"`},
		"an unknown tag":               {record.Observation, []byte("infusion_pump,device=p,patient=x battery_charge=5 1"), `"patient"`},
		"no device":                    {record.Observation, []byte("infusion_pump battery_charge=5 1"), "tag device"},
		"a device of another shape":    {record.Observation, []byte(`infusion_pump,device=John\ Smith battery_charge=5 1`), "tag device"},
		"a unit of another shape":      {record.Observation, []byte(`infusion_pump,device=p,unit=<b> battery_charge=5 1`), "tag unit"},
		"a device twice":               {record.Observation, []byte(`infusion_pump,device=p,device=John\ Smith battery_charge=5 1`), "twice"},
		"a metric twice":               {record.Observation, []byte(`infusion_pump,device=p battery_charge=5,battery_charge=6 1`), "twice"},
		"an implausible value":         {record.Observation, []byte("infusion_pump,device=p battery_charge=101 1"), "outside"},
		"half a flag":                  {record.Observation, []byte("infusion_pump,device=p on_mains=0.5 1"), "whole"},
		"text for a number":            {record.Observation, []byte(`infusion_pump,device=p battery_charge="Smith" 1`), "text"},
		"text in the gateway's place":  {record.Observation, []byte(`infusion_pump,device=p gateway="Smith, John; 4711" 1`), "gateway"},
		"another class in the tag":     {record.Observation, []byte("infusion_pump,device=p,class=ventilator battery_charge=5 1"), "tag class"},
		"a second line":                {record.Observation, []byte("infusion_pump,device=p battery_charge=5 1\npatient name=\"Smith\""), "more than one"},
		"a comment":                    {record.Observation, []byte("# Smith\ninfusion_pump,device=p battery_charge=5 1"), "more than one"},
		"no line protocol":             {record.Observation, []byte("Smith"), "line protocol"},
		"an event called observation":  {record.Observation, event(func(*medfleet.Event) {}), "envelope says"},
		"an event without id":          {record.Event, event(func(e *medfleet.Event) { e.ID = "" }), "field id"},
		"an event of no condition":     {record.Event, event(func(e *medfleet.Event) { e.Condition = "Smith" }), "tag condition"},
		"an event of no phase":         {record.Event, event(func(e *medfleet.Event) { e.Phase = "Smith" }), "tag phase"},
		"an event of no class":         {record.Event, event(func(e *medfleet.Event) { e.Class = "" }), "tag class"},
		"an event of another kind":     {record.Event, event(func(e *medfleet.Event) { e.Kind = "Smith" }), "field kind"},
		"an event of another priority": {record.Event, event(func(e *medfleet.Event) { e.Priority = "Smith" }), "field priority"},
		"NUL in a text":                {record.Event, []byte("event,class=infusion_pump,condition=battery_low,device=p,phase=start id=\"a\",text=\"a\x00b\" 1"), "control"},
		"bad UTF-8 in a text":          {record.Event, []byte("event,class=infusion_pump,condition=battery_low,device=p,phase=start id=\"a\",text=\"a\xff\" 1"), "line protocol"},
		"a very long text":             {record.Event, []byte("event,class=infusion_pump,condition=battery_low,device=p,phase=start id=\"a\",text=\"" + strings.Repeat("a", 600) + "\" 1"), "over"},
		"another gateway's heartbeat":  {record.Heartbeat, beat("edge-2"), "another gateway"},
		"another gateway's gap":        {record.Gap, lost("edge-2"), "another gateway"},
		"a gap of less than nothing":   {record.Gap, []byte("gap,gateway=edge-1 count=-5i 1"), "negative"},
		"a part of nothing":            {record.Attachment, part(func(a *medfleet.Attachment) { a.Parent = "" }), "tag parent"},
		"a part of John Smith":         {record.Attachment, part(func(a *medfleet.Attachment) { a.Parent = "John Smith" }), "tag parent"},
		"a part of itself":             {record.Attachment, part(func(a *medfleet.Attachment) { a.Parent = a.Part }), "the device itself"},
		"a part without a name":        {record.Attachment, part(func(a *medfleet.Attachment) { a.Part = "" }), "tag device"},
		"a slot of another shape":      {record.Attachment, part(func(a *medfleet.Attachment) { a.Slot = "<Smith>" }), "tag slot"},
		"a type of another shape":      {record.Attachment, part(func(a *medfleet.Attachment) { a.Type = "Smith, John; 4711" }), "field type"},
		"a part's model of that shape": {record.Attachment, part(func(a *medfleet.Attachment) { a.Model = "Smith, John; 4711" }), "field model"},
		"a part with more to say":      {record.Attachment, []byte(`attachment,device=a,parent=b gateway="edge-1",text="Smith" 1`), `"text"`},
		"a part in a care unit":        {record.Attachment, []byte(`attachment,device=a,parent=b,unit=Smith gateway="edge-1" 1`), `"unit"`},
		"a part called an event":       {record.Event, part(func(*medfleet.Attachment) {}), "envelope says"},
		"a heartbeat with words":       {record.Heartbeat, []byte(`gateway,gateway=edge-1 note="Smith" 1`), `"note"`},
	} {
		t.Run(name, func(t *testing.T) {
			j := &journal{}
			d := openDoor(t, j, t.TempDir())
			b := newBatch(1, 1, 2).add(c.kind, 3, c.line)
			for i := range uint64(2) {
				b = b.add(record.Observation, 4+i, observation(5))
			}
			got := b.send(t, d)
			if c.says == "" {
				require.Equal(t, 204, got.Status, got.Message)
				require.Len(t, j.records, 5)
				return
			}
			require.Equal(t, 422, got.Status, got.Message)
			require.Contains(t, got.Message, c.says)
			require.Contains(t, got.Message, "record 3")
			require.NotContains(t, got.Message, "Smith", "the sender's values are not repeated")
			require.Equal(t, []int{3}, got.Lines)
			require.Zero(t, j.calls, "nothing was appended")
			require.Equal(t, uint64(1), d.Counts().Refused.Load())
			require.Equal(t, 204, newBatch(1, 1, 2).send(t, d).Status, "its neighbours come again without it")
			require.Len(t, j.records, 2)
		})
	}
}

func TestAnEnvelopeThatSaysOtherwiseThanTheHeadersIsRefused(t *testing.T) {
	for name, change := range map[string]func(*batch){
		"another epoch":    func(b *batch) { b.epoch++ },
		"another sequence": func(b *batch) { b.first++ },
		"another stream":   func(b *batch) { b.stream = "events" },
		"another gateway":  func(b *batch) { b.gateway, b.token = "edge-2", "edge-2" },
	} {
		t.Run(name, func(t *testing.T) {
			j := &journal{}
			b := newBatch(1, 1, 3)
			change(&b)
			got := b.send(t, openDoor(t, j, t.TempDir()))
			require.Equal(t, 422, got.Status)
			require.Equal(t, []int{1, 2, 3}, got.Lines)
			require.Empty(t, j.records)
		})
	}
}

func TestHeadersThatMakeNoSenseAreRefused(t *testing.T) {
	for name, header := range map[string][]string{
		"no stream":         {"Medfleet-Stream", ""},
		"a stream of words": {"Medfleet-Stream", "my stream"},
		"no epoch":          {"Medfleet-Epoch", ""},
		"no sequence":       {"Medfleet-First-Sequence", ""},
		"sequence 0":        {"Medfleet-First-Sequence", "0"},
		"the last sequence": {"Medfleet-First-Sequence", "18446744073709551615"},
		"a negative one":    {"Medfleet-First-Sequence", "-1"},
	} {
		t.Run(name, func(t *testing.T) {
			j := &journal{}
			b := newBatch(1, 1, 1)
			got := b.sendAs(t, openDoor(t, j, t.TempDir()), b.body, header...)
			require.Equal(t, 400, got.Status)
			require.Empty(t, j.records)
		})
	}
}

func TestWhatComesAgainIsAcknowledgedAndCountsOnce(t *testing.T) {
	j := &journal{}
	d := openDoor(t, j, t.TempDir())
	for _, b := range []batch{newBatch(7, 1, 4), newBatch(7, 1, 4), newBatch(7, 3, 4), newBatch(7, 2, 1), newBatch(7, 7, 1)} {
		require.Equal(t, 204, b.send(t, d).Status)
	}
	require.Equal(t, []string{
		"edge-1/telemetry/7/1", "edge-1/telemetry/7/2", "edge-1/telemetry/7/3", "edge-1/telemetry/7/4",
		"edge-1/telemetry/7/5", "edge-1/telemetry/7/6", "edge-1/telemetry/7/7",
	}, j.keys(t))
	require.Equal(t, uint64(7), d.Counts().Records.Load())
	require.Equal(t, uint64(7), d.Counts().Duplicates.Load())
	require.Zero(t, d.Counts().Suspects.Load())
}

func TestTheLineIsNeverRewritten(t *testing.T) {
	j := &journal{}
	b := newBatch(7, 1, 1)
	require.Equal(t, 204, b.send(t, openDoor(t, j, t.TempDir())).Status)
	sent, _, err := record.NextFrame(b.body)
	require.NoError(t, err)
	require.Equal(t, sent, j.records[0])
}

func TestANewEpochBeginsAnew(t *testing.T) {
	j := &journal{}
	d := openDoor(t, j, t.TempDir())
	require.Equal(t, 204, newBatch(1, 1, 3).send(t, d).Status)
	require.Equal(t, 204, newBatch(2, 2, 3).send(t, d).Status, "a restored backup counts from where it was")
	require.Equal(t, 204, newBatch(1, 1, 3).send(t, d).Status, "and the old one is known still")
	require.Len(t, j.records, 6)
}

func TestAKeyWithOtherContentIsKeptAndSuspected(t *testing.T) {
	j := &journal{}
	d := openDoor(t, j, t.TempDir())
	require.Equal(t, 204, newBatch(1, 1, 3).send(t, d).Status)
	clone := batch{gateway: "edge-1", token: "edge-1", stream: "telemetry", epoch: 1, first: 2}.add(record.Observation, 2, observation(99))
	for range 2 {
		require.Equal(t, 204, clone.send(t, d).Status)
	}
	require.Equal(t, []string{"edge-1/telemetry/1/1", "edge-1/telemetry/1/2", "edge-1/telemetry/1/3", "edge-1/telemetry/1/2 suspect"}, j.keys(t))
	require.Equal(t, uint64(1), d.Counts().Suspects.Load())
}

// A gateway that restarts declares a gap anew when it has not heard the answer:
// with another time, and so with other bytes.
func TestAGapDeclaredAgainIsNoSuspect(t *testing.T) {
	gap := func(at medfleet.Millis) []byte {
		var e record.Encoder
		return e.Gap(nil, &medfleet.Gap{Gateway: "edge-1", Site: "north", Stream: "telemetry", Epoch: 1, First: 1, Last: 9, Count: 9, To: at, Reason: "expired"})
	}
	j := &journal{}
	d := openDoor(t, j, t.TempDir())
	for _, at := range []medfleet.Millis{1_790_000_000_000, 1_790_000_060_000} {
		b := batch{gateway: "edge-1", token: "edge-1", stream: "telemetry", epoch: 1, first: 9}.add(record.Gap, 9, gap(at))
		require.Equal(t, 204, b.send(t, d).Status)
	}
	require.Equal(t, []string{"edge-1/telemetry/1/9"}, j.keys(t))
	require.Zero(t, d.Counts().Suspects.Load())
}

func TestNothingIsSuspectedOfWhatWasNeverSeen(t *testing.T) {
	j := &journal{}
	d := openDoor(t, j, t.TempDir())
	require.Equal(t, 204, newBatch(1, 10, 1).send(t, d).Status)
	require.Equal(t, 204, newBatch(1, 10+2048, 1).send(t, d).Status, "all between were lost")
	require.Equal(t, 204, newBatch(1, 11, 2000).send(t, d).Status, "late, and long passed by")
	require.Len(t, j.records, 2)
	require.Zero(t, d.Counts().Suspects.Load())
}

func TestAnEmptyBatchDoesNothing(t *testing.T) {
	j := &journal{}
	b := newBatch(1, 1, 0)
	require.Equal(t, 204, b.send(t, openDoor(t, j, t.TempDir())).Status)
	require.Zero(t, j.calls)
}

func FuzzBatch(f *testing.F) {
	f.Add(newBatch(1, 1, 3).body)
	f.Add([]byte{})
	f.Add(bytes.Repeat([]byte{0x80}, 20))
	f.Fuzz(func(t *testing.T, body []byte) {
		j := &journal{}
		b := newBatch(1, 1, 0)
		got := b.sendAs(t, openDoor(t, j, t.TempDir()), body)
		if got.Status != 204 {
			require.Empty(t, j.records)
			return
		}
		for i, r := range j.records {
			e, err := record.Parse(r)
			require.NoError(t, err)
			require.Equal(t, uint64(i+1), e.Sequence)
			var l record.Line
			require.NoError(t, record.NewDecoder().Decode(e.Line, &l))
		}
	})
}
