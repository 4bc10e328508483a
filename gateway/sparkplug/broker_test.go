package sparkplug

import (
	"testing"
	"time"

	"medfleet/gateway/mqtt/brokertest"
)

const soon = 20 * time.Second

// server is a broker that can be killed and started again at its address.
type server interface {
	Address() string
	Kill()
	Restart()
}

// brokers runs a test against the embedded library's broker and against a real one.
func brokers(t *testing.T, test func(t *testing.T, s server)) {
	t.Run("mochi", func(t *testing.T) { test(t, brokertest.StartMochi(t)) })
	t.Run("mosquitto", func(t *testing.T) { test(t, brokertest.StartMosquitto(t, brokertest.Options{})) })
}
