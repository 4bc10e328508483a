package pcd

import "strconv"

// place is something in a message that may be read. The list below is all
// there is: the sieve reads by place, so what has no place cannot be read.
type place uint8

const (
	mshApplication place = iota
	mshMatchApplication
	mshMatchFacility
	mshApplicationID
	mshFacility
	mshSender
	mshSenderFacility
	mshTime
	mshType
	mshEvent
	mshControlID
	mshControl
	mshMode
	mshVersion
	mshAccept
	mshAcknowledge
	mshProfile
	mshProfileName
	mshProfileEarly
	pv1Unit
	pv1Bed
	obrCode
	obrRefID
	obrWord
	obrTime
	obrEndTime
	obrAlertID
	obrAlertSpace
	obrParentID
	obrParent
	obxType
	obxCode
	obxRefID
	obxLateCode
	obxEarlyRefID
	obxOtherCode
	obxOtherRefID
	obxHexCode
	obxVendorCode
	obxSystem
	obxOtherVendorCode
	obxOtherSystem
	obxPath
	obxNumber
	obxStructured
	obxComparator
	obxWord
	obxWordText
	obxEventCode
	obxEventRefID
	obxOtherEventCode
	obxOtherEventRefID
	obxEventVendorCode
	obxEventSystem
	obxOtherEventVendorCode
	obxOtherEventSystem
	obxEventWords
	obxEventName
	obxEventOriginal
	obxIdentity
	obxModel
	obxMakerModel
	obxMaker
	obxRevision
	obxRevisions
	obxValid
	obxUnit
	obxUnitName
	obxOtherUnit
	obxOtherUnitName
	obxFlag
	obxStatus
	obxTime
	obxMethod
	obxInstance
	obxInstanceName
	obxInstanceID
	obxWhere
	prtKind
	prtInstance
	prtSerial
	places
)

// segmentKind is a segment something is read from; segmentOther is all others,
// segmentPatient the one that begins another patient's part of the message.
type segmentKind uint8

const (
	segmentOther segmentKind = iota
	segmentPatient
	segmentMSH
	segmentPV1
	segmentOBR
	segmentOBX
	segmentPRT
)

var segmentNames = [...]string{segmentPatient: "PID", segmentMSH: "MSH", segmentPV1: "PV1", segmentOBR: "OBR", segmentOBX: "OBX", segmentPRT: "PRT"}

// fate is how far a value may go.
type fate uint8

const (
	forgotten fate = iota // it is compared or looked up, and then forgotten
	inHash                // only a hash over several of them leaves
	asNumber              // it leaves as a number or a time
	asText                // it leaves as text
)

var fates = [...]string{
	forgotten: "looked up, then forgotten",
	inHash:    "part of a hash",
	asNumber:  "kept as a number or a time",
	asText:    "kept as text",
}

// rule allows one place. component 0 is the whole field. rows says in which OBX
// rows the place may be read, 0 in all; letter whether it may also stand in a
// dead letter.
type rule struct {
	segment   segmentKind
	field     int
	component int
	rows      rowKind
	shape     shape
	fate      fate
	letter    bool
	why       string
}

