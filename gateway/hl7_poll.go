package gateway

import (
	"strconv"
	"time"

	"medfleet/gateway/hl7"
	"medfleet/gateway/mllp"
)

// The exchange with a bedside monitor that shares its data over HL7 2.3.1 (Mindray,
// patient data share protocol): the gateway connects, both sides send an echo about
// each second, a QRY^R02 says what is wanted, and it comes as unsolicited ORU^R01
// whose MSH-10 is a class of message and no identifier. The monitor waits for no
// acknowledgement and sends nothing twice: what it sends while the disk takes
// nothing is lost.

const (
	echoClass  = "106"
	queryClass = "1203"
	// So many parameters stand in one QRF of queries seen in the field.
	parametersPerFilter = 4
)

var (
	askWords = []string{AskParameters, AskPhysiological, AskTechnical}
	askTypes = map[string]string{AskParameters: "1", AskPhysiological: "3", AskTechnical: "4"} // QRF-5.2
)

// poll makes what is said to a monitor.
func (q *HL7Query) poll() *mllp.Poll {
	return &mllp.Poll{
		Query: func(now time.Time) []byte { return q.message(now) },
		Echo:  pollHeader("ORU", "R01", echoClass).Bytes(),
		Every: q.Every,
	}
}

func pollHeader(kind, event, class string) *hl7.Builder {
	b := hl7.NewBuilder(nil, hl7.Standard())
	return b.Segment("MSH").To(9).Field(kind, event).Field(class).Field("P").Field("2.3.1").NextField()
}

// message is the question.
func (q *HL7Query) message(now time.Time) []byte {
	b := pollHeader("QRY", "R02", queryClass)
	stamp := now.Format("20060102150405")
	b.Segment("QRD").Field(stamp).Field("R").Field("I").Field("Q" + stamp).To(9).Field("RES")
	ask := q.Ask
	if len(ask) == 0 {
		ask = []string{AskParameters, AskTechnical}
	}
	for _, a := range ask {
		if a == AskParameters && len(q.Parameters) > 0 {
			q.filters(b)
			continue
		}
		filter(b, askTypes[a], "1")
	}
	return b.Bytes()
}

// filters asks for the parameters of the list.
func (q *HL7Query) filters(b *hl7.Builder) {
	for i, n := range q.Parameters {
		if i%parametersPerFilter == 0 {
			filter(b, askTypes[AskParameters], "0")
		} else {
			b.NextSubcomponent()
		}
		b.Text(strconv.Itoa(n))
	}
}

// filter begins a QRF: all of a type, or what follows as subcomponents.
func filter(b *hl7.Builder, kind, all string) {
	b.Segment("QRF").Field("MON").To(5).Field("0").NextSubcomponent().Text("0")
	for _, part := range [...]string{kind, "1", all, ""} {
		b.NextComponent().Text(part)
	}
}

// isEcho says that a message of a polled feed is only the monitor's sign of life.
func isEcho(m *hl7.Message) bool {
	return len(m.Segments()) == 1 && string(m.Header().Field(10).Bytes()) == echoClass
}
