package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"github.com/gorilla/websocket"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/tsdb/wlog"
	"github.com/stretchr/testify/require"

	"medfleet"
	"medfleet/alerting"
	"medfleet/alerting/paging"
	"medfleet/api"
	"medfleet/collector"
	"medfleet/collector/store"
	"medfleet/gateway"
	"medfleet/gateway/mllp"
	"medfleet/gateway/mqtt/brokertest"
	"medfleet/gateway/sparkplug"
	"medfleet/processtest"
	"medfleet/profiles"
	"medfleet/spool"
)

func itoa(n int) string { return fmt.Sprint(n) }

func framed(message string) string { return string(mllp.AppendFrame(nil, []byte(message))) }

// sinks is everything that was written or said, by where.
type sinks struct {
	mu  sync.Mutex
	all map[string]*bytes.Buffer
}

// to gives a writer to a sink; several may write at once.
func (s *sinks) to(name string) io.Writer { return &sink{s, name} }

type sink struct {
	s    *sinks
	name string
}

func (k *sink) Write(p []byte) (int, error) {
	k.s.mu.Lock()
	defer k.s.mu.Unlock()
	if k.s.all[k.name] == nil {
		k.s.all[k.name] = new(bytes.Buffer)
	}
	k.s.all[k.name].Write(p)
	return len(p), nil
}

// system is a gateway and a collector in this process, as demo has them, whose
// words all go to sinks.
type system struct {
	t           *testing.T
	sinks       *sinks
	folder, web string
	hl7, mqtt   string
	spark       string // a broker of the hospital's, at which edge nodes speak
	uplink      *proxy
	edge        *edge
	center      *center
	stop        func()
}

const phiToken = "0123456789abcdef-edge-1"

func startSystem(t *testing.T) *system {
	t.Helper()
	s := &system{t: t, sinks: &sinks{all: map[string]*bytes.Buffer{}}, folder: t.TempDir(), hl7: processtest.FreeAddress(t), mqtt: processtest.FreeAddress(t), spark: brokertest.StartMochi(t).Address()}
	set, err := profiles.Load("")
	require.NoError(t, err)
	web, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s.web = web.Addr().String()
	s.uplink = newProxy(t, s.web, s.sinks.to("uplink"))
	s.openCenter(web, set)
	s.openEdge(set)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { require.NoError(t, s.edge.gateway.Run(ctx)) })
	centerCtx, stopCenter := context.WithCancel(context.Background())
	running.Go(func() { require.NoError(t, s.center.run(centerCtx)) })
	s.listen(&running)
	s.stop = sync.OnceFunc(func() {
		cancel()
		stopCenter()
		running.Wait()
		require.NoError(t, s.edge.close())
		require.NoError(t, s.center.close())
	})
	t.Cleanup(func() { s.stop() })
	return s
}

// listen keeps what the stream of changes says, from before the first message.
func (s *system) listen(running *sync.WaitGroup) {
	var conn *websocket.Conn
	eventually(s.t, "the stream does not begin", func() bool {
		c, answer, err := websocket.DefaultDialer.Dial("ws://"+s.web+"/api/v1/stream", nil)
		if answer != nil {
			answer.Body.Close()
		}
		conn = c
		return err == nil
	})
	require.NoError(s.t, conn.WriteMessage(websocket.TextMessage, []byte(`{"type":"snapshot"}`)))
	running.Go(func() {
		defer conn.Close()
		for {
			_, b, err := conn.ReadMessage()
			if err != nil {
				return
			}
			s.sinks.to("stream").Write(b)
		}
	})
}

// log writes everything down to debug.
func (s *system) log(who string) *slog.Logger {
	return slog.New(slog.NewTextHandler(s.sinks.to(who+" log"), &slog.HandlerOptions{Level: slog.LevelDebug, AddSource: true}))
}

