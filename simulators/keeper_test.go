package simulators

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"medfleet"
	"medfleet/profiles"
	"medfleet/simulators/physics"
)

// live lets a fleet live for a time without links and gives all it had to say.
// It is to be called in a synctest bubble.
func live(t *testing.T, c Config, d time.Duration) (said []parcel, truth []Truth, f *Fleet) {
	t.Helper()
	var file bytes.Buffer
	c.MQTT.URL, c.HL7, c.Queue, c.Truth = "tcp://localhost:1883", "localhost:2575", 1<<20, &file
	f, err := New(c)
	require.NoError(t, err)
	devices, err := f.build(time.Now())
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	ended := make(chan struct{})
	runs := f.lives(devices)
	for _, run := range runs {
		go func() {
			run(ctx)
			ended <- struct{}{}
		}()
	}
	for range runs {
		<-ended
	}
	for _, dev := range devices {
		said = append(said, dev.box.waiting[dev.box.head:]...)
	}
	truth, err = ReadTruth(&file)
	require.NoError(t, err)
	return said, truth, f
}

func TestASeedGivesTheSameRun(t *testing.T) {
	var runs [3][]parcel
	var truths [3][]Truth
	for i, seed := range []uint64{7, 7, 8} {
		synctest.Test(t, func(t *testing.T) {
			runs[i], truths[i], _ = live(t, Config{Seed: seed, Speed: 60}, 90*time.Second)
		})
	}
	require.NotEmpty(t, runs[0])
	require.Equal(t, runs[0], runs[1])
	require.Equal(t, truths[0], truths[1])
	require.NotEqual(t, runs[0], runs[2])
}

// TestTheWard is what somebody sees who runs the default scenario.
func TestTheWard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := medfleet.AsMillis(time.Now())
		said, truth, f := live(t, Config{Seed: 1}, 70*time.Second)
		set := f.profiles

		begun := map[medfleet.DeviceID]Truth{}
		faults := map[string]bool{}
		for _, line := range truth {
			if line.Expect == "battery_low" {
				continue // follows from the fade
			}
			faults[line.Fault+" "+line.Phase] = true
			if line.Phase == Begin {
				begun[line.Device] = line
				continue
			}
			require.Equal(t, line.Fault, begun[line.Device].Fault)
			require.LessOrEqual(t, line.At.Sub(start), time.Minute)
		}
		require.Len(t, faults, 8, "four faults begin and end: %v", faults)

		devices := map[medfleet.DeviceID]int{}
		last := map[medfleet.DeviceID]Message{}
		bursts := 0
		for _, p := range said {
			require.Greater(t, p.Seq, last[p.Device].Seq)
			require.Greater(t, p.Time, last[p.Device].Time, "no two messages of a device share their time")
			last[p.Device] = p.Message
			if p.Condition == "occlusion" && begun[p.Device].Fault == string(physics.OcclusionBurst) {
				bursts++
			}
			if !p.Event() {
				devices[p.Device]++
			}
			if c, ok := set.Condition(p.Condition); ok && c.Kind == medfleet.Technical {
				require.Contains(t, begun, p.Device, "what is technically wrong is in the ground truth")
			}
		}
		require.Len(t, devices, 50)
		require.Greater(t, bursts, 15)
		for id, n := range devices {
			require.GreaterOrEqual(t, n, 3, id)
			require.Less(t, start.Add(70*time.Second).Sub(last[id].Time), 21*time.Second)
		}
	})
}

func TestSilenceIsSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		said, truth, _ := live(t, Config{Seed: 4}, 70*time.Second)
		var silent [2]Truth
		for _, line := range truth {
			if line.Fault == string(physics.Silence) {
				require.Equal(t, "unheard", line.Expect)
				silent[map[string]int{Begin: 0, End: 1}[line.Phase]] = line
			}
		}
		require.Equal(t, 30*time.Second, silent[1].At.Sub(silent[0].At))
		before, after := 0, 0
		for _, p := range said {
			if p.Device != silent[0].Device {
				continue
			}
			switch {
			case p.Time < silent[0].At:
				before++
			case p.Time >= silent[1].At:
				after++
			default:
				t.Fatalf("said something at %v", p.Time)
			}
		}
		require.Positive(t, before)
		require.Positive(t, after)
	})
}

func TestSteadyRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		said, _, f := live(t, Config{Scenario: "calm", Interval: time.Hour, Steady: Steady{Rate: 500, Events: 0.25}}, 20*time.Second)
		events := 0
		for _, p := range said {
			if p.Event() {
				events++
			}
		}
		require.InDelta(t, 10_000, len(said), 100)
		require.InDelta(t, 2_500, events, 400)
		require.Equal(t, uint64(len(said)), f.Counts().Made)
		require.Zero(t, f.Counts().Dropped)
	})
}

