package pcd

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"medfleet"
	"medfleet/profiles"
)

func TestVerdicts(t *testing.T) {
	msh := func(kind string) []string {
		return []string{`MSH|^~\&|EPIC|MAIN|LIS|REF|20260314102655+0100||` + kind + `|1|P|2.5`, patient}
	}
	oid := func(last string) []string {
		return append([]string{header("R01", "ORU_R01", last)}, pumpReport()[1:]...)
	}
	for name, c := range map[string]struct {
		message []string
		want    Verdict
		reason  string
	}{
		"a report":                           {pumpReport(), Understood, ""},
		"a report without a profile":         {append(msh("ORU^R01"), pumpReport()[1:]...), Understood, ""},
		"a report of the older profile form": {oid("4.1"), Understood, ""},
		"device management":                  {oid("1.15.1"), Understood, ""},
		"location":                           {oid("4.16"), Understood, ""},
		"a profile that we do not know":      {oid("4.77"), Understood, ""},
		"an infusion order":                  {oid("4.3"), NothingForUs, "IHE profile"},
		"an implanted device":                {oid("1.9.1"), NothingForUs, "IHE profile"},
		"a profile of somebody else":         {append([]string{strings.Replace(pumpReport()[0], "19376.1.6.1.1.1", "19376.1.3.9", 1)}, pumpReport()[1:]...), Understood, ""},
		"an echo":                            {[]string{`MSH|^~\&|||||||ORU^R01|106|P|2.3.1|`}, NothingForUs, "no observations"},
		"a laboratory's result": {append(msh("ORU^R01"), "OBR|1|1|1|CBC^blood count^L",
			"OBX|1|NM|718-7^Hemoglobin^LN||13.2|g/dL|12-16|N|||F"), NothingForUs, "about equipment"},
		"demographics":             {msh("ADT^A01^ADT_A01"), NothingForUs, "ADT messages"},
		"an order":                 {msh("ORM^O01"), NothingForUs, "ORM messages"},
		"an acknowledgement":       {append(msh("ACK^R01"), "MSA|AA|1"), NothingForUs, "ACK messages"},
		"an alert's status":        {msh("ORA^R41^ORA_R41"), NothingForUs, "ORA messages"},
		"a query":                  {msh("QRY^R02"), AsksUs, "QRY asks"},
		"another query":            {msh("QBP^Q22^QBP_Q21"), AsksUs, "QBP asks"},
		"no type":                  {msh(""), NotUnderstood, "MSH-9"},
		"a type of no such form":   {msh("Quintero^Ana"), NotUnderstood, "MSH-9"},
		"only a header":            {[]string{`MSH|^~\&`}, NotUnderstood, "MSH-9"},
		"a device without a name":  {report(""), NotUnderstood, "OBX-18"},
		"lower-case segment names": {strings.Split(strings.NewReplacer("OBX|", "obx|", "OBR|", "obr|").Replace(strings.Join(pumpReport(), "\r")), "\r"), Understood, ""},
	} {
		t.Run(name, func(t *testing.T) {
			res := mapOne(t, newMapper(t), c.message...)
			require.Equal(t, c.want, res.Verdict, res.Reason)
			require.Contains(t, res.Reason, c.reason)
			require.NotContains(t, res.Reason, "Quintero")
		})
	}
}

