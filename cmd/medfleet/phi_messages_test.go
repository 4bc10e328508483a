package main

import (
	"strings"
	"time"
)

// planting is a token at a place of a message.
type planting struct {
	where     string // PID-5.1, or a topic's or a JSON key's place
	row       string // of an OBX, the name of what it is about
	way       *way
	text      string // what it stands for
	segment   string
	field     int
	component int
}

// garden plants tokens and knows where.
type garden struct {
	planted []planting // by number
}

// plant gives the next token of a way as it is written.
func (g *garden) plant(p planting) string {
	p.text = p.way.text(len(g.planted))
	g.planted = append(g.planted, p)
	return p.way.wire(p.text)
}

func wayNamed(name string) *way {
	for i := range ways {
		if ways[i].name == name {
			return &ways[i]
		}
	}
	panic("no way " + name)
}

func (g *garden) wayAt(i int) *way { return &ways[i%len(ways)] }

// phiStamp is the time that the messages have.
func phiStamp() string { return time.Now().UTC().Format("20060102150405") + "+0000" }

func mshOf(event, profile string) string {
	return `MSH|^~\&|RACK7^00137A0000A1B2C3^EUI-64|HARBOUR|HUB|HARBOUR|` + phiStamp() + "||ORU^" + event + "^ORU_" + event +
		"|C1|P|2.6|||AL|NE||UNICODE UTF-8|||IHE_PCD^IHE PCD^1.3.6.1.4.1.19376.1.6.1." + profile + ".1^ISO"
}

// people are segments about a patient, as they stand among those about devices.
var people = []string{
	"PID|1||8812345^^^HOSP^MR||Marrow^Edith^^^^^L||19580203|F|||Pier 9^^Harbour", "PD1|||CLINIC", "NK1|1|Marrow^Luis", "PV1|1|I|4W^412^A^NORTH", "PV2|||REASON",
	"ORC|RE|1|2", "ROL|1|AD|AT|x", "DG1|1||I21", "AL1|1|DA|PEN", "GT1|1||Marrow", "IN1|1|x", "ZPI|1|x", "NTE|1||note", "TQ1|1|||Q6H", "SPM|1|x", "MSA|AA|1",
}

