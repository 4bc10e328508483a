package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

// pump is a device and its one message, in which number and time are written anew
// each time: as cheap as a load can be, so that it does not take the gateway's
// processor away.
type pump struct {
	packet              []byte
	idAt, timeAt, seqAt int
	number              int
}

const (
	pumpTime = "2006-01-02T15:04:05.000Z"
	pumpBody = `{"class":"infusion_pump","time":"2006-01-02T15:04:05.000Z","seq":1000000,"model":"Alpha 3","unit":"ICU 2",` +
		`"state":"infusing","battery_charge":87.5,"battery_health":91.5,"on_mains":true,"operating_hours":12043.5,"motor_current":118.25,"door_openings":20431}`
	pumpBytes = 260
)

func newPump(i int) *pump {
	topic := fmt.Sprintf("medfleet/v1/north/edge-1/pump-%04d/status", i)
	body := strings.Replace(pumpBody, "Alpha 3", "Alpha 3"+strings.Repeat("0", max(0, pumpBytes-len(pumpBody))), 1)
	p := &pump{packet: []byte{0x32}} // PUBLISH, QoS 1 (MQTT 3.1.1, 3.3)
	p.packet = binary.AppendUvarint(p.packet, uint64(2+len(topic)+2+len(body)))
	p.packet = binary.BigEndian.AppendUint16(p.packet, uint16(len(topic)))
	p.packet = append(p.packet, topic...)
	p.idAt = len(p.packet)
	p.packet = append(p.packet, 0, 0)
	p.packet = append(p.packet, body...)
	p.timeAt = bytes.Index(p.packet, []byte(pumpTime))
	p.seqAt = bytes.Index(p.packet, []byte("1000000"))
	return p
}

// next gives the device's next message.
func (p *pump) next() []byte {
	p.number++
	binary.BigEndian.PutUint16(p.packet[p.idAt:], uint16(p.number%65535+1))
	stamp(p.packet[p.timeAt:], pumpTime)
	for n, i := p.number, p.seqAt+6; n > 0 && i > p.seqAt; i-- {
		p.packet[i] = byte('0' + n%10)
		n /= 10
	}
	return p.packet
}

// stamp writes the time over what stands there. Formatting in place would write
// beyond it.
func stamp(b []byte, layout string) {
	var text [32]byte
	copy(b, time.Now().UTC().AppendFormat(text[:0], layout))
}

// mqttLine is one connection and the devices that speak over it.
type mqttLine struct {
	net.Conn
	pumps []*pump
	turn  int
	out   []byte

	mu   sync.Mutex
	sent []time.Time // of what is not acknowledged yet, in steady
}

type mqttWard struct{ lines []*mqttLine }

func newMQTTWard(b *testing.B, address string, connections int) *mqttWard {
	b.Helper()
	require.Len(b, newPump(0).packet[newPump(0).idAt+2:], pumpBytes)
	w := &mqttWard{}
	for i := range connections {
		c, err := net.Dial("tcp", address)
		require.NoError(b, err)
		b.Cleanup(func() { c.Close() })
		name := fmt.Sprintf("line-%04d", i)
		hello := append([]byte{0x10, byte(12 + len(name)), 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 60, 0, byte(len(name))}, name...)
		_, err = c.Write(hello)
		require.NoError(b, err)
		var answer [4]byte
		_, err = io.ReadFull(c, answer[:])
		require.NoError(b, err)
		require.Equal(b, [4]byte{0x20, 2, 0, 0}, answer, "the broker lets us in")
		w.lines = append(w.lines, &mqttLine{Conn: c})
	}
	for i := range benchDevices {
		l := w.lines[i%connections]
		l.pumps = append(l.pumps, newPump(i))
	}
	return w
}

func (w *mqttWard) flood(n int) error {
	var group errgroup.Group
	for i, l := range w.lines {
		if share := (n + len(w.lines) - 1 - i) / len(w.lines); share > 0 {
			group.Go(func() error { return l.flood(share) })
		}
	}
	return group.Wait()
}

// flood keeps one message per device in flight.
func (l *mqttLine) flood(n int) error {
	acks := make([]byte, 4*len(l.pumps))
	have, due := 0, 0 // bytes of an ack begun; messages in flight
	for send := min(n, len(l.pumps)); n > 0 || due > 0; {
		if send = min(send, n); send > 0 {
			if err := l.send(send); err != nil {
				return err
			}
			n, due = n-send, due+send
		}
		got, err := l.Read(acks[have:])
		if err != nil {
			return err
		}
		have += got
		send = have / 4
		due -= send
		have = copy(acks, acks[have/4*4:have])
	}
	return nil
}

func (l *mqttLine) send(n int) error {
	l.out = l.out[:0]
	for range n {
		l.out = append(l.out, l.pumps[l.turn].next()...)
		l.turn = (l.turn + 1) % len(l.pumps)
	}
	_, err := l.Write(l.out)
	return err
}

