package medfleet

// Attachment says that a part (a module in a slot, a pump in a rack) was seen
// in a parent device. A part has an id of its own, by which it is followed when
// it moves to another slot or parent. Time is when it was seen there.
type Attachment struct {
	Part    DeviceID
	Type    string // what the part is in the nomenclature's word, such as MDC_DEV_METER_PRESS_BLD_NONINV_VMD; may be empty
	Model   string
	Parent  DeviceID
	Slot    string // as the parent counts its places; empty when it does not say
	Site    string
	Time    Millis
	Gateway string
}
