package pcd

import (
	"math/bits"
	"strings"
)

// rowKind is what an OBX row is about, one bit each so that a rule of the
// allow-list can name several.
type rowKind uint32

const (
	rowOther     rowKind = 1 << iota // not about equipment, or unknown
	rowStructure                     // a device, module, channel or other object
	rowSystemID
	rowSerial
	rowUDI
	rowModel
	rowMaker
	rowWhere // where a rack of pumps stands
	rowFirmware
	rowSoftware
	rowHardware
	rowMetric      // a metric of the profiles
	rowPower       // where the power comes from
	rowPowerState  // switched on or off
	rowState       // what the device is doing
	rowReason      // why it is not doing it
	rowCondition   // an event at one time: its code is the value
	rowAlarm       // an alert: its code is the value
	rowEvent       // an alert: its code is the row's own
	rowPhase       // of an alert
	rowAlarmState  // of an alert
	rowPriority    // of an alert
	rowAlertType   // of an alert
	rowAlertText   // of an alert, in the device's own words
	rowVendorAlert // an alert under a maker's own coding system: its code is the row's own
	rowListed      // one of a list of all technical alarms that stand
	rowMeasurement // a measurement or setting: whether it is there, no more

	rowIdentity  = rowSystemID | rowSerial | rowUDI
	rowRevision  = rowFirmware | rowSoftware | rowHardware
	rowMaking    = rowSerial | rowModel | rowMaker | rowRevision
	rowFacet     = rowPhase | rowAlarmState | rowPriority | rowAlertType | rowAlertText
	rowHappening = rowCondition | rowAlarm | rowEvent | rowVendorAlert
	rowWords     = rowPower | rowPowerState | rowState | rowReason | rowPhase | rowAlarmState | rowPriority | rowAlertType
	rowCoded     = rowCondition | rowAlarm
	rowReading   = rowMetric | rowPower | rowPowerState | rowState | rowReason
)

var rowNames = [...]string{
	"other", "structure", "system id", "serial number", "UDI", "model", "maker", "place", "firmware", "software", "hardware", "metric", "power", "power state", "state",
	"reason", "event condition", "alarm", "event", "phase", "alarm state", "priority", "alert type", "alert text", "maker's alert", "listed alarm", "measurement",
}

// words lists the kinds for people.
func (k rowKind) words() string {
	var list []string
	for ; k != 0; k &= k - 1 {
		list = append(list, rowNames[bits.TrailingZeros32(uint32(k))])
	}
	return strings.Join(list, ", ")
}

// term is what a code of the equipment table stands for. rank orders states
// that several rows of one device tell: the higher is the more precise.
type term struct {
	number uint32
	refid  string
	kind   rowKind
	rank   int
}

