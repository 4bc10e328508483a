package sparkplug

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"medfleet"
	"medfleet/gateway/mapping"
	"medfleet/gateway/sparkplug/payload"
	"medfleet/simulators/edgenode"
)

func TestABirthSaysEverythingAndDataOnlyWhatChanged(t *testing.T) {
	w := newWard(t)
	w.pump.Set("Properties/Model", edgenode.Text("Agilia VP"))
	w.born()
	require.Empty(t, w.errs)
	require.Len(t, w.said.Observations, 1)
	o := w.said.Observations[0]
	require.Equal(t, medfleet.Equipment{Device: pumpID, Class: "infusion_pump", Model: "Agilia VP", Site: "north", Unit: "ICU"}, o.Equipment)
	require.Equal(t, medfleet.AsMillis(w.now), o.Time)
	require.Equal(t, "edge-1", o.Gateway)
	w.says("battery_charge", 71)
	w.says("state", 2)
	require.Equal(t, []string{"offline end", "battery_low end"}, w.events())
	require.Equal(t, 2, w.said.Dropped, "the patient's name, and the model, which is no metric")

	w.pump.Set("Battery/Charge", edgenode.Double(70))
	w.take(w.node.Data(w.pump, "Battery/Charge"))
	w.says("battery_charge", 70)
	require.Len(t, w.said.Observations[0].Readings, 1)
	require.Empty(t, w.said.Ask)
}

func TestTheSameWithoutAliases(t *testing.T) {
	w := newWard(t)
	w.node.Plain = true
	w.born()
	w.pump.Set("Battery/Charge", edgenode.Double(70))
	w.take(w.node.Data(w.pump))
	w.says("battery_charge", 70)
	require.Empty(t, w.said.Ask)
}

func TestTheNumberOfAMessageWrapsRound(t *testing.T) {
	w := newWard(t)
	w.born()
	for i := range 600 {
		w.pump.Set("Hours", edgenode.Int64(int64(i)))
		if i == 0 {
			w.take(w.node.DeviceBirth(w.pump))
		}
		w.take(w.node.Data(w.pump, "Hours"))
		w.says("operating_hours", float64(i))
		require.Empty(t, w.said.Ask)
	}
	require.Zero(t, w.host.Counts().Gaps.Load())
}

func TestAMessageOutOfTurnWaitsForTheOneBefore(t *testing.T) {
	w := newWard(t)
	w.born()
	var late []edgenode.Message
	for i := range 4 {
		w.pump.Set("Battery/Charge", edgenode.Double(float64(60-i)))
		late = append(late, w.node.Data(w.pump, "Battery/Charge"))
	}
	w.take(late[1], late[3], late[2])
	require.Empty(t, w.said.Observations, "the first is missing")
	w.pass(time.Second)
	w.take(late[0])
	require.Len(t, w.said.Observations, 4)
	for i, o := range w.said.Observations {
		require.Equal(t, float64(60-i), o.Readings[0].Value, "in their order")
	}
	require.Empty(t, w.pass(time.Minute).Ask)
	require.Zero(t, w.host.Counts().Gaps.Load())
}

func TestAfterAGapNothingIsTakenUntilTheNodeIsBornAnew(t *testing.T) {
	w := newWard(t)
	w.born()
	w.node.Data(w.pump) // lost
	w.take(w.node.Data(w.pump))
	require.Empty(t, w.said.Ask, "it may still come")
	w.pass(1900 * time.Millisecond)
	require.Empty(t, w.said.Ask)
	w.pass(200 * time.Millisecond)
	require.Equal(t, []Node{bed7}, w.said.Ask)
	require.Equal(t, uint64(1), w.host.Counts().Gaps.Load())
	require.Equal(t, uint64(1), w.host.Counts().Lost.Load())
	w.take(w.node.Data(w.pump))
	require.Empty(t, w.said.Observations, "its aliases may be those of another session")
	w.pump.Set("Battery/Charge", edgenode.Double(5))
	w.born()
	w.says("battery_charge", 5)
	require.Empty(t, w.events(), "it was connected all the time")
	w.take(w.node.Data(w.pump))
	w.says("battery_charge", 5)
}