// bearers are messages with devices and patients in them.
func bearers() map[string][]string {
	at := phiStamp()
	pump := append([]string{mshOf("R01", "1")}, people...)
	pump = append(pump, "OBR|1|4711^R|4711^R|Heparin^Heparin|||"+at,
		"OBX|1||70053^MDC_DEV_PUMP_INFUS_SYRINGE_MDS^MDC|1.0.0.0|||||||X|||||||SYR-9001^^0012210000000000^EUI-64",
		"PRT|1|UC||EQUIP|||||4W|SYR-9001^x||||||0||||SN-77|",
		"OBX|2|ST|67880^MDC_ATTR_ID_MODEL^MDC|1.0.0.1|Halden HS-1||||||R",
		"OBX|3|ST|531972^MDC_ID_PROD_SPEC_SERIAL^MDC|1.0.0.2|SN-77||||||R",
		"OBX|4|ST|531976^MDC_ID_PROD_SPEC_FW^MDC|1.0.0.2|1.1.13||||||R",
		"OBX|5|NM|67996^MDC_ATTR_VAL_BATT_CHARGE^MDC|1.0.0.3|87|262688^MDC_DIM_PERCENT^MDC|||||R",
		"OBX|6||70054^MDC_DEV_PUMP_INFUS_SYRINGE_VMD^MDC|1.1.0.0|||||||X|||||||MOD-31",
		"OBX|7|CWE|158005^MDC_PUMP_CURRENT_DELIVERY_STATUS^MDC|1.1.1.1|^pump-delivery-status-delivering||||||R",
		"OBX|8|NM|157784^MDC_FLOW_FLUID_PUMP^MDC|1.1.1.3|12.5|265266^MDC_DIM_MILLI_L_PER_HR^MDC|||||R",
		"OBX|9|ST|184330^MDC_DRUG_NAME_TYPE^MDC|1.1.1.4|Heparin||||||R",
		"OBX|10|NM|68063^MDC_ATTR_PT_WEIGHT^MDC|1.2.0.5|71|263875^MDC_DIM_KILO_G^MDC|||||F",
		"NTE|1||ask for Marrow")
	alert := []string{mshOf("R40", "4"), people[0], people[3],
		"OBR|1|A77^VENT|A77^VENT|196616^MDC_EVT_ALARM^MDC|||" + at + "||||||||||||||||||||||^A70&VENT",
		"OBX|1||70001^MDC_DEV_SYS_PT_VENT_MDS^MDC|1.0.0.0|||||||X|||||||V-9002",
		"OBX|2||70002^MDC_DEV_SYS_PT_VENT_VMD^MDC|1.1.0.0|||||||X",
		"OBX|3|CWE|196616^MDC_EVT_ALARM^MDC|1.1.0.1.1|197618^MDC_EVT_DEVICE_FAIL^MDC^^^^^^near Marrow|||A~PM~ST|||R|||" + at,
		"OBX|4|CWE|68480^MDC_ATTR_ALERT_SOURCE^MDC|1.1.0.1.2|70002^MDC_DEV_SYS_PT_VENT_VMD^MDC||||||R",
		"OBX|5|ST|68481^MDC_ATTR_EVENT_PHASE^MDC|1.1.0.1.3|start||||||R",
		"OBX|6|ST|68482^MDC_ATTR_ALARM_STATE^MDC|1.1.0.1.4|active||||||R",
		"OBX|7|ST|68484^MDC_ATTR_ALARM_PRIORITY^MDC|1.1.0.1.5|PH||||||R",
		"OBX|8|ST|68546^MDC_ATTR_ALERT_TEXT^MDC|1.1.0.1.8|text of Marrow||||||R"}
	monitor := []string{mshOf("R01", "1"), people[0], people[3], "OBR|1|1|1|182777000^monitoring of patient^SCT|||" + at + "|||^Ostrow|||||||^Ostrow",
		"OBX|1||69965^MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS^MDC|1.0.0.0|||||||X|||||||M-9003",
		"OBX|2|NM|147842^MDC_ECG_CARD_BEAT_RATE^MDC|1.5.1.1|71|264864^MDC_DIM_BEAT_PER_MIN^MDC|||||R"}
	unknown := []string{`MSH|^~\&|RACK7|HARBOUR|HUB|HARBOUR|` + phiStamp() + "||ORU^R01|C1|P|2.6", people[0], people[3], "OBR|1|1|1|^^|||" + at,
		"OBX|1|NM|67996^MDC_ATTR_VAL_BATT_CHARGE^MDC|1.0.0.3|87|262688^MDC_DIM_PERCENT^MDC|||||R"}
	admission := append([]string{strings.Replace(mshOf("A01", "1"), "ORU^A01", "ADT^A01", 1), "EVN|A01|" + at}, people...)
	query := []string{strings.Replace(mshOf("Q22", "1"), "ORU^Q22", "QBP^Q22", 1), "QPD|Q22^Find^HL7|1|@PID.5^Marrow", "RCP|I"}
	return map[string][]string{"pump": pump, "alert": alert, "monitor": monitor, "unknown": unknown, "admission": admission, "query": query}
}

const components = 6

// fieldsOf is how far tokens are planted in a segment: two beyond its end, and
// not less than fourteen, where most segments have something of a person.
func fieldsOf(segment string) int { return max(strings.Count(segment, "|")+2, 14) }

// infested gives the message once for each field of each segment, with a token in
// each of the field's components.
func (g *garden) infested(base []string) (list []string) {
	for i, segment := range base {
		first := 1
		if strings.HasPrefix(segment, "MSH") {
			first = 3
		}
		for field := first; field <= fieldsOf(segment); field++ {
			planted := append([]string(nil), base...)
			planted[i] = g.inField(segment, field)
			list = append(list, strings.Join(planted, "\r")+"\r")
		}
	}
	return list
}

// inField replaces a field by components that each are a token.
func (g *garden) inField(segment string, field int) string {
	fields := strings.Split(segment, "|")
	at, name, row := field, segment[:3], ""
	if name == "MSH" {
		at--
	}
	if name == "OBX" {
		row = strings.Split(fields[3], "^")[1]
	}
	for len(fields) <= at {
		fields = append(fields, "")
	}
	var all []string
	for c := 1; c <= components; c++ {
		n := len(g.planted)
		all = append(all, g.plant(planting{
			where: name + "-" + itoa(field) + "." + itoa(c), row: row, way: g.wayAt(n + n/len(ways)/components),
			segment: name, field: field, component: c,
		}))
	}
	fields[at] = strings.Join(all, "^")
	return strings.Join(fields, "|")
}