// equipment is the table of codes, beside those the profiles declare, that
// make an OBX a row about equipment (IEEE 11073-10101). Numbers that a source
// prints as 0 are left out, and so is 68165 and its neighbours, which some
// makers send for the facets of an alert: the name decides.
var equipment = [...]term{
	{67972, "MDC_ATTR_SYS_ID", rowSystemID, 0},
	{531972, "MDC_ID_PROD_SPEC_SERIAL", rowSerial, 0},
	{67916, "MDC_ATTR_ID_UDI", rowUDI, 0},
	{67880, "MDC_ATTR_ID_MODEL", rowModel, 0},
	{531969, "MDC_ID_MODEL_NUMBER", rowModel, 0},
	{531970, "MDC_ID_MODEL_MANUFACTURER", rowMaker, 0},
	{531974, "MDC_ID_PROD_SPEC_HW", rowHardware, 0},
	{531975, "MDC_ID_PROD_SPEC_SW", rowSoftware, 0},
	{531976, "MDC_ID_PROD_SPEC_FW", rowFirmware, 0},

	{0, "MDC_ATTR_PUMP_PILLAR_DETAILS", rowWhere, 0},
	{0, "MDC_ATTR_PILLAR_ASSEMBLY", rowOther, 0},

	{67925, "MDC_ATTR_POWER_STAT", rowPower, 0},
	{0, "MDCX_DMC_ATTR_POWER_SOURCE", rowPower, 0},
	{0, "MDCX_DMC_ATTR_POWER_STATE", rowPowerState, 0},

	{158005, "MDC_PUMP_CURRENT_DELIVERY_STATUS", rowState, 4},
	{158005, "MDC_DEV_PUMP_CURRENT_DELIVERY_STATUS", rowState, 4},
	{184519, "MDC_PUMP_INFUSING_STATUS", rowState, 3},
	{184508, "MDC_PUMP_STAT", rowState, 2},
	{184418, "MDC_VENT_OPERATIONAL_STATE", rowState, 1},
	{158006, "MDC_PUMP_NOT_DELIVERING_REASON", rowReason, 2},
	{158006, "MDC_DEV_PUMP_NOT_DELIVERING_REASON", rowReason, 2},
	{184513, "MDC_PUMP_NOT_INFUSING_REASON", rowReason, 1},

	{68487, "MDC_ATTR_EVT_COND", rowCondition, 0},
	{196616, "MDC_EVT_ALARM", rowAlarm, 0},
	{68481, "MDC_ATTR_EVENT_PHASE", rowPhase, 0},
	{68482, "MDC_ATTR_ALARM_STATE", rowAlarmState, 0},
	{0, "MDC_ATTR_ALERT_STATE", rowAlarmState, 0}, // as one maker calls it
	{68484, "MDC_ATTR_ALARM_PRIORITY", rowPriority, 0},
	{68485, "MDC_ATTR_ALERT_TYPE", rowAlertType, 0},
	{68546, "MDC_ATTR_ALERT_TEXT", rowAlertText, 0},

	// A rack is a device without a profile: what is to be known of it is which
	// pumps are in it. 69633 is what a device calls itself that tells no type.
	{rackNumber, rackType, rowStructure, 0},
	{69633, generalType, rowStructure, 0},
	{65577, "MDC_MOC_BATT", rowStructure, 0},
	{65619, "MDC_MOC_NCC_WIRED", rowStructure, 0},
	{65620, "MDC_MOC_NCC_WIRELESS", rowStructure, 0},

	// Known, and nothing in them for us: listed so that they do not count as
	// unknown. The inactivation tells about the sound; an alarm condition in a
	// report has no end, and is told as an alert too; the places of a locating
	// system are somebody's movements.
	{68480, "MDC_ATTR_ALERT_SOURCE", rowOther, 0},
	{68483, "MDC_ATTR_ALARM_INACTIVATION_STATE", rowOther, 0},
	{68012, "MDC_ATTR_AL_COND", rowOther, 0},
	{68488, "MDC_ATTR_EVT_SOURCE", rowOther, 0},
	{68063, "MDC_ATTR_PT_WEIGHT", rowOther, 0},
	{68020, "MDC_ATTR_BATT_STAT", rowOther, 0}, // says less than charge and power source do
	{0, "MDCX_LS_ATTR_NAME", rowOther, 0},
	{0, "MDCX_LS_ATTR_LOCATION", rowOther, 0},
	{0, "MDCX_LS_ATTR_COORD_X", rowOther, 0},
	{0, "MDCX_LS_ATTR_COORD_Y", rowOther, 0},
	{0, "MDCX_LS_ATTR_COORD_Z", rowOther, 0},
}

// The names of a rack of pumps, and of a device that does not tell its type.
const (
	generalType = "MDC_DEV_MDS"
	rackType    = "MDC_DEV_PUMP_INFUS_RACK_MDS"
	rackNumber  = 70101
)

// termTable finds terms by name and by number.
type termTable struct {
	byRefID  map[string]*term
	byNumber map[uint32]*term
}

func newTermTable() termTable {
	t := termTable{make(map[string]*term, len(equipment)), make(map[uint32]*term, len(equipment))}
	for i := range equipment {
		e := &equipment[i]
		t.byRefID[e.refid] = e
		if e.number != 0 {
			t.byNumber[e.number] = e
		}
	}
	return t
}

// find looks a term up: the name wins, then the number. The number 0 is what
// senders write for "no code yet".
func (t *termTable) find(number uint32, refid string) (*term, bool) {
	if e, ok := t.byRefID[refid]; ok {
		return e, true
	}
	e, ok := t.byNumber[number]
	return e, ok
}

// Partitions of the nomenclature: a number is partition × 65536 + term.
const (
	partitionObjects      = 1
	partitionMeasurements = 2
	partitionEvents       = 3
)

func partition(number uint32) uint32 { return number >> 16 }

// private says that a number is of the range that each maker uses as it likes.
func private(number uint32) bool { return number&0xFFFF >= 0xF000 }

// oddEvent says that a number is the odd twin of an event code: no source says
// what those mean.
func oddEvent(number uint32) bool { return partition(number) == partitionEvents && number%2 == 1 }