func TestAMessageTwiceIsNoGapOfItsOwn(t *testing.T) {
	w := newWard(t)
	w.born()
	w.node.Data(w.pump)
	m := w.node.Data(w.pump)
	w.take(m, m, m)
	require.Equal(t, uint64(2), w.host.Counts().Repeated.Load())
}

func TestANodeIsAskedForARebirthEverLessOften(t *testing.T) {
	w := newWard(t)
	var asked []time.Duration
	began := w.now
	note := func(said *Said) {
		for range said.Ask {
			asked = append(asked, w.now.Sub(began))
		}
	}
	for w.now.Sub(began) < 2*time.Hour {
		note(w.take(w.node.Data(w.pump)))
		note(w.pass(5 * time.Second))
	}
	require.GreaterOrEqual(t, len(asked), 7)
	require.LessOrEqual(t, len(asked), 14, "%v", asked)
	require.Zero(t, asked[0], "at once")
	for i, at := range asked[1:] {
		require.GreaterOrEqual(t, at-asked[i], askLeast, "%v", asked)
	}
	w.born()
	w.pass(3 * time.Hour)
	w.host.NotKept(&w.said, []Node{bed7}, w.now)
	require.Len(t, w.said.Ask, 1, "after a good time it is asked at once again")
}

func TestWhoeverWasThereIsAskedWhenTheBrokerIsFoundAgain(t *testing.T) {
	w := newWard(t)
	gone := edgenode.New("ICU", "bed8")
	gone.Connect()
	w.take(gone.Births()...)
	w.take(gone.Death())
	w.born()
	for range 5 { // often: the network is not the node's fault
		w.host.Cut()
		require.Equal(t, []Node{bed7}, w.pass(time.Second).Ask, "though it has nothing to say; and nobody who is gone")
		w.take(w.node.Data(w.pump))
		require.Empty(t, w.said.Ask, "once")
		w.born()
		w.says("battery_charge", 71)
	}
	w.host.Cut()
	require.Len(t, w.pass(time.Hour).Ask, 1, "on one connection once: it may not be there any more")
	w.host.Cut()
	require.Len(t, w.pass(time.Hour).Ask, 1, "its answer may have been lost with the connection")
}

func TestManyNodesAreNotAskedAllAtOnce(t *testing.T) {
	w := newWard(t)
	asks := 0
	for i := range 500 {
		n := edgenode.New("ICU", "n"+string(rune('a'+i/26))+string(rune('a'+i%26)))
		w.take(n.Data(n.Add("p")))
		asks += len(w.said.Ask)
	}
	require.Equal(t, 1, asks)
	require.InDelta(t, 50, len(w.pass(time.Second).Ask), 2)
	require.Len(t, w.pass(10*time.Second).Ask, 500-1-50)
}

func TestADeathIsSilenceAndNoFault(t *testing.T) {
	w := newWard(t)
	other := w.node.Add("pump2")
	other.Set("State", edgenode.Int32(0))
	w.born()
	w.pass(time.Minute)
	w.take(w.node.DeviceDeath(w.pump))
	require.Equal(t, []string{"offline start"}, w.events())
	e := w.said.Events[0]
	require.Equal(t, pumpID, e.Device)
	require.Equal(t, medfleet.Advisory, e.Kind)
	require.Equal(t, medfleet.AsMillis(w.now), e.Time)
	require.NotEmpty(t, e.ID)
	w.take(w.node.Death())
	require.Equal(t, []string{"offline start"}, w.events(), "of the other one")
	require.Equal(t, medfleet.DeviceID("bed7-pump2"), w.said.Events[0].Device)
	require.Empty(t, w.take(w.node.Death()).Events, "once")
	require.Empty(t, w.pass(10*time.Minute).Observations, "a dead device gives no sign of life")
	w.node.Connect()
	w.born()
	require.Equal(t, []string{"offline end", "offline end"}, w.events())
	require.NotEqual(t, e.ID, w.said.Events[0].ID)
}

