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

// Stay is the time of a part in one place, [From, To); To is 0 while it lasts.
type Stay struct {
	ID     string   `json:"id" doc:"unique"`
	Part   DeviceID `json:"part" doc:"the module or device that is in the other"`
	Type   string   `json:"type,omitempty" doc:"what the part is in the nomenclature's word"`
	Model  string   `json:"model,omitempty"`
	Parent DeviceID `json:"parent" doc:"the device or rack that it is in"`
	Slot   string   `json:"slot,omitempty" doc:"as the parent counts its places; empty when it does not say"`
	Site   string   `json:"site,omitempty"`
	From   Millis   `json:"from" doc:"when it was first seen there"`
	To     Millis   `json:"to" doc:"when it was seen elsewhere or another in its slot; null while it is there"`
	Seen   Millis   `json:"last_seen" doc:"when it was last told to be there"`
}