func (s *system) openCenter(web net.Listener, set *profiles.Set) {
	token, err := api.NewToken(medfleet.Principal{Name: "gateway edge-1", Gateway: "edge-1"}, phiToken)
	require.NoError(s.t, err)
	tokens, err := api.NewTokens([]api.Token{token})
	require.NoError(s.t, err)
	folder := filepath.Join(s.folder, "collector")
	require.NoError(s.t, os.Mkdir(folder, 0o700))
	s.center, err = openCenter(s.t.Context(), centerOptions{
		collector: collector.Config{Site: "north", DataDir: folder, Clock: time.Second},
		alerting:  alerting.Config{Channels: []paging.ChannelConfig{{Name: "console", Kind: paging.Console}}},
		profiles:  set, listener: web, quicken: 60, console: s.sinks.to("pages"), log: s.log("collector"),
		auth: api.FirstOf(tokens, api.Loopback{Principal: medfleet.Principal{Name: "demo", Role: medfleet.RoleAdmin}}),
	})
	require.NoError(s.t, err)
}

func (s *system) openEdge(set *profiles.Set) {
	folder := filepath.Join(s.folder, "gateway")
	require.NoError(s.t, os.Mkdir(folder, 0o700))
	config := gateway.Config{
		ID: "edge-1", Site: "north", DataDir: folder, Beat: 200 * time.Millisecond,
		MQTT:   gateway.MQTTConfig{Listen: s.mqtt, Sparkplug: []sparkplug.Config{sparkplugFeed(s.spark)}},
		Uplink: gateway.UplinkConfig{URL: "http://" + s.uplink.address(), Token: phiToken},
	}
	config.HL7.Listen, config.HL7.MaxFrame = s.hl7, 256<<10
	s.t.Setenv("MEDFLEET_EDGE_1_TOKEN", phiToken)
	reference, err := readFile(filepath.Join("..", "..", "deploy", configFile))
	require.NoError(s.t, err)
	config.MQTT.Mappings = reference.Gateway.MQTT.Mappings
	s.edge, err = openEdge(s.t.Context(), gateway.Options{Config: config, Profiles: set, Log: s.log("gateway")}, keys{"mqtt", "hl7"})
	require.NoError(s.t, err)
	s.center.registry.MustRegister(gatewayMetrics(s.edge.gateway))
}

// sendFrames sends messages over one connection, those of a sender that behaves.
func (s *system) sendFrames(list []string) {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.hl7)
	require.NoError(s.t, err)
	defer conn.Close()
	var answers sync.WaitGroup
	answers.Go(func() { _, _ = io.Copy(s.sinks.to("answers"), conn) })
	var all []byte
	for _, m := range list {
		all = mllp.AppendFrame(all, []byte(m))
	}
	_, err = conn.Write(all)
	require.NoError(s.t, err)
	require.NoError(s.t, conn.(*net.TCPConn).CloseWrite())
	answers.Wait()
}

// sendBytes sends each over a connection of its own; it may be cut off.
func (s *system) sendBytes(list []string) {
	s.t.Helper()
	for _, b := range list {
		conn, err := net.Dial("tcp", s.hl7)
		require.NoError(s.t, err)
		_, _ = io.WriteString(conn, b)
		_ = conn.(*net.TCPConn).CloseWrite()
		_, _ = io.Copy(s.sinks.to("answers"), conn)
		conn.Close()
	}
}