// allowed is the allow-list. It is the only place to change when something
// more is to be read; the tests plant tokens in every other position.
var allowed = [places]rule{
	mshApplication:   {segmentMSH, 3, 1, 0, shapeName, asText, true, "who sent it, for people; device identity where the configuration says so (msh3.1)"},
	mshApplicationID: {segmentMSH, 3, 2, 0, shapeIdentity, asText, false, "device identity where the configuration says so (msh3.2)"},
	mshFacility:      {segmentMSH, 4, 1, 0, shapeName, asText, true, "who sent it, for people; device identity where the configuration says so (msh4.1)"},

	mshMatchApplication: {segmentMSH, 3, 1, 0, shapePrintable, forgotten, false, "finds the sender's configuration"},
	mshMatchFacility:    {segmentMSH, 4, 1, 0, shapePrintable, forgotten, false, "finds the sender's configuration"},

	mshSender:         {segmentMSH, 3, 0, 0, shapeAny, inHash, false, "event id"},
	mshSenderFacility: {segmentMSH, 4, 0, 0, shapeAny, inHash, false, "event id"},
	mshTime:           {segmentMSH, 7, 1, 0, shapeTime, asNumber, true, "clock skew; time of a report that has none; event id"},
	mshType:           {segmentMSH, 9, 1, 0, shapeType, forgotten, true, "what kind of message it is"},
	mshEvent:          {segmentMSH, 9, 2, 0, shapeType, forgotten, true, "what kind of message it is"},
	mshControlID:      {segmentMSH, 10, 1, 0, shapeControl, forgotten, true, "finds the message in the sender's log"},
	mshControl:        {segmentMSH, 10, 0, 0, shapeAny, inHash, false, "event id"},
	mshMode:           {segmentMSH, 11, 1, 0, shapeLetter, forgotten, true, "debugging and training are not service"},
	mshVersion:        {segmentMSH, 12, 1, 0, shapeDotted, forgotten, true, "which HL7 the sender speaks"},
	mshAccept:         {segmentMSH, 15, 1, 0, shapeAnswer, forgotten, true, "which answer the sender wants"},
	mshAcknowledge:    {segmentMSH, 16, 1, 0, shapeAnswer, forgotten, true, "which answer the sender wants"},
	mshProfile:        {segmentMSH, 21, 3, 0, shapeDotted, forgotten, true, "IHE profile"},
	mshProfileName:    {segmentMSH, 21, 1, 0, shapeDotted, forgotten, true, "IHE profile put one component early"},
	mshProfileEarly:   {segmentMSH, 20, 3, 0, shapeDotted, forgotten, true, "IHE profile put one field early"},

	pv1Unit: {segmentPV1, 3, 1, 0, shapePlace, asText, true, "care unit; never the room or the bed"},
	pv1Bed:  {segmentPV1, 3, 3, 0, shapePlace, forgotten, false, "looked up in the table of a sender that names its devices by nothing else"},

	obrCode:    {segmentOBR, 4, 1, 0, shapeCode, forgotten, true, "alert, device management or waveform"},
	obrRefID:   {segmentOBR, 4, 2, 0, shapeRefID, forgotten, true, "alert, device management or waveform"},
	obrWord:    {segmentOBR, 4, 1, 0, shapeService, forgotten, true, "alert or waveform, where a word stands for the code"},
	obrTime:    {segmentOBR, 7, 1, 0, shapeTime, asNumber, true, "time of a report"},
	obrEndTime: {segmentOBR, 8, 1, 0, shapeTime, asNumber, true, "time of a report that has no start"},

	obrAlertID:    {segmentOBR, 3, 1, 0, shapeAny, inHash, false, "which alert it is; the hash stays in memory"},
	obrAlertSpace: {segmentOBR, 3, 2, 0, shapeAny, inHash, false, "which alert it is; the hash stays in memory"},
	obrParentID:   {segmentOBR, 29, 1, 0, shapeAny, inHash, false, "which alert it goes on about; the hash stays in memory"},
	obrParent:     {segmentOBR, 29, 2, 0, shapeAny, inHash, false, "which alert it goes on about; the hash stays in memory"},

	obxType:       {segmentOBX, 2, 1, 0, shapeType, forgotten, true, "tells a structure row from a value"},
	obxCode:       {segmentOBX, 3, 1, 0, shapeCode, asText, true, "what the row is about; unknown codes are counted"},
	obxRefID:      {segmentOBX, 3, 2, 0, shapeRefID, asText, true, "what the row is about; unknown codes are counted"},
	obxLateCode:   {segmentOBX, 3, 2, 0, shapeCode, forgotten, false, "what the row is about, where code and name are swapped"},
	obxEarlyRefID: {segmentOBX, 3, 1, 0, shapeRefID, forgotten, false, "what the row is about, where code and name are swapped"},
	obxOtherCode:  {segmentOBX, 3, 4, 0, shapeCode, forgotten, false, "what the row is about, where the maker's own code stands first"},
	obxOtherRefID: {segmentOBX, 3, 5, 0, shapeRefID, forgotten, false, "what the row is about, where the maker's own code stands first"},
	obxHexCode:    {segmentOBX, 3, 1, 0, shapeHexCode, forgotten, false, "what the row is about, where partition and term are in hexadecimal (MDIL)"},
	obxVendorCode: {segmentOBX, 3, 1, 0, shapeVendorCode, asText, false, "a maker's own error code; it stays if the fault table has it, or the device alarms about nobody"},
	obxSystem:     {segmentOBX, 3, 3, 0, shapeSystem, asText, false, "whose code it is"},

	obxOtherVendorCode: {segmentOBX, 3, 4, 0, shapeVendorCode, asText, false, "a maker's own error code; it stays if the fault table has it, or the device alarms about nobody"},
	obxOtherSystem:     {segmentOBX, 3, 6, 0, shapeSystem, asText, false, "whose code it is"},

	obxPath: {segmentOBX, 4, 1, 0, shapeDotted, forgotten, true, "which device the row belongs to"},

	obxNumber:          {segmentOBX, 5, 1, rowMetric, shapeNumber, asNumber, false, "metrics of the profiles"},
	obxStructured:      {segmentOBX, 5, 2, rowMetric, shapeNumber, asNumber, false, "metrics sent as structured numbers (SN)"},
	obxComparator:      {segmentOBX, 5, 1, rowMetric, shapeEqual, forgotten, false, "a structured number must be exact"},
	obxWord:            {segmentOBX, 5, 1, rowWords, shapeWord, forgotten, false, "states, power source, phase and priority of an alert"},
	obxWordText:        {segmentOBX, 5, 2, rowWords, shapeWord, forgotten, false, "states, power source, phase and priority of an alert"},
	obxEventCode:       {segmentOBX, 5, 1, rowCoded | rowListed, shapeCode, asText, false, "which event it is; only codes of the condition table stay, and numbers on a list of technical alarms"},
	obxEventRefID:      {segmentOBX, 5, 2, rowCoded, shapeRefID, asText, false, "which event it is; codes of the condition table stay, and those of a device that alarms about nobody"},
	obxOtherEventCode:  {segmentOBX, 5, 4, rowCoded, shapeCode, forgotten, false, "which event it is, where the maker's own code stands first"},
	obxOtherEventRefID: {segmentOBX, 5, 5, rowCoded, shapeRefID, forgotten, false, "which event it is, where the maker's own code stands first"},

	obxEventVendorCode:      {segmentOBX, 5, 1, rowCoded, shapeVendorCode, asText, false, "a maker's own error code; it stays if the fault table has it, or the device alarms about nobody"},
	obxEventSystem:          {segmentOBX, 5, 3, rowCoded, shapeSystem, asText, false, "whose code it is"},
	obxOtherEventVendorCode: {segmentOBX, 5, 4, rowCoded, shapeVendorCode, asText, false, "a maker's own error code; it stays if the fault table has it, or the device alarms about nobody"},
	obxOtherEventSystem:     {segmentOBX, 5, 6, rowCoded, shapeSystem, asText, false, "whose code it is"},
	obxEventWords:           {segmentOBX, 5, 1, rowCoded | rowAlertText | rowVendorAlert, shapeMessage, forgotten, false, "a maker's own message; our words for it stay, if the fault table has it"},
	obxEventName:            {segmentOBX, 5, 2, rowCoded | rowListed, shapeMessage, forgotten, false, "a maker's own message; our words for it stay, if the fault table has it"},
	obxEventOriginal:        {segmentOBX, 5, 9, rowCoded, shapeMessage, forgotten, false, "a maker's own message; our words for it stay, if the fault table has it"},

	obxIdentity:   {segmentOBX, 5, 1, rowIdentity, shapeIdentity, asText, false, "device identity: system id, serial number, UDI"},
	obxModel:      {segmentOBX, 5, 1, rowModel, shapeModel, asText, false, "model"},
	obxMakerModel: {segmentOBX, 5, 1, rowModel, shapeMakerModel, asText, false, "maker and model in one text"},
	obxMaker:      {segmentOBX, 5, 1, rowMaker, shapeModel, asText, false, "maker"},
	obxRevision:   {segmentOBX, 5, 1, rowRevision, shapeRevision, asText, false, "firmware, software, hardware: for recall lists"},
	obxRevisions:  {segmentOBX, 5, 1, rowRevision, shapeRevisions, asText, false, "firmware of several parts: only known words and revisions stay"},
	obxValid:      {segmentOBX, 5, 1, rowMeasurement, shapeValidity, forgotten, false, "whether a monitor measures anything at all; the value itself is not kept"},

	obxUnit:          {segmentOBX, 6, 1, rowMetric, shapeUnit, forgotten, false, "unit of measure"},
	obxUnitName:      {segmentOBX, 6, 2, rowMetric, shapeUnit, forgotten, false, "unit of measure"},
	obxOtherUnit:     {segmentOBX, 6, 4, rowMetric, shapeUnit, forgotten, false, "unit of measure"},
	obxOtherUnitName: {segmentOBX, 6, 5, rowMetric, shapeUnit, forgotten, false, "unit of measure"},
	obxFlag:          {segmentOBX, 8, 1, 0, shapeLetters, forgotten, false, "simulated data; priority of an alert"},
	obxStatus:        {segmentOBX, 11, 1, 0, shapeLetter, forgotten, true, "structure rows; values that are withdrawn"},
	obxTime:          {segmentOBX, 14, 1, 0, shapeTime, asNumber, true, "time of a value or an event"},
	obxMethod:        {segmentOBX, 17, 2, rowMeasurement, shapeMethod, forgotten, false, "settings and single cuff readings do not show that a monitor is in use"},
	obxInstance:      {segmentOBX, 18, 1, 0, shapeIdentity, asText, true, "device identity"},
	obxInstanceName:  {segmentOBX, 18, 2, 0, shapeIdentity, asText, false, "device identity where the configuration says so (obx18.2)"},
	obxInstanceID:    {segmentOBX, 18, 3, 0, shapeIdentity, asText, false, "device identity"},

	obxWhere: {segmentOBX, 18, 1, rowWhere, shapePlace, asText, false, "care unit that a rack stands in, where one maker writes it"},

	prtKind:     {segmentPRT, 4, 1, 0, shapeEquipment, forgotten, false, "a participation that is a device, not a person"},
	prtInstance: {segmentPRT, 10, 1, 0, shapeIdentity, asText, false, "device identity; only where PRT-4 is EQUIP"},
	prtSerial:   {segmentPRT, 20, 1, 0, shapeIdentity, asText, false, "device identity; only where PRT-4 is EQUIP"},
}

// Allowed is one line of the allow-list, for the documents. Component 0 is the
// whole field.
type Allowed struct {
	Segment   string
	Field     int
	Component int
	Rows      string // in which OBX rows; empty: in all
	Shape     string // what a value must look like to be read at all
	Fate      string // what becomes of it
	Letter    bool   // may stand in a dead letter
	Why       string
}

// Where gives the place as the standard writes it: PV1-3.1.
func (a Allowed) Where() string {
	where := a.Segment + "-" + strconv.Itoa(a.Field)
	if a.Component > 0 {
		where += "." + strconv.Itoa(a.Component)
	}
	return where
}

// AllowList lists everything that is read from a message. What is not on it is
// not read.
func AllowList() []Allowed {
	list := make([]Allowed, 0, places)
	for _, r := range allowed {
		list = append(list, Allowed{
			Segment: segmentNames[r.segment], Field: r.field, Component: r.component,
			Rows: r.rows.words(), Shape: shapes[r.shape].words, Fate: fates[r.fate], Letter: r.letter, Why: r.why,
		})
	}
	return list
}