// inNames gives messages whose care unit and device have names that the filter lets
// through in none, and the collector would take.
func (g *garden) inNames() (list []string) {
	for _, name := range []string{"pump", "alert", "monitor"} {
		for range 4 {
			var segments []string
			for _, s := range bearers()[name] {
				if strings.HasPrefix(s, "PV1") {
					s = "PV1|1|I|" + g.plant(planting{where: "PV1-3.1", way: wayNamed("a name in brackets"), segment: "PV1", field: 3, component: 1})
				}
				if strings.HasPrefix(s, "OBX|1|") {
					s = s[:strings.Index(s, "|X|")+3] + "||||||" + g.plant(planting{where: "OBX-18.1", way: wayNamed("a person's name"), segment: "OBX", field: 18, component: 1})
				}
				segments = append(segments, s)
			}
			list = append(list, strings.Join(segments, "\r")+"\r")
		}
	}
	return list
}

// broken gives the bytes of frames that are none, or of messages that are.
func (g *garden) broken() (list []string) {
	token := func(where string, i int) string {
		return g.plant(planting{where: where, way: g.wayAt(i)})
	}
	base := bearers()["pump"]
	for i := range ways {
		head := base[0] + "\r"
		list = append(list,
			framed(token("a frame of words", i)),
			framed(head+token("a line that is no segment", i)+"\r"+strings.Join(base[1:], "\r")),
			framed(head+"QZ1|"+token("a segment of the maker's", i)+"\r"+strings.Join(base[1:], "\r")),
			framed(head+"PID|"+token("a segment glued to others", i)+strings.Join(base[1:], "")),
			framed("MSH|"+token("MSH without separators", i)),
			framed("MSH@*#~%@"+g.plant(planting{where: "MSH-3.1, other separators", way: g.wayAt(i), segment: "MSH", field: 3, component: 1})+"@x@@@"+strings.ReplaceAll(strings.Join(base[1:], "\r"), "|", "@")),
			framed("FHS|^~\\&|"+token("FHS-3", i)+"\rBHS|^~\\&|"+token("BHS-3", i)+"\r"+strings.Join(base, "\r")+"\rBTS|1|"+token("BTS-2", i)+"\rFTS|1|"+token("FTS-2", i)+"\r"),
			framed(token("text before a message", i)+"\r"+strings.Join(base, "\r")),
			"\x0b"+head+"PID|||"+token("a frame that starts anew", i)+framed(strings.Join(base, "\r")),
			"\x0b"+head+"PID|||"+token("a frame without its end", i),
			token("bytes between frames", i)+framed(strings.Join(base, "\r")),
			"\x0b"+head+"PID|||"+token("a frame over the limit", i)+strings.Repeat("x", 300<<10)+"\x1c\r",
			"GET /"+token("no frame at all", i)+" HTTP/1.1\r\n"+strings.Repeat("x", 8<<10),
			framed(gb18030("MSH|^~\\&|R|H|||"+phiStamp()+"||ORU^R01|1|P|2.6||||||GB 18030-2000\rPID|||1||"+g.plant(planting{where: "GB 18030", way: wayNamed("Chinese")})+"\r"+strings.Join(base[1:], "\r"))),
			framed(latin1("MSH|^~\\&|R|H|||"+phiStamp()+"||ORU^R01|1|P|2.6||||||8859/1\rPID|||1||"+g.plant(planting{where: "8859/1", way: wayNamed("Latin letters")})+"\r"+strings.Join(base[1:], "\r"))),
			"\x0b"+"\xff\xfe"+utf16of("MSH|^~\\&|R|H|||"+phiStamp()+"||ORU^R01|1|P|2.6\rPID|||1||"+g.plant(planting{where: "UTF-16", way: wayNamed("Latin letters")})+"\r", false)+"\x1c\r",
		)
	}
	return list
}

// said is an MQTT message.
type said struct{ topic, payload string }

