package brokertest

import "encoding/binary"

// Packet is an MQTT packet as it stands on the wire (MQTT 3.1.1, 2.2).
func Packet(first byte, body []byte) []byte {
	return append(binary.AppendUvarint([]byte{first}, uint64(len(body))), body...)
}

// PublishBody is what stands in a PUBLISH (3.3); above QoS 0 its number is 7.
func PublishBody(topic string, qos byte, payload []byte) []byte {
	b := append(binary.BigEndian.AppendUint16(nil, uint16(len(topic))), topic...)
	if qos > 0 {
		b = append(b, 0, 7)
	}
	return append(b, payload...)
}