// steady has devices speak at random moments, each one at a time.
func (w *mqttWard) steady(n, rate int) ([]time.Duration, error) {
	var group errgroup.Group
	var mu sync.Mutex
	var all []time.Duration
	for i, l := range w.lines {
		if share := (n + len(w.lines) - 1 - i) / len(w.lines); share > 0 {
			group.Go(func() error {
				took, err := l.listen(share)
				mu.Lock()
				defer mu.Unlock()
				all = append(all, took...)
				return err
			})
		}
	}
	next := time.Now()
	for i := range n {
		next = next.Add(time.Duration(rand.ExpFloat64() / float64(rate) * float64(time.Second)))
		time.Sleep(time.Until(next))
		l := w.lines[i%len(w.lines)]
		l.mu.Lock()
		l.sent = append(l.sent, time.Now())
		l.mu.Unlock()
		if err := l.send(1); err != nil {
			return nil, err
		}
	}
	err := group.Wait()
	slices.Sort(all)
	return all, err
}

// listen takes n acknowledgements and tells how long each took.
func (l *mqttLine) listen(n int) (took []time.Duration, err error) {
	var ack [4]byte
	for range n {
		if _, err := io.ReadFull(l, ack[:]); err != nil {
			return took, err
		}
		l.mu.Lock()
		took = append(took, time.Since(l.sent[0]))
		l.sent = l.sent[1:]
		l.mu.Unlock()
	}
	return took, nil
}

// hl7Ward are monitors that each send a report of 2 kB and wait for its answer.
type hl7Ward struct{ lines []*hl7Line }

type hl7Line struct {
	net.Conn
	frame  []byte
	idAt   int
	timeAt int
	number int
	in     []byte
}

const hl7Stamp = "20060102150405.000"

func newHL7Ward(b *testing.B, address string, connections int) *hl7Ward {
	b.Helper()
	w := &hl7Ward{}
	for i := range connections {
		c, err := net.Dial("tcp", address)
		require.NoError(b, err)
		b.Cleanup(func() { c.Close() })
		frame := []byte("\v" + monitorReport(i) + "\x1c\r")
		w.lines = append(w.lines, &hl7Line{Conn: c, frame: frame, in: make([]byte, 4096),
			idAt: bytes.Index(frame, []byte("M000000000")), timeAt: bytes.Index(frame, []byte(hl7Stamp))})
	}
	return w
}

// monitorReport is a monitor's PCD-01 with 24 OBX.
func monitorReport(i int) string {
	list := []string{
		`MSH|^~\&|SPACESTATION7^00137A0000A1B2C3^EUI-64|MAKER|HUB|HOSP|` + hl7Stamp + `+0000||ORU^R01^ORU_R01|M000000000|P|2.6|||AL|NE||UNICODE UTF-8|||IHE_PCD_001^IHE PCD^1.3.6.1.4.1.19376.1.6.1.1.1^ISO`,
		"PID|||8812345^^^HOSP^MR||Quintero^Ana^^^^^L||19580203|F|||Am Ring 3^^Ulm",
		"PV1||I|4W^412^A^NORTH||||||||||||||||V99182",
		"OBR|1|375^STATION^00A037002A01E240^EUI-64|375^STATION^00A037002A01E240^EUI-64|182777000^monitoring of patient^SCT|||20260314102650+0100",
		fmt.Sprintf("OBX|1||69965^MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS^MDC|1.0.0.0|||||||X|||||||MON-%04d", i),
		"OBX|2|NM|67996^MDC_ATTR_VAL_BATT_CHARGE^MDC|1.0.0.2|87|262688^MDC_DIM_PERCENT^MDC|||||R",
		"OBX|3|NM|67980^MDC_ATTR_TIME_PD_OP_HRS^MDC|1.0.0.3|12480|264384^MDC_DIM_HR^MDC|||||R",
		"OBX|4|CWE|67925^MDC_ATTR_POWER_STAT^MDC|1.0.0.4|onMains(0)||||||R",
		"OBX|5||69854^MDC_DEV_METER_PRESS_BLD_VMD^MDC|1.13.0.0|||||||X",
		"OBX|6||69855^MDC_DEV_METER_PRESS_BLD_CHAN^MDC|1.13.1.0|||||||X",
	}
	for i := 7; i <= 24; i++ {
		list = append(list, fmt.Sprintf("OBX|%d|NM|%d^MDC_PRESS_BLD_ART_MEAN^MDC|1.13.1.%d|91|266016^MDC_DIM_MMHG^MDC|||||R", i, 150033+i, i))
	}
	return strings.Join(list, "\r") + "\r"
}

func (w *hl7Ward) flood(n int) error {
	var group errgroup.Group
	for i, l := range w.lines {
		share := (n + len(w.lines) - 1 - i) / len(w.lines)
		group.Go(func() error {
			for range share {
				if err := l.exchange(); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}

func (w *hl7Ward) steady(int, int) ([]time.Duration, error) { return nil, errors.New("not measured") }

// exchange sends a message and waits for its answer.
func (l *hl7Line) exchange() error {
	l.number++
	for n, i := l.number, l.idAt+9; i > l.idAt; i-- {
		l.frame[i] = byte('0' + n%10)
		n /= 10
	}
	stamp(l.frame[l.timeAt:], hl7Stamp)
	if _, err := l.Write(l.frame); err != nil {
		return err
	}
	have := 0
	for {
		n, err := l.Read(l.in[have:])
		if err != nil {
			return err
		}
		if have += n; bytes.HasSuffix(l.in[:have], []byte("\x1c\r")) {
			break
		}
	}
	if !bytes.Contains(l.in[:have], append([]byte("MSA|CA|"), l.frame[l.idAt:l.idAt+10]...)) {
		return fmt.Errorf("not accepted: %q", l.in[:have])
	}
	return nil
}