func TestTheDeathOfASessionThatIsOverSaysNothing(t *testing.T) {
	w := newWard(t)
	w.born()
	old := w.node.Death()
	w.node.Connect()
	w.born()
	require.Empty(t, w.take(old).Events)
	require.Equal(t, uint64(1), w.host.Counts().OldDeaths.Load())
	w.take(w.node.Data(w.pump))
	w.says("battery_charge", 71)
	require.Equal(t, []string{"offline start"}, func() []string { w.take(w.node.Death()); return w.events() }())
}

func TestADeviceThatReportsByExceptionGivesSignsOfLife(t *testing.T) {
	w := newWard(t)
	w.born()
	w.pass(10 * time.Minute)
	require.NotEmpty(t, w.said.Observations)
	for i, o := range w.said.Observations {
		require.Empty(t, o.Readings)
		require.Equal(t, pumpID, o.Device)
		if i > 0 {
			gap := o.Time.Sub(w.said.Observations[i-1].Time)
			require.Less(t, gap, 2*time.Minute, "its class is silent after two minutes")
			require.Greater(t, gap, 20*time.Second)
		}
	}
	w.host.Cut()
	require.Empty(t, w.pass(10*time.Minute).Observations, "nobody knows whether it lives")
}

func TestDataBeforeABirthAsksForOne(t *testing.T) {
	w := newWard(t)
	births := w.node.Births()
	w.take(w.node.Data(w.pump))
	require.Equal(t, []Node{bed7}, w.said.Ask)
	require.Empty(t, w.said.Observations)
	require.Empty(t, w.errs)

	w = newWard(t)
	w.take(births[0])
	late := w.node.Add("late")
	late.Set("State", edgenode.Int32(1))
	w.node.Births()
	w.take(w.node.DeviceBirth(w.pump)) // seq 3, the host waits for 1
	w.pass(3 * time.Second)
	require.Equal(t, []Node{bed7}, w.said.Ask)

	w = newWard(t)
	w.take(w.node.Births()[0], edgenode.Message{})
	w.node.Births()
	require.Len(t, w.errs, 1, "that was no topic")
	w.node = edgenode.New("ICU", "bed7")
	w.take(w.node.Births()...)
	w.take(w.node.Data(w.node.Add("pump9")))
	require.Equal(t, []Node{bed7}, w.said.Ask, "a device that was never born")
}

func TestAnAliasThatNoBirthHasGivenAsksForOne(t *testing.T) {
	w := newWard(t)
	w.born()
	w.pump.Set("Extra", &edgenode.Value{Alias: proto.Uint64(999), Datatype: proto.Uint32(3), Value: &payload.Metric_IntValue{IntValue: 1}})
	w.take(w.node.Data(w.pump))
	require.Equal(t, []Node{bed7}, w.said.Ask)
	w.says("battery_charge", 71)
}

func TestWhatIsHistoryChangesNothingThatIs(t *testing.T) {
	w := newWard(t)
	w.born()
	old := edgenode.Double(12)
	old.IsHistorical, old.Timestamp = proto.Bool(true), proto.Uint64(uint64(w.now.Add(-time.Hour).UnixMilli()))
	w.pump.Set("Battery/Charge", old)
	low := edgenode.Bool(true)
	low.IsHistorical, low.Timestamp = proto.Bool(true), old.Timestamp
	w.pump.Set("Battery/Low", low)
	w.take(w.node.Data(w.pump, "Battery/Charge", "Battery/Low"))
	require.Len(t, w.said.Observations, 1)
	require.Equal(t, Marks{Historical: true}, w.said.Observations[0].Marks)
	require.Equal(t, medfleet.AsMillis(w.now.Add(-time.Hour)), w.said.Observations[0].Time)
	require.Equal(t, []string{"battery_low start"}, w.events())
	require.True(t, w.said.Events[0].Historical)
	w.pump.Set("Battery/Low", edgenode.Bool(false))
	w.take(w.node.Data(w.pump, "Battery/Low"))
	require.Empty(t, w.events(), "it was not low before either")
}

