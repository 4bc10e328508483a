package mllp

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
)

// echo acknowledges at once, as a handler without storage would.
type echo struct{}

func (echo) Accept(_ context.Context, _ Peer, frame []byte) Receipt {
	return Answer{Frame: []byte(ack(string(controlID(frame))))}
}

func (echo) Refuse(context.Context, Peer, Reason, []byte) Answer { return Answer{} }

func BenchmarkRoundTrip(b *testing.B) {
	body := strings.Repeat("OBX|1|NM|67996^MDC_ATTR_VAL_BATT_CHARGE^MDC|1.2.0.1|41||||||R\r", 30)
	for _, conns := range []int{1, 32} {
		for _, window := range []int{1, 16} {
			b.Run(fmt.Sprintf("connections=%d/window=%d", conns, window), func(b *testing.B) {
				ln := listen(b)
				stop := run(b, NewListener(Config{}, echo{}), ln)
				clients := make([]*Client, conns)
				for i := range clients {
					c, err := Dial(context.Background(), ln.Addr().String(), ClientConfig{Window: window})
					if err != nil {
						b.Fatal(err)
					}
					clients[i] = c
				}
				var next atomic.Int64
				b.SetParallelism(max(1, conns*window/runtime.GOMAXPROCS(0)))
				b.ReportAllocs()
				b.RunParallel(func(pb *testing.PB) {
					n := next.Add(1)
					c := clients[int(n)%conns]
					for i := 0; pb.Next(); i++ {
						if _, err := c.Send(context.Background(), []byte(message(fmt.Sprintf("%d-%d", n, i))+body)); err != nil {
							b.Error(err)
							return
						}
					}
				})
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
				for _, c := range clients {
					c.Close()
				}
				stop()
			})
		}
	}
}

func BenchmarkReader(b *testing.B) {
	stream := bytes.Repeat([]byte(framed(message("1")+strings.Repeat("OBX|1|NM|41\r", 150))), 100)
	b.SetBytes(int64(len(stream) / 100))
	b.ReportAllocs()
	src := bytes.NewReader(nil)
	r := NewReader(src, ReaderConfig{})
	for b.Loop() {
		if _, err := r.Next(); err == io.EOF {
			src.Reset(stream)
		} else if err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkIdleConnection tells what a connection costs that sends nothing, both
// ends of it and without the kernel's part.
func BenchmarkIdleConnection(b *testing.B) {
	p := newPipes()
	stop := run(b, NewListener(Config{MaxConnections: 1 << 20}, echo{}), p)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var conns []net.Conn
	for b.Loop() {
		conns = append(conns, p.dial())
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	used := after.HeapAlloc + after.StackInuse - before.HeapAlloc - before.StackInuse
	b.ReportMetric(float64(used)/float64(len(conns)), "bytes/connection")
	for _, c := range conns {
		c.Close()
	}
	stop()
}
