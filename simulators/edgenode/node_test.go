package edgenode

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"medfleet/gateway/sparkplug/payload"
)

func open(t *testing.T, m Message) *payload.Payload {
	t.Helper()
	p := new(payload.Payload)
	require.NoError(t, proto.Unmarshal(m.Payload, p))
	return p
}

// TestANodeSpeaksAsTheSpecificationSays: Sparkplug 3.0, chapters 4 and 6.
func TestANodeSpeaksAsTheSpecificationSays(t *testing.T) {
	n := New("ICU", "bed7")
	n.Now = func() time.Time { return time.UnixMilli(1000) }
	pump := n.Add("pump1")
	pump.Set("State", Int32(-2))
	pump.Set("Hours", Int64(7))

	will := n.Connect()
	require.Equal(t, "spBv1.0/ICU/NDEATH/bed7", will.Topic)
	require.Nil(t, open(t, will).Seq)
	require.Equal(t, "bdSeq", open(t, will).Metrics[0].GetName())

	births := n.Births()
	require.Equal(t, "spBv1.0/ICU/NBIRTH/bed7", births[0].Topic)
	require.Equal(t, "spBv1.0/ICU/DBIRTH/bed7/pump1", births[1].Topic)
	node, device := open(t, births[0]), open(t, births[1])
	require.Zero(t, node.GetSeq())
	require.Equal(t, uint64(1), device.GetSeq())
	require.Equal(t, open(t, will).Metrics[0].GetLongValue(), node.Metrics[0].GetLongValue(), "the birth has its death's number")
	require.Equal(t, "Node Control/Rebirth", node.Metrics[1].GetName())
	require.Equal(t, uint32(0xfffffffe), device.Metrics[0].GetIntValue())
	require.Equal(t, uint64(1000), device.GetTimestamp())
	aliases := map[uint64]bool{}
	for _, m := range append(node.Metrics[1:], device.Metrics...) {
		require.NotNil(t, m.Alias)
		require.False(t, aliases[m.GetAlias()], "an alias is one metric's in the whole node")
		aliases[m.GetAlias()] = true
	}

	data := open(t, n.Data(pump, "Hours"))
	require.Len(t, data.Metrics, 1)
	require.Empty(t, data.Metrics[0].GetName())
	require.Equal(t, device.Metrics[1].GetAlias(), data.Metrics[0].GetAlias())
	for range 252 {
		n.Data(pump)
	}
	require.Equal(t, uint64(255), open(t, n.DeviceDeath(pump)).GetSeq())
	require.Zero(t, open(t, n.Data(n.Own())).GetSeq(), "after 255 comes 0")
	require.NotEqual(t, will.Payload, n.Connect().Payload, "the next session has the next number")
	require.False(t, IsRebirth(births[0].Payload), "a birth has it false")
	require.False(t, IsRebirth([]byte("x")))
}