func TestWhereTheProfileStands(t *testing.T) {
	for name, tail := range map[string]string{
		"MSH-21.3":                       "|||IHE_PCD_ACM_001^IHE PCD^1.3.6.1.4.1.19376.1.6.1.4.1^ISO",
		"the other form":                 "|||IHE_PCD_ACM_001^IHE PCD^1.3.6.1.4.1.19376.1.6.4.4^ISO",
		"with a blank":                   "|||IHE_PCD_ACM_001^IHE PCD^ 1.3.6.1.4.1.19376.1.6.4.4 ^ISO",
		"one field early":                "||IHE_PCD_ACM_001^IHE PCD^1.3.6.1.4.1.19376.1.6.4.4^ISO",
		"the second of two":              "|||X^Y^1.2.3^ISO~IHE_PCD_ACM_001^IHE PCD^1.3.6.1.4.1.19376.1.6.4.4^ISO",
		"one that we do not know":        "|||X^IHE PCD^1.3.6.1.4.1.19376.1.6.4.77^ISO",
		"nowhere, told by the trigger":   "",
		"nowhere, and the group says it": "#",
	} {
		t.Run(name, func(t *testing.T) {
			event := "R40"
			m := alertMessage(batteryLow) // no phase: only in an alert that is a start
			if tail == "#" {
				event, tail = "R01", ""
			}
			m[0] = `MSH|^~\&|A|B|||20260314102655+0100||ORU^` + event + `|1|P|2.6|||AL|NE||` + tail
			res := mapOne(t, newMapper(t), m...)
			require.Len(t, res.Events, 1)
			require.Equal(t, medfleet.Start, res.Events[0].Phase)
		})
	}
}

func TestSenders(t *testing.T) {
	m := newMapper(t,
		Sender{Name: "by address", Match: Match{Peer: "10.4.7.0/24", Facility: "nobody"}},
		Sender{Name: "by name", Match: Match{Application: "space*7", Facility: "b?raun"}, Answer: AnswerOriginal},
		Sender{Name: "by one address", Match: Match{Peer: "10.9.9.9"}},
	)
	name := func(peer string) string {
		var res Result
		m.Map(&res, parse(t, message(pumpReport()...)), netip.MustParseAddr(peer), now)
		return res.Sender.Name
	}
	require.Equal(t, "by name", name("10.4.7.21"))
	var res Result
	m.Map(&res, parse(t, "MSH|^~\\&|X|Y|||||ORU^R01|1|P|2.6\r"), netip.MustParseAddr("::ffff:10.9.9.9"), now)
	require.Equal(t, "by one address", res.Sender.Name)
	m.Map(&res, parse(t, "MSH|^~\\&|X|Y|||||ORU^R01|1|P|2.6\r"), netip.Addr{}, now)
	require.Equal(t, "default", res.Sender.Name)
	require.Equal(t, AnswerAuto, res.Sender.Answer)
}

func TestGlob(t *testing.T) {
	for _, c := range []struct {
		pattern, text string
		want          bool
	}{
		{"*", "", true}, {"*", "abc", true}, {"a*c", "ac", true}, {"a*c", "abbbc", true}, {"a*c", "abbb", false},
		{"A?C", "abc", true}, {"a?c", "ac", false}, {"", "a", false}, {"", "", true}, {"*a*b", "xxaxxb", true}, {"*a*b", "xxaxxbx", false},
		{"a*", "b", false}, {"***x", "yyx", true},
	} {
		require.Equal(t, c.want, profiles.Glob(c.pattern, []byte(c.text)), "%q %q", c.pattern, c.text)
	}
}