func TestStatusAndEventOverMQTT(t *testing.T) {
	set, err := profiles.Load("")
	require.NoError(t, err)
	synctest.Test(t, func(t *testing.T) {
		said, _, f := live(t, Config{Seed: 2, Speed: 30, Scenario: "bad-day", Site: "north", Gateway: "floor-4"}, 4*time.Minute)
		units := map[medfleet.DeviceID]Member{}
		for _, m := range f.Members() {
			units[m.ID] = m
		}
		seen := map[string]int{}
		for _, p := range said {
			if p.Protocol == MQTT {
				checkJSON(t, set, units[p.Device], p, seen)
			}
		}
		for _, kind := range []string{"status", "event", "patient"} {
			require.Positive(t, seen[kind], kind)
		}
	})
}

func checkJSON(t *testing.T, set *profiles.Set, m Member, p parcel, seen map[string]int) {
	t.Helper()
	var body map[string]any
	require.NoError(t, json.Unmarshal(p.payload, &body), "%s", p.payload)
	require.Equal(t, string(m.Class), body["class"])
	require.Equal(t, string(m.Unit), body["unit"])
	require.Equal(t, m.Model, body["model"])
	require.Equal(t, p.Time.String(), body["time"])
	require.EqualValues(t, p.Seq, body["seq"])
	if p.Event() {
		seen["event"]++
		require.Equal(t, "medfleet/v1/north/floor-4/"+string(p.Device)+"/event", p.topic)
		require.Equal(t, p.Condition, body["condition"])
		require.Equal(t, string(p.Phase), body["phase"])
		_, ok := set.Condition(p.Condition)
		require.True(t, ok)
		require.NotEqual(t, saying{"X-0", p.Condition, "low"}, say(p.Condition), "it has words for it")
		return
	}
	seen["status"]++
	require.Equal(t, "medfleet/v1/north/floor-4/"+string(p.Device)+"/status", p.topic)
	profile, ok := set.Class(m.Class)
	require.True(t, ok)
	metrics := 0
	for key, v := range body {
		metric, ok := profile.Metric(key)
		if !ok {
			require.Contains(t, []string{"class", "model", "unit", "time", "seq", "patient", "infusion_rate"}, key)
			continue
		}
		metrics++
		if metric.Kind == profiles.Enum {
			_, ok = profile.StateValue(v.(string))
			require.True(t, ok, v)
			continue
		}
		require.True(t, metric.Plausible(v.(float64)), "%s %v", key, v)
	}
	require.NotContains(t, body, profiles.SkewMetric, "the gateway judges the clock, not the device")
	require.Len(t, profile.Metrics, metrics+1, "every other metric of the profile is said")
	if who, ok := body["patient"].(string); ok {
		seen["patient"]++
		require.True(t, strings.HasPrefix(who, PatientMark))
	}
}

func TestConfigIsChecked(t *testing.T) {
	good := Config{MQTT: Broker{URL: "tcp://localhost:1883"}}
	_, err := New(good)
	require.NoError(t, err)
	for name, c := range map[string]struct {
		change func(*Config)
		words  string
	}{
		"nobody":        {func(c *Config) { c.MQTT.URL = "" }, "nobody to talk to"},
		"no device":     {func(c *Config) { c.Devices = -1 }, "-1 devices"},
		"too many":      {func(c *Config) { c.Devices = MaxDevices + 1 }, "250000"},
		"interval":      {func(c *Config) { c.Interval = time.Millisecond }, "at least 10ms"},
		"speed":         {func(c *Config) { c.Speed = -1 }, "speed"},
		"rate":          {func(c *Config) { c.Steady.Rate = -3 }, "rate"},
		"share":         {func(c *Config) { c.Steady.Events = 1.5 }, "from 0 to 1"},
		"queue":         {func(c *Config) { c.Queue = -1 }, "at least 1"},
		"topic":         {func(c *Config) { c.Site = "a/b" }, `"a/b"`},
		"broker":        {func(c *Config) { c.MQTT.URL = "localhost:1883" }, "MQTT broker"},
		"broker scheme": {func(c *Config) { c.MQTT.URL = "http://localhost" }, `"http"`},
		"receiver":      {func(c *Config) { c.HL7 = "localhost" }, "host:port"},
		"scenario":      {func(c *Config) { c.Scenario = "wrad" }, "bad-day, calm, ward"},
	} {
		t.Run(name, func(t *testing.T) {
			bad := good
			c.change(&bad)
			_, err := New(bad)
			require.ErrorContains(t, err, c.words)
		})
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestRunTellsThatTheTruthIsIncomplete(t *testing.T) {
	f := truthFile{w: full{}}
	f.write(Truth{})
	require.ErrorContains(t, f.failure(), "no space left")
}

func TestReadTruth(t *testing.T) {
	var b bytes.Buffer
	f := truthFile{w: &b}
	lines := []Truth{{1000, "PUMP-1", physics.InfusionPump, "silence", Begin, "unheard"}, {2000, "PUMP-1", physics.InfusionPump, "silence", End, "unheard"}}
	for _, line := range lines {
		f.write(line)
	}
	require.Equal(t, 2, strings.Count(b.String(), "\n"))
	got, err := ReadTruth(strings.NewReader(b.String()))
	require.NoError(t, err)
	require.Equal(t, lines, got)
	_, err = ReadTruth(strings.NewReader(b.String() + "{"))
	require.ErrorContains(t, err, "line 3")
}