func TestConditionsAndCodesTellChangesOnly(t *testing.T) {
	w := newWard(t)
	w.pump.Set("Error", edgenode.Int32(0))
	w.born()
	for _, step := range []struct {
		metric string
		value  *edgenode.Value
		want   []string
	}{
		{"Battery/Low", edgenode.Bool(true), []string{"battery_low start"}},
		{"Battery/Low", edgenode.Bool(true), nil},
		{"Battery/Low", edgenode.Bool(false), []string{"battery_low end"}},
		{"Error", edgenode.Int32(17), []string{"battery_fault start"}},
		{"Error", edgenode.Int32(17), nil},
		{"Error", edgenode.Int32(18), []string{"battery_fault end", "device_failure start"}},
		{"Error", edgenode.Int32(999), []string{"device_failure end"}},
		{"Error", edgenode.Int32(17), []string{"battery_fault start"}},
		{"Error", edgenode.Int32(0), []string{"battery_fault end"}},
	} {
		w.pump.Set(step.metric, step.value)
		w.take(w.node.Data(w.pump, step.metric))
		require.Equal(t, step.want, w.events(), "%s", step.metric)
		require.Equal(t, step.value.GetIntValue() == 999, w.said.Codes == 1, "an unknown code is counted")
	}
	w.pump.Set("Error", edgenode.Int32(18))
	w.take(w.node.Data(w.pump, "Error"))
	require.Equal(t, "18", w.said.Events[0].Code)
	require.Equal(t, medfleet.Technical, w.said.Events[0].Kind)
	w.born()
	require.Empty(t, w.events(), "a rebirth says nothing new of it")
}

func TestWhatWasNotKeptIsAskedForAgain(t *testing.T) {
	w := newWard(t)
	w.born()
	w.pump.Set("Battery/Low", edgenode.Bool(true))
	w.take(w.node.Data(w.pump, "Battery/Low"))
	require.Equal(t, []Node{bed7}, w.said.From)
	w.host.NotKept(&w.said, []Node{bed7, bed7}, w.now)
	require.Equal(t, []Node{bed7}, w.said.Ask)
	w.born()
	require.Equal(t, []string{"offline end", "battery_low start"}, w.events())
}

func TestValuesOfEveryTypeAreReadAsTheyAreMeant(t *testing.T) {
	i := func(v uint32) *payload.Metric { return &payload.Metric{Value: &payload.Metric_IntValue{IntValue: v}} }
	l := func(v uint64) *payload.Metric { return &payload.Metric{Value: &payload.Metric_LongValue{LongValue: v}} }
	for name, c := range map[string]struct {
		datatype payload.DataType
		metric   *payload.Metric
		want     float64
		none     bool
	}{
		"int8":                     {payload.DataType_Int8, i(0xffffffff), -1, false},
		"int8 of eight bits":       {payload.DataType_Int8, i(0xff), -1, false},
		"int16":                    {payload.DataType_Int16, i(0xffff8000), -32768, false},
		"int32":                    {payload.DataType_Int32, i(0xfffffffe), -2, false},
		"int32 in the long field":  {payload.DataType_Int32, l(0xfffffffffffffffe), -2, false},
		"int64":                    {payload.DataType_Int64, l(0xfffffffffffffffd), -3, false},
		"uint8":                    {payload.DataType_UInt8, i(255), 255, false},
		"uint16":                   {payload.DataType_UInt16, i(65535), 65535, false},
		"uint32":                   {payload.DataType_UInt32, i(0xffffffff), 4294967295, false},
		"uint32 in the long field": {payload.DataType_UInt32, l(0xffffffff), 4294967295, false},
		"uint64":                   {payload.DataType_UInt64, l(1 << 40), 1 << 40, false},
		"float":                    {payload.DataType_Float, &payload.Metric{Value: &payload.Metric_FloatValue{FloatValue: 1.5}}, 1.5, false},
		"double":                   {payload.DataType_Double, edgenode.Double(2.5), 2.5, false},
		"boolean":                  {payload.DataType_Boolean, edgenode.Bool(true), 1, false},
		"no value":                 {payload.DataType_Int32, &payload.Metric{}, 0, true},
		"another field":            {payload.DataType_Double, i(1), 0, true},
		"a float as a number":      {payload.DataType_Int32, edgenode.Double(2.5), 0, true},
		"a text as a number":       {payload.DataType_Int32, edgenode.Text("7"), 0, true},
		"a time":                   {payload.DataType_DateTime, l(1), 0, true},
		"no type":                  {payload.DataType_Unknown, i(1), 0, true},
		"a type of the future":     {99, i(1), 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			v, ok := value(c.metric, uint32(c.datatype))
			require.Equal(t, !c.none, ok)
			if ok {
				require.Equal(t, c.want, v.Number)
			}
		})
	}
	for kind := payload.DataType_DataSet; kind <= payload.DataType_DateTimeArray; kind++ {
		_, ok := value(&payload.Metric{Value: &payload.Metric_BytesValue{BytesValue: []byte{1, 2, 3, 4}}}, uint32(kind))
		require.False(t, ok, "%s", kind)
	}
	v, ok := value(edgenode.Text("RUN"), uint32(payload.DataType_Text))
	require.True(t, ok)
	require.Equal(t, "RUN", string(v.Text))
}