// publish sends MQTT messages; the first clients have an id, user, password and will
// that are tokens. The broker ends a connection that publishes where it may not; the
// next message then goes over a new one.
func (s *system) publish(g *garden, list []said) {
	s.t.Helper()
	for i := range 6 {
		token := func(where string) string {
			return g.plant(planting{where: where, way: g.wayAt(i * 5), segment: "MQTT"})
		}
		o := s.client(token("client id")).SetUsername(token("user")).SetPassword(token("password")).
			SetWill("medfleet/v1/north/edge-1/pump-9/online", token("will"), 1, true)
		c := paho.NewClient(o)
		if t := c.Connect(); t.WaitTimeout(10*time.Second) && t.Error() == nil { // a client id may be refused
			s.deliver(c, said{"medfleet/v1/north/edge-1/pump-9/" + token("topic of a client"), "{}"})
		}
		c.Disconnect(0)
	}
	var c paho.Client
	for i, m := range list {
		if c == nil || !c.IsConnectionOpen() {
			c = paho.NewClient(s.client(fmt.Sprint("pump-", i)))
			t := c.Connect()
			require.True(s.t, t.WaitTimeout(10*time.Second))
			require.NoError(s.t, t.Error())
		}
		s.deliver(c, m)
	}
	c.Disconnect(100)
}

func (s *system) client(id string) *paho.ClientOptions {
	return paho.NewClientOptions().AddBroker("tcp://" + s.mqtt).SetClientID(id).SetAutoReconnect(false).SetConnectTimeout(10 * time.Second)
}

// deliver waits until a message is acknowledged or the connection has ended.
func (s *system) deliver(c paho.Client, m said) {
	s.t.Helper()
	require.True(s.t, c.Publish(m.topic, 1, false, m.payload).WaitTimeout(10*time.Second), "neither an acknowledgement nor an end")
}

// lastDevice is the one whose report ends the messages.
const lastDevice = "LAST-9099"

// settle waits until the collector has what the gateway took, its history too.
func (s *system) settle() {
	s.t.Helper()
	s.sendFrames([]string{strings.ReplaceAll(strings.Join(bearers()["pump"], "\r"), "SYR-9001", lastDevice) + "\r"})
	pending := func(stream string) (n uint64) {
		for _, r := range s.edge.gateway.Spool(stream).Readers {
			n += r.Pending
		}
		return n
	}
	eventually(s.t, "the collector does not come to the present", func() bool {
		return pending(gateway.Events) < 3 && pending(gateway.Telemetry) < 3 && s.center.collector.Lag() < 2*time.Second
	})
	eventually(s.t, "the last report is not in the history", func() bool {
		now := medfleet.AsMillis(time.Now())
		samples, err := s.center.store.History(s.t.Context(), store.Query{
			Measurement: "syringe_pump", Metric: "battery_charge", Devices: []medfleet.DeviceID{lastDevice},
			From: now.Add(-time.Hour), To: now, Step: time.Minute, Limit: store.MaxSamples,
		})
		return err == nil && len(samples) > 0
	})
	eventually(s.t, "nobody is paged", func() bool {
		s.sinks.mu.Lock()
		defer s.sinks.mu.Unlock()
		b := s.sinks.all["pages"]
		return b != nil && bytes.Contains(b.Bytes(), []byte(lastPump))
	})
}

// read asks for everything that can be read: each path of the API, the board, the
// page of each device, the metrics.
func (s *system) read() {
	s.t.Helper()
	s.get("/metrics", "metrics")
	s.get("/", "board")
	for path, item := range s.paths() {
		if _, ok := item["get"]; !ok || strings.Contains(path, "{") && !strings.Contains(path, "/devices/{id}") {
			continue
		}
		if !strings.Contains(path, "{") {
			s.get(path+"?limit=1000", "API")
			s.get(path, "API")
			continue
		}
		for _, d := range s.devices() {
			s.get(strings.Replace(path, "{id}", string(d.ID), 1)+"?metric=battery_charge", "API")
			s.get("/devices/"+string(d.ID), "board")
		}
	}
}

func (s *system) get(path, into string) []byte {
	answer, err := http.Get("http://" + s.web + path)
	require.NoError(s.t, err)
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	require.NoError(s.t, err)
	s.sinks.to(into).Write(b)
	return b
}

func (s *system) paths() map[string]map[string]json.RawMessage {
	var doc struct {
		Paths map[string]map[string]json.RawMessage `json:"paths"`
	}
	require.NoError(s.t, json.Unmarshal(s.get("/openapi.json", "API"), &doc))
	require.Greater(s.t, len(doc.Paths), 5)
	return doc.Paths
}

