package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"

	"golang.org/x/sync/errgroup"

	"medfleet"
	"medfleet/gateway/mqtt"
)

// The floor of the gateway's cost over MQTT: its own way in, with everything
// behind it taken away. What is above the floor is ours.

const asFloor = "MEDFLEET_TEST_FLOOR"

// nothing counts messages and keeps none.
type nothing struct{ messages atomic.Uint64 }

func (n *nothing) Take(mqtt.Message, medfleet.Millis) mqtt.Receipt {
	n.messages.Add(1)
	return settled{}
}

type settled struct{}

func (settled) Wait(context.Context) error { return nil }

func runFloor() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	f, err := readFile(os.Args[3])
	if err == nil {
		err = serveFloor(ctx, f)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return exitFailed
	}
	return exitOK
}

func serveFloor(ctx context.Context, f *file) error {
	c, err := f.gateway()
	if err != nil {
		return err
	}
	sink := &nothing{}
	group, ctx := errgroup.WithContext(ctx)
	if c.MQTT.Listen != "" {
		l, err := net.Listen("tcp", c.MQTT.Listen)
		if err != nil {
			return err
		}
		group.Go(func() error {
			return mqtt.NewBroker(mqtt.BrokerOptions{Taker: sink, Log: newLog(os.Stderr)}).Run(ctx, l)
		})
	} else {
		client, err := mqtt.NewClient(mqtt.ClientOptions{ClientConfig: c.MQTT.Brokers[0], Taker: sink, Log: newLog(os.Stderr)})
		if err != nil {
			return err
		}
		group.Go(func() error { return client.Run(ctx) })
	}
	registry := newRegistry()
	registry.MustRegister(newFigures([]figure{{keptMetric, "Messages counted.", counter, nil, func() float64 { return float64(sink.messages.Load()) }}}))
	server := &http.Server{Addr: c.Metrics.Listen, Handler: http.StripPrefix("/metrics", exposed(registry))}
	context.AfterFunc(ctx, func() { server.Close() })
	group.Go(server.ListenAndServe)
	return group.Wait()
}