func TestAValueThatDoesNotHoldIsNotSaid(t *testing.T) {
	quality := func(q uint32) *payload.PropertySet {
		return &payload.PropertySet{Keys: []string{"engUnit", "Quality"}, Values: []*payload.PropertyValue{{}, {IntValue: proto.Uint32(q)}}}
	}
	for name, c := range map[string]struct {
		change  func(m *payload.Metric)
		said    bool
		refused int
	}{
		"good":           {func(m *payload.Metric) { m.Properties = quality(192) }, true, 0},
		"bad":            {func(m *payload.Metric) { m.Properties = quality(0) }, false, 0},
		"stale":          {func(m *payload.Metric) { m.Properties = quality(500) }, false, 0},
		"null":           {func(m *payload.Metric) { m.IsNull, m.Value = proto.Bool(true), nil }, false, 0},
		"no value":       {func(m *payload.Metric) { m.Value = nil }, false, 1},
		"impossible":     {func(m *payload.Metric) { m.Value = &payload.Metric_DoubleValue{DoubleValue: 4000} }, false, 1},
		"a key too many": {func(m *payload.Metric) { m.Properties = &payload.PropertySet{Keys: []string{"Quality"}} }, true, 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWard(t)
			w.born()
			v := edgenode.Double(50)
			c.change(v)
			w.pump.Set("Battery/Charge", v)
			w.take(w.node.Data(w.pump, "Battery/Charge"))
			_, said := w.reading("battery_charge")
			require.Equal(t, c.said, said)
			require.Equal(t, c.refused, w.said.Refused)
			require.Empty(t, w.errs)
		})
	}
}

func TestTimesOfOneMessageAreHeardInTheirOrder(t *testing.T) {
	w := newWard(t)
	w.born()
	at := func(v *edgenode.Value, ago time.Duration) *edgenode.Value {
		v.Timestamp = proto.Uint64(uint64(w.now.Add(-ago).UnixMilli()))
		return v
	}
	w.pump.Set("Battery/Charge", at(edgenode.Double(9), time.Second))
	w.pump.Set("State", at(edgenode.Int32(0), 3*time.Second))
	w.pump.Set("Mains", at(edgenode.Bool(true), time.Second))
	w.take(w.node.DeviceBirth(w.pump))
	require.Len(t, w.said.Observations, 1, "in a birth all holds now")
	require.Equal(t, medfleet.AsMillis(w.now), w.said.Observations[0].Time)
	w.take(w.node.Data(w.pump, "Battery/Charge", "State", "Mains"))
	require.Len(t, w.said.Observations, 2)
	require.Equal(t, medfleet.AsMillis(w.now.Add(-3*time.Second)), w.said.Observations[0].Time)
	require.Len(t, w.said.Observations[1].Readings, 2)
	clock := edgenode.Double(8)
	clock.Timestamp = proto.Uint64(1)
	w.pump.Set("Battery/Charge", clock)
	w.take(w.node.Data(w.pump, "Battery/Charge"))
	require.Equal(t, medfleet.AsMillis(w.now), w.said.Observations[0].Time, "a clock that was never set")
	require.True(t, w.said.Observations[0].Clamped)
	require.Equal(t, medfleet.Millis(1), w.said.Observations[0].DeviceTime)
}