// published gives messages with tokens at each level of the topic, in each key and
// each value.
func (g *garden) published() (list []said) {
	at := time.Now().UTC().Format(time.RFC3339Nano)
	token := func(where string, i int) string {
		w := wayNamed([]string{"plain", "a person's name", "a number", "Latin letters", "Chinese", "base64"}[i%6])
		return strings.NewReplacer("/", "_", "+", "_").Replace(g.plant(planting{where: where, way: w, segment: "MQTT"}))
	}
	status := `{"class":"infusion_pump","time":"` + at + `","operating_hours":12,%s}`
	event := `{"class":"infusion_pump","time":"` + at + `","condition":"battery_low","phase":"start",%s}`
	for i := range 6 {
		for level, name := range []string{"root", "version", "site", "gateway", "device", "leaf", "one too many"} {
			levels := strings.Split("medfleet/v1/north/edge-1/pump-9/status", "/")
			if level == len(levels) {
				levels = append(levels, "")
			}
			levels[level] = token("topic "+name, i)
			list = append(list, said{strings.Join(levels, "/"), strings.Replace(status, ",%s", "", 1)})
		}
		for _, key := range []string{"class", "time", "seq", "model", "unit", "state", "operating_hours", "battery_charge", "patient", "condition", "phase", "code", "priority", "text", "id"} {
			for _, form := range []string{status, event} {
				leaf := "status"
				if form == event {
					leaf = "event"
				}
				body := strings.Replace(form, `"`+key+`":`, `"_":`, 1)
				list = append(list, said{"medfleet/v1/north/edge-1/pump-9/" + leaf, strings.Replace(body, "%s", `"`+key+`":"`+token("value of "+key, i)+`"`, 1)})
			}
		}
		for _, piece := range []string{`"%":1`, `"%":{"x":1}`, `"x":{"%":1}`, `"x":{"y":["%"]}`, `"x":"%","x":"%"`} {
			list = append(list, said{"medfleet/v1/north/edge-1/pump-9/status", strings.Replace(status, "%s", strings.ReplaceAll(piece, "%", token("key or nested", i)), 1)})
		}
		for _, whole := range []string{`%`, `"%"`, `["%"]`, `{"%`, `{"class":"%`} {
			list = append(list, said{"medfleet/v1/north/edge-1/pump-9/event", strings.ReplaceAll(whole, "%", token("no object", i))})
		}
	}
	return list
}

// foreign gives messages of another maker, in the shape that the reference
// configuration maps, with tokens at each level of the topic, in each key and each
// value.
func (g *garden) foreign() (list []said) {
	const at = "hospital/north/4W/pump-9/telemetry"
	body := `{"ts":` + itoa(int(time.Now().UnixMilli())) + `,"serial":"104482","battery":{"level":87.5,"mv":12600,"low":false},"mains":"AC","status":"RUN",` +
		`"runtime":600,"fault":"E17","patient":{"name":"Marrow","mrn":"8812345"},"drug":["Heparin"]}`
	for _, name := range []string{"plain", "a person's name", "a number", "Latin letters", "Chinese", "base64", "a name in brackets"} {
		token := func(where string) string {
			return strings.NewReplacer("/", "_", "+", "_").Replace(g.plant(planting{where: "mapped: " + where, way: wayNamed(name), segment: "MQTT"}))
		}
		for level, what := range []string{"topic root", "topic site", "topic unit", "topic device", "topic leaf"} {
			levels := strings.Split(at, "/")
			levels[level] = token(what)
			list = append(list, said{strings.Join(levels, "/"), body})
		}
		for _, value := range []string{`"104482"`, `87.5`, `12600`, `false`, `"AC"`, `"RUN"`, `600`, `"E17"`, `"Marrow"`, `"8812345"`, `"Heparin"`} {
			list = append(list, said{at, strings.Replace(body, value, `"`+token("value "+value)+`"`, 1)})
		}
		for _, key := range []string{"ts", "serial", "battery", "level", "low", "mains", "status", "runtime", "fault", "patient", "name"} {
			list = append(list, said{at, strings.Replace(body, `"`+key+`":`, `"`+token("key "+key)+`":`, 1)})
		}
		list = append(list, said{at, token("no JSON")}, said{at, `["` + token("a list") + `"]`}, said{"hospital/north/4W/pump-9/LWT", token("a word")})
	}
	return list
}
