package mqtt

import (
	"sync"
	"testing"
	"time"

	broker "github.com/mochi-mqtt/server/v2"
	"github.com/stretchr/testify/require"
)

// The library's own way to end a listener stands still for ever when a client leaves
// meanwhile.
func TestTheEndOfTheBrokerPassesClientsThatLeave(t *testing.T) {
	server := broker.New(nil)
	l := listener{server: server}
	stop, ended := make(chan struct{}), make(chan struct{})
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					server.Clients.Delete("pump-17")
				}
			}
		})
	}
	go func() {
		defer close(ended)
		for range 200_000 {
			l.end("mqtt")
		}
	}()
	select {
	case <-ended:
	case <-time.After(time.Minute):
		t.Fatal("it stands still")
	}
	close(stop)
	wait.Wait()
	require.Zero(t, server.Clients.Len())
}
