// Package wire is a client's side of MQTT 3.1.1, packet by packet: a connection to
// a broker that reads what comes through one large buffer, believes no length
// before it is bounded, and tells how much has come already, so that what came
// together can be handled, made durable and answered together.
//
// It knows packets only. What a message means, when it is acknowledged, and when
// to connect again, is for those who use it.
package wire