func TestTheNodesOwnMetricsCanBeADevice(t *testing.T) {
	w := newWard(t, func(o *HostOptions) {
		m := pumps()
		m.Of, m.Class, m.ModelFrom = "node", "", ""
		m.ClassFrom = &ClassFrom{Metric: "Type", Words: map[string]medfleet.Class{"V": "ventilator", "P": "infusion_pump"}}
		o.Mappings = []Mapping{m}
	})
	w.node.Own().Set("Battery/Charge", edgenode.Double(40))
	w.born()
	require.ErrorIs(t, w.errs[0], errClass)
	w.node.Own().Set("Type", edgenode.Text("V"))
	w.born()
	w.says("battery_charge", 40)
	require.Equal(t, medfleet.Equipment{Device: "bed7", Class: "ventilator", Site: "north", Unit: "ICU"}, w.said.Observations[0].Equipment)
	w.node.Own().Set("Battery/Charge", edgenode.Double(39))
	w.take(w.node.Data(w.node.Own(), "Battery/Charge"))
	w.says("battery_charge", 39)
	w.take(w.node.Death())
	require.Equal(t, []string{"offline start"}, w.events())
}

func TestWhatNobodyHasMappedIsDroppedAndCounted(t *testing.T) {
	w := newWard(t, func(o *HostOptions) { o.Mappings[0].Match = Match{Group: "ICU", Node: "bed*", Device: "pump?"} })
	stranger := w.node.Add("monitor1")
	stranger.Set("Heart/Rate", edgenode.Double(72))
	w.born()
	require.Equal(t, 2, w.said.Dropped, "the patient's name and the heart rate")
	w.take(w.node.Data(stranger))
	require.Equal(t, 1, w.said.Dropped)
	require.Empty(t, w.said.Ask, "there is nothing to be asked for")
	for _, n := range []*edgenode.Node{edgenode.New("OR", "bed7"), edgenode.New("ICU", "desk")} {
		w.take(n.Births()...)
		require.Empty(t, w.said.Ask)
	}
	require.Equal(t, uint64(2), w.host.Counts().Strangers.Load())
	require.Equal(t, "1 edge nodes, 1 devices", w.host.String())
}

func TestTwoDevicesWithOneIDAreNotMixed(t *testing.T) {
	w := newWard(t, func(o *HostOptions) { o.Mappings[0].Named = "{device}" })
	w.born()
	other := edgenode.New("ICU", "bed8")
	other.Now = w.node.Now
	pump := other.Add("pump1")
	pump.Set("Battery/Charge", edgenode.Double(3))
	w.take(other.Births()...)
	require.ErrorIs(t, w.errs[0], errTwice)
	require.Empty(t, w.said.Observations)

	w.take(w.node.DeviceDeath(w.pump)) // it was carried there, and its first place has noticed now
	require.Equal(t, []string{"offline start"}, w.events())
	require.Equal(t, []Node{{"ICU", "bed8"}}, w.said.Ask)
	w.take(other.Births()...)
	require.Equal(t, []string{"offline end"}, w.events())
	w.says("battery_charge", 3)
	require.Empty(t, w.take(w.node.Death()).Events, "it is not gone because it is not there any more")
	require.Equal(t, []string{"offline start"}, func() []string { w.take(other.Death()); return w.events() }())
}

func TestAnIDWithoutADigitIsNoDevices(t *testing.T) {
	w := newWard(t, func(o *HostOptions) { o.Mappings[0].Named = "{device}" })
	w.node.Add("Quintero").Set("Battery/Charge", edgenode.Double(3))
	w.born()
	require.ErrorIs(t, w.errs[0], errID)
	require.Len(t, w.said.Observations, 1, "of the other one")
	w = newWard(t, func(o *HostOptions) { o.Mappings[0].Pattern = "bed[0-9]-[a-z]+" })
	w.node.Add("left").Set("Battery/Charge", edgenode.Double(3))
	w.born()
	require.ErrorIs(t, w.errs[0], errID, "pump1 is none of the pattern")
	require.Equal(t, medfleet.DeviceID("bed7-left"), w.said.Observations[0].Device)
}

