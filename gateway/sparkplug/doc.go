// Package sparkplug takes what Sparkplug B 3.0 edge nodes say of medical equipment.
//
// Host is the state machine of a host application: which edge nodes and devices are
// born, what their aliases stand for, which message comes next. It does no I/O and
// asks for the time of nothing: messages and times go in, observations, events and
// requests for a rebirth come out. Client is the MQTT side of it.
//
// What a metric is to us is the configuration's to say, by its name (Mapping). All
// others are dropped and counted, and so are arrays, DataSets and Templates: patient
// data cannot come in by a name that nobody has mapped.
//
// Custody: all messages but a node's will have QoS 0, so until they are durable here
// they come at most once. A message that is missing shows in the sequence numbers;
// the node is then asked for a rebirth, which says the state of everything anew.
// What happened and ended in between is lost.
//
// A death certificate, of a node (NDEATH) or of a device (DDEATH), says that a
// connection is gone. It becomes the condition `offline`, never a fault.
package sparkplug
