package board

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"medfleet"
)

// frameOut is a frame of the stream as the server writes it.
type frameOut struct {
	Type     string             `json:"type"`
	Epoch    string             `json:"epoch,omitempty"`
	Seq      uint64             `json:"seq"`
	Time     medfleet.Millis    `json:"time"`
	Devices  []medfleet.Device  `json:"devices,omitempty"`
	Alarms   []medfleet.Alarm   `json:"alarms,omitempty"`
	Pages    []medfleet.Page    `json:"pages,omitempty"`
	Gateways []medfleet.Gateway `json:"gateways,omitempty"`
}

// site is a server as the browser meets it: the board, the stream and the door
// for acknowledgements.
type site struct {
	world *world
	http  *httptest.Server

	mu      sync.Mutex
	epoch   string
	seq     uint64
	muted   bool // nothing is sent although the socket is open
	clients map[*peer]struct{}
	asked   []string // what clients asked for: snapshot, resume
	refuse  int      // status with which acknowledgements are refused
	notes   []string // acknowledged alarms
}

// peer is one browser; gorilla allows one writer at a time.
type peer struct {
	conn *websocket.Conn
	mu   sync.Mutex
	live bool
}

func (p *peer) send(f frameOut) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.conn.WriteJSON(f) // one that has gone is dropped by its reader
}

func newSite(t *testing.T, w *world) *site {
	t.Helper()
	s := &site{world: w, epoch: "one", clients: map[*peer]struct{}{}}
	mux := http.NewServeMux()
	mux.Handle("/", w.handler(t))
	mux.HandleFunc("GET /api/v1/stream", s.stream)
	mux.HandleFunc("POST /api/v1/alarms/{id}/ack", s.ack)
	s.http = httptest.NewServer(mux)
	done := make(chan struct{})
	beats := sync.WaitGroup{}
	beats.Go(func() { s.beat(done) })
	t.Cleanup(func() {
		close(done)
		beats.Wait()
		s.kill()
	})
	return s
}

// kill ends the server as a crash would: every connection breaks.
func (s *site) kill() {
	s.disconnect()
	s.http.CloseClientConnections()
	s.http.Close()
}

func (s *site) disconnect() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for p := range s.clients {
		p.conn.Close()
	}
}

func (s *site) beat(done chan struct{}) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return
		case <-tick.C:
			s.mu.Lock()
			if !s.muted {
				s.all(frameOut{Type: "beat", Seq: s.seq})
			}
			s.mu.Unlock()
		}
	}
}

// all sends to every client; the lock is held.
func (s *site) all(f frameOut) {
	f.Time = medfleet.AsMillis(time.Now())
	for p := range s.clients {
		if p.live {
			p.send(f)
		}
	}
}

// delta tells everybody what changed.
func (s *site) delta(f frameOut) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seq++
	f.Type, f.Seq = "delta", s.seq
	s.all(f)
}

func (s *site) stream(w http.ResponseWriter, r *http.Request) {
	var up websocket.Upgrader
	conn, err := up.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	p := &peer{conn: conn}
	defer conn.Close()
	s.mu.Lock()
	s.clients[p] = struct{}{}
	p.send(frameOut{Type: "hello", Epoch: s.epoch})
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.clients, p)
		s.mu.Unlock()
	}()
	for {
		var ask frameOut
		if conn.ReadJSON(&ask) != nil {
			return
		}
		s.answer(p, ask)
	}
}

func (s *site) answer(p *peer, ask frameOut) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, ask.Type)
	if s.muted {
		return
	}
	p.live = true
	now := medfleet.AsMillis(time.Now())
	s.world.mu.Lock()
	defer s.world.mu.Unlock()
	kind := "snapshot"
	if ask.Type == "resume" && ask.Epoch == s.epoch {
		kind = "delta"
		if ask.Seq == s.seq {
			p.send(frameOut{Type: "beat", Seq: s.seq, Time: now})
			return
		}
	}
	p.send(frameOut{Type: kind, Seq: s.seq, Time: now, Devices: s.world.devices, Alarms: s.world.alarms, Pages: s.world.pages, Gateways: s.world.gateways})
}

func (s *site) ack(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	refuse := s.refuse
	s.mu.Unlock()
	var body struct {
		Note *string `json:"note"`
	}
	err := json.NewDecoder(r.Body).Decode(&body)
	if err != nil || body.Note == nil {
		refuse = http.StatusUnprocessableEntity
	}
	if refuse != 0 {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(refuse)
		_ = json.NewEncoder(w).Encode(map[string]string{"title": "Refused", "detail": "the alarm has ended"})
		return
	}
	a, err := s.world.acknowledge(r.PathValue("id"), "demo")
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	s.mu.Lock()
	s.notes = append(s.notes, a.ID)
	s.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(a)
}

// change alters a device and tells everybody.
func (s *site) change(t *testing.T, i int, alter func(*medfleet.Device)) {
	t.Helper()
	s.world.mu.Lock()
	require.Less(t, i, len(s.world.devices))
	alter(&s.world.devices[i])
	d := s.world.devices[i]
	s.world.mu.Unlock()
	s.delta(frameOut{Devices: []medfleet.Device{d}})
}