func (s *system) devices() []medfleet.Device {
	var all list[medfleet.Device]
	require.NoError(s.t, json.Unmarshal(s.get("/api/v1/devices?limit=1000", "API"), &all))
	return all.Items
}

// unpackUplink shows what the gateway sent as it was before it was compressed.
func (s *system) unpackUplink() {
	if b := s.sinks.all["uplink"]; b != nil {
		raw := bytes.Clone(b.Bytes())
		s.sinks.to("uplink" + packed).Write(raw)
		b.Reset()
		b.Write(unpacked(raw))
	}
}

// packed ends the name of a sink of compressed bytes, whose content is searched
// unpacked as well. In there the number of a token may be torn from its mark.
const packed = ", packed"

// files puts every byte in the data folders into a sink of the folder's name. What
// is compressed is there as it was before, too.
func (s *system) files() {
	s.t.Helper()
	for name, b := range s.filesBelow() {
		part := strings.SplitN(name, string(filepath.Separator), 3)
		into := s.sinks.to(strings.Join(part[:min(len(part), 2)], "/"))
		into.Write([]byte(name))
		if part[0] == "collector" && len(part) > 1 && part[1] == "history" {
			s.sinks.to("collector/history" + packed).Write(b)
			continue // its log is read record by record below
		}
		into.Write(b)
		into.Write(unpacked(b))
	}
	s.sinks.to("collector/history").Write(s.historyLog())
}

// historyLog is what stands in the write-ahead log of the history, whose records are
// compressed one by one.
func (s *system) historyLog() (all []byte) {
	s.t.Helper()
	segments, err := wlog.NewSegmentsReader(filepath.Join(s.folder, "collector", "history", "wal"))
	require.NoError(s.t, err)
	defer segments.Close()
	r := wlog.NewReader(segments)
	for r.Next() {
		all = append(all, r.Record()...)
	}
	require.NoError(s.t, r.Err())
	return all
}

// filesBelow reads the files below a part of the data folders.
func (s *system) filesBelow(part ...string) map[string][]byte {
	s.t.Helper()
	all := map[string][]byte{}
	require.NoError(s.t, filepath.WalkDir(filepath.Join(append([]string{s.folder}, part...)...), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(s.folder, path)
		if err != nil {
			return err
		}
		all[name], err = os.ReadFile(path)
		return err
	}))
	return all
}

// unpacked is what is in the compressed stretches of b.
func unpacked(b []byte) (all []byte) {
	for at := range indexes(b, "\x28\xb5\x2f\xfd") {
		if z, err := zstd.NewReader(bytes.NewReader(b[at:])); err == nil {
			text, _ := io.ReadAll(z)
			all = append(all, text...)
			z.Close()
		}
	}
	for at := range indexes(b, "\x1f\x8b\x08") {
		if z, err := gzip.NewReader(bytes.NewReader(b[at:])); err == nil {
			text, _ := io.ReadAll(z)
			all = append(all, text...)
		}
	}
	return all
}

// letters counts the dead letters on the disk.
func (s *system) letters() uint64 {
	log, err := spool.Open(filepath.Join(s.folder, "gateway", "deadletters"), spool.Options{})
	require.NoError(s.t, err)
	defer log.Close()
	return log.Stats().Newest
}

// canaries puts a token where nothing of a message ever goes, to see that the
// search would find it there.
func (s *system) canaries(g *garden) {
	token := func() string { return g.plant(planting{where: "canary", way: &ways[0]}) }
	s.log("gateway").Debug(token())
	s.log("collector").Debug(token())
	s.center.registry.MustRegister(prometheus.NewGauge(prometheus.GaugeOpts{Name: "canary", Help: token()}))
	s.get("/metrics", "metrics")
}
