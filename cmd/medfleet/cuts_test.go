package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The network is what fails most. It is cut under load, in the middle of whatever it
// carries, between devices and gateway and between gateway and collector: nothing
// that was acknowledged is lost, and nothing is there twice.

const cuts = 20

func TestNothingAcknowledgedIsLostWhenTheNetworkOfTheDevicesIsCut(t *testing.T) {
	h := newHospital(t, "on", "on")
	h.cutDevices(t, cuts)
	h.endWard(t)
	h.requireWhole(t)
}

func TestNothingAcknowledgedIsLostWhenTheNetworkToTheCollectorIsCut(t *testing.T) {
	h := newHospital(t, "on", "on")
	for i := range cuts {
		h.waitForAcks(t, 80+37*(i%5))
		h.toCollector.cut(i%2 == 0)
		h.waitForAcks(t, 60) // devices are acknowledged all the same
		h.again(t, h.toCollector)
	}
	h.endWard(t)
	h.requireWhole(t)
}

// The control: the same cuts, and a gateway that acknowledges before it appends and
// is killed.
func TestAGatewayThatAcknowledgesTooEarlyIsCaughtBehindCutsToo(t *testing.T) {
	h := newHospital(t, withFault, "on")
	h.cutDevices(t, controlKills)
	h.killOften(t, h.gateway, controlKills)
	lost, _ := h.account(t)
	require.NotZero(t, lost, "the tests with cuts cannot see a gateway that acknowledges before it appends")
}

// cutDevices cuts off all devices, HL7 and MQTT, and lets them come back.
func (h *hospital) cutDevices(t *testing.T, times int) {
	t.Helper()
	for i := range times {
		h.waitForAcks(t, 100+37*(i%5))
		for _, p := range h.toGateway {
			p.cut(i%2 == 0)
		}
		for _, p := range h.toGateway {
			h.again(t, p)
		}
	}
}

// again lets a network work and waits until it is used.
func (h *hospital) again(t *testing.T, p *proxy) {
	t.Helper()
	p.up()
	require.Eventually(t, p.used, 60*time.Second, 2*time.Millisecond,
		"nobody connects again")
}