func TestConfigurationErrorsNameTheKeyAndTheRemedy(t *testing.T) {
	for key, c := range map[string]struct {
		senders []Sender
		remedy  string
	}{
		`senders[0] "": name`:         {[]Sender{{}}, "give the sender a short name"},
		`senders[1]: name "a"`:        {[]Sender{{Name: "a"}, {Name: "a"}}, "give each sender its own"},
		`match.peer "10.4.0.0/99"`:    {[]Sender{{Name: "a", Match: Match{Peer: "10.4.0.0/99"}}}, "10.4.0.0/16"},
		`identity "obx17"`:            {[]Sender{{Name: "a", Identity: "obx17"}}, "obx18.1"},
		`class "kettle"`:              {[]Sender{{Name: "a", Class: "kettle"}}, "infusion_pump"},
		`time_zone "Europe/Berln"`:    {[]Sender{{Name: "a", TimeZone: "Europe/Berln"}}, "Europe/Berlin"},
		`answer "never"`:              {[]Sender{{Name: "a", Answer: "never"}}, "auto, original or enhanced"},
		`aliases["7"]: device id "`:   {[]Sender{{Name: "a", Aliases: map[string]string{"7": "P 7"}}}, "up to 64 letters"},
		`unit "4W\n"`:                 {[]Sender{{Name: "a", Unit: "4W\n"}}, "up to 32 letters"},
		`identity "bed"`:              {[]Sender{{Name: "a", Identity: "bed"}}, "give aliases"},
		`rack "obx17"`:                {[]Sender{{Name: "a", Rack: "obx17"}}, "msh3.2"},
		`prefix: class "kettle"`:      {[]Sender{{Name: "a", Prefix: map[medfleet.Class]string{"kettle": "K"}}}, "infusion_pump"},
		`prefix["infusion_pump"] "I `: {[]Sender{{Name: "a", Prefix: map[medfleet.Class]string{"infusion_pump": "I "}}}, "1 to 8 letters"},
		`model "^x"`:                  {[]Sender{{Name: "a", Model: "^x"}}, "up to 40 letters"},
	} {
		_, err := New(Options{Config: Config{Senders: c.senders}, Profiles: profileSet(t)})
		require.ErrorContains(t, err, key)
		require.ErrorContains(t, err, c.remedy)
	}
	_, err := New(Options{Config: Config{Senders: []Sender{{Name: "a", Class: "kettle"}, {Name: "b", Answer: "never"}}}, Profiles: profileSet(t)})
	require.ErrorContains(t, err, "kettle")
	require.ErrorContains(t, err, "never", "all errors at once")
	_, err = New(Options{})
	require.ErrorContains(t, err, "Profiles")
}

func TestAResultIsUsedAgain(t *testing.T) {
	m := newMapper(t)
	var res Result
	m.Map(&res, parse(t, message(alertMessage("196803^MDC_EVT_BATT_LO^MDC", phaseStart)...)), peer, now)
	require.NotEmpty(t, res.Dropped.Unknown)
	m.Map(&res, parse(t, message(alertMessage(batteryLow, phaseStart)...)), peer, now)
	m.Map(&res, parse(t, message(pumpReport()...)), peer, now)
	require.Equal(t, mapOne(t, m, pumpReport()...).Observations, res.Observations)
	require.Empty(t, res.Events)
	require.Empty(t, res.EventMarks)
	require.Empty(t, res.Dropped.Unknown)
	require.Len(t, res.ObservationMarks, 1)

	msg := parse(t, message(pumpReport()...))
	require.LessOrEqual(t, testing.AllocsPerRun(100, func() { m.Map(&res, msg, peer, now) }), 1.0)
}

func TestAMessageOfTooManyDevicesIsBounded(t *testing.T) {
	rows := []string{header("R01", "ORU_R01", "4.1")}
	for i := range MaxDevices + 100 {
		rows = append(rows, report(fmt.Sprintf("A%d", i))[1:]...)
	}
	res := mapOne(t, newMapper(t), rows...)
	require.Len(t, res.Observations, MaxDevices)
	require.Equal(t, 100, res.Dropped.Devices)
	require.Equal(t, tooMany, res.Reason)
}

func TestASenderWhoseNameHasAnUmlaut(t *testing.T) {
	m := newMapper(t, Sender{Name: "ventilators", Match: Match{Facility: "dr?ger*"}})
	for name, facility := range map[string]string{"UTF-8": "Dräger Medical", "8859/1": "Dr\xe4ger Medical", "capitals": "DRÄGER", "in full": "Drägerwerk AG & Co. KGaA, Lübeck"} {
		msg := parse(t, "MSH|^~\\&|X|"+facility+"|||||ORU^R01|1|P|2.6\r")
		var res Result
		m.Map(&res, msg, peer, now)
		require.Equal(t, "ventilators", res.Sender.Name, name)
	}
}

func TestTheAnswerToAQueryIsReadAsAReport(t *testing.T) {
	m := pumpReport()
	want := mapOne(t, newMapper(t), m...).Observations
	res := mapOne(t, newMapper(t), append([]string{"MSH|^~\\&|PUMP||||20260314102655+0100||ORF^R04|1|P|2.3", "MSA|AA|1", "QRD|20260314102650|R|I|Q1|||||RES"}, m[1:]...)...)
	require.Equal(t, Understood, res.Verdict, res.Reason)
	require.Equal(t, want, res.Observations)
}