func TestEverythingIsBounded(t *testing.T) {
	w := newWard(t, func(o *HostOptions) {
		o.Limits = Limits{Nodes: 2, Devices: 2, AllDevices: 3, Aliases: 12, Held: 5, HeldBytes: 1 << 20}
	})
	many := func(edge string, devices int) *edgenode.Node {
		n := edgenode.New("ICU", edge)
		for i := range devices {
			n.Add(string(rune('a'+i))).Set("Battery/Charge", edgenode.Double(1))
		}
		return n
	}
	w.take(many("n1", 3).Births()...)
	require.ErrorIs(t, w.errs[0], errDevices, "of one node")
	w.take(many("n2", 2).Births()...)
	require.ErrorIs(t, w.errs[1], errDevices, "of all")
	w.take(many("n3", 1).Births()...)
	require.ErrorIs(t, w.errs[2], errNodes)
	require.Len(t, w.host.nodes, 2)
	require.Equal(t, 3, w.host.devices)

	big := edgenode.New("ICU", "n1")
	for i := range 11 {
		big.Own().Set(string(rune('a'+i)), edgenode.Bool(true))
	}
	d := big.Add("a")
	for i := range 11 {
		d.Set(string(rune('a'+i)), edgenode.Bool(true))
	}
	w.errs = nil
	w.take(big.Births()...)
	require.ErrorIs(t, w.errs[0], errAliases)

	n := many("n2", 1)
	w.take(n.Births()...)
	n.Births()
	for range 7 {
		n.Data(n.Add("z"))
	}
	for range 6 {
		require.LessOrEqual(t, len(w.host.nodes[Node{"ICU", "n2"}].held), 5)
		w.take(n.Data(n.Add("z")))
	}
	require.NotZero(t, w.host.Counts().Gaps.Load(), "more is not waited for")
	require.Empty(t, w.host.nodes[Node{"ICU", "n2"}].held)
}

func TestPayloadsThatAreNoneAreToldWithoutTheirContent(t *testing.T) {
	metrics, err := proto.Marshal(&payload.Payload{Metrics: make([]*payload.Metric, 0)})
	require.NoError(t, err)
	for range maxMetrics + 1 {
		metrics = append(metrics, 2<<3|2, 0)
	}
	for name, c := range map[string]struct {
		topic   string
		payload []byte
		want    error
	}{
		"text":             {"spBv1.0/ICU/NBIRTH/bed7", []byte("Quintero"), errPayload},
		"cut":              {"spBv1.0/ICU/NBIRTH/bed7", []byte{1<<3 | 1, 1, 2}, errPayload},
		"a metric cut":     {"spBv1.0/ICU/NBIRTH/bed7", []byte{2<<3 | 2, 2, 1<<3 | 2, 200}, errPayload},
		"metrics":          {"spBv1.0/ICU/NBIRTH/bed7", metrics, errMetrics},
		"size":             {"spBv1.0/ICU/NBIRTH/bed7", make([]byte, maxPayload+1), errLarge},
		"a birth unseq'd":  {"spBv1.0/ICU/NBIRTH/bed7", nil, errSeq},
		"another tree":     {"Quintero/ICU/NBIRTH/bed7", nil, errTopic},
		"another type":     {"spBv1.0/ICU/Quintero/bed7", nil, errTopic},
		"no node":          {"spBv1.0/ICU/NBIRTH", nil, errTopic},
		"a node's device":  {"spBv1.0/ICU/NBIRTH/bed7/Quintero", nil, errTopic},
		"no device":        {"spBv1.0/ICU/DDATA/bed7", nil, errTopic},
		"an empty device":  {"spBv1.0/ICU/DDATA/bed7/", nil, errTopic},
		"a level too many": {"spBv1.0/ICU/DDATA/bed7/pump1/Quintero", nil, errTopic},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWard(t)
			err := w.host.Take(&w.said, Message{Topic: c.topic, Payload: c.payload}, w.now)
			require.ErrorIs(t, err, c.want)
			require.NotContains(t, err.Error(), "Quintero")
			require.True(t, w.said.Nothing())
		})
	}
}

func TestOnePayloadThatCannotBeReadCostsARebirth(t *testing.T) {
	w := newWard(t)
	w.born()
	w.take(edgenode.Message{Topic: "spBv1.0/ICU/DDATA/bed7/pump1", Payload: []byte("Quintero")})
	require.Len(t, w.errs, 1)
	require.Equal(t, []Node{bed7}, w.said.Ask)
}

func TestCommandsAndRetainedMessagesSayNothing(t *testing.T) {
	w := newWard(t)
	births := w.node.Births()
	require.NoError(t, w.host.Take(&w.said, Message{Topic: "spBv1.0/ICU/NCMD/bed7", Payload: []byte("x")}, w.now))
	require.NoError(t, w.host.Take(&w.said, Message{Topic: births[0].Topic, Payload: births[0].Payload, Retained: true}, w.now))
	require.True(t, w.said.Nothing())
	require.Equal(t, uint64(1), w.host.Counts().Retained.Load())
	require.Empty(t, w.host.nodes)
}

func TestTheCommandForARebirth(t *testing.T) {
	topic, message, err := Command(bed7, 1000)
	require.NoError(t, err)
	require.Equal(t, "spBv1.0/ICU/NCMD/bed7", topic)
	require.True(t, edgenode.IsRebirth(message))
	var p payload.Payload
	require.NoError(t, proto.Unmarshal(message, &p))
	require.Nil(t, p.Seq, "commands have none")
	require.Equal(t, uint64(1000), p.GetTimestamp())
}

func TestMappingsThatCannotBeAreToldAllAtOnce(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Mapping)
		says   string
	}{
		"no class":            {func(m *Mapping) { m.Class = "" }, "class"},
		"an unknown class":    {func(m *Mapping) { m.Class = "toaster" }, `"toaster"`},
		"a class from":        {func(m *Mapping) { m.Class, m.ClassFrom = "", &ClassFrom{Metric: "x"} }, "class_from"},
		"two ways to a class": {func(m *Mapping) { m.ClassFrom = &ClassFrom{} }, "either"},
		"of what":             {func(m *Mapping) { m.Of = "ward" }, `"ward"`},
		"one id for all":      {func(m *Mapping) { m.Named = "{node}" }, "{device}"},
		"an unknown level":    {func(m *Mapping) { m.Named = "{bed}-{device}" }, "{bed}"},
		"a unit's template":   {func(m *Mapping) { m.Unit = "{bed}" }, "unit"},
		"a model's shape":     {func(m *Mapping) { m.Model = "<script>" }, "model"},
		"an id's pattern":     {func(m *Mapping) { m.Pattern = "(" }, "device_pattern"},
		"a pattern":           {func(m *Mapping) { m.Match.Node = "[" }, "match"},
		"a metric":            {func(m *Mapping) { m.Metrics["x"] = mapping.Metric{Metric: "colour"} }, `metrics["x"]`},
		"two classes": {func(m *Mapping) {
			m.Class, m.ClassFrom = "", &ClassFrom{"T", map[string]medfleet.Class{"a": "ventilator", "b": "infusion_pump"}}
			m.Metrics["State"] = mapping.Metric{Metric: "state", Words: map[string]string{"0": "infusing", "1": "asleep"}}
		}, `none of the classes knows "asleep"`},
		"a metric of none of two": {func(m *Mapping) {
			m.Class, m.ClassFrom = "", &ClassFrom{"T", map[string]medfleet.Class{"a": "ventilator", "b": "infusion_pump"}}
			m.Metrics["x"] = mapping.Metric{Metric: "colour"}
		}, `"colour"`},
		"a name too long": {func(m *Mapping) { m.Metrics[string(make([]byte, 600))] = mapping.Metric{Metric: "battery_charge"} }, "512"},
	} {
		t.Run(name, func(t *testing.T) {
			m := pumps()
			c.change(&m)
			_, err := NewHost(HostOptions{Mappings: []Mapping{m}, Profiles: set()})
			require.ErrorContains(t, err, c.says)
			require.ErrorContains(t, err, "mappings[0]")
		})
	}
	_, err := NewHost(HostOptions{Profiles: set()})
	require.ErrorContains(t, err, "mappings")
}
