package hl7

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var ackTime = time.Date(2026, 1, 24, 12, 47, 40, 0, time.FixedZone("", 3600))

func TestAckEchoesTheRequest(t *testing.T) {
	m := mustParse(t, ventilator)
	out, wanted := Ack([]byte("> "), m, Accepted, AckOptions{Now: ackTime, ID: "A1"})
	require.True(t, wanted)
	require.Equal(t, "> MSH|^~\\&|medfleet|CLINIC|VENTLINK^00A1B2FFFE000009^EUI-64|AERTEC|20260124124740+0100||ACK^R01^ACK|A1|P|2.6||||||UNICODE UTF-8\r"+
		"MSA|CA|VL-7781\r", string(out))
}

func TestAckForms(t *testing.T) {
	tests := map[string]struct{ input, want string }{
		"own separators": {
			"MSH$%*!@$PUMP$F$$$$$ORU%R42%ORU_R01$a!F!b$D$2.6\r",
			"MSH$%*!@$$$PUMP$F$20260124124740+0100$$ACK%R42%ACK$A1$D$2.6\rMSA$AA$a!F!b\r"},
		"no event": {
			"MSH|^~\\&|PUMP||||||ORU|9|P|2.3\r",
			"MSH|^~\\&|||PUMP||20260124124740+0100||ACK|A1|P|2.3\rMSA|AA|9\r"},
		"nothing but a header": {
			"MSH|^~\\&|",
			"MSH|^~\\&|||||20260124124740+0100||ACK|A1||\rMSA|AA|\r"},
		"truncation character": {
			"MSH|^~\\&#|PUMP||||||ORU^R40|9|P|2.7\r",
			"MSH|^~\\&#|||PUMP||20260124124740+0100||ACK^R40^ACK|A1|P|2.7\rMSA|AA|9\r"},
		"a wrapped control id": {
			"MSH|^~\\&|PUMP||||||ORU^R40|12\n34|P|2.7\r",
			"MSH|^~\\&|||PUMP||20260124124740+0100||ACK^R40^ACK|A1|P|2.7\rMSA|AA|1234\r"},
		"decoded first": {
			"MSH|^~\\&|\xb1\xc3||||||ORU^R40|9|P|2.7||||||GB 18030-2000\r",
			"MSH|^~\\&|||泵||20260124124740+0100||ACK^R40^ACK|A1|P|2.7||||||UNICODE UTF-8\rMSA|AA|9\r"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			out, wanted := Ack(nil, mustParse(t, tt.input), Accepted, AckOptions{Now: ackTime, ID: "A1"})
			require.True(t, wanted)
			require.Equal(t, tt.want, string(out))
			_, err := Parse(out)
			require.NoError(t, err)
		})
	}
}

func TestWhichCodeAndWhether(t *testing.T) {
	tests := []struct {
		commit, application string
		mode                AckMode
		accepted, failed    string // "" means no answer
	}{
		{"", "", AckAuto, "AA", "AE"},
		{"AL", "NE", AckAuto, "CA", "CE"},
		{"AL", "", AckAuto, "CA", "CE"},
		{"NE", "AL", AckAuto, "AA", "AE"},
		{"", "AL", AckAuto, "AA", "AE"},
		{"NE", "NE", AckAuto, "", ""},
		{"NE", "", AckAuto, "", ""},
		{"ER", "NE", AckAuto, "", "CE"},
		{"SU", "NE", AckAuto, "CA", ""},
		{"NE", "ER", AckAuto, "", "AE"},
		{"NE", "SU", AckAuto, "AA", ""},
		{"ER", "AL", AckAuto, "AA", "CE"},
		{"AL", "AL", AckAuto, "CA", "CE"},
		{"al", "ne", AckAuto, "CA", "CE"},
		{"Y", "NE", AckAuto, "CA", "CE"},
		{"AL", "NE", AckOriginal, "AA", "AE"},
		{"ER", "NE", AckOriginal, "", "AE"},
		{"NE", "NE", AckOriginal, "", ""},
		{"", "", AckOriginal, "AA", "AE"},
		{"", "", AckEnhanced, "CA", "CE"},
		{"NE", "AL", AckEnhanced, "CA", "CE"},
	}
	for _, tt := range tests {
		m := mustParse(t, "MSH|^~\\&|PUMP||||||ORU^R01|9|P|2.6|||"+tt.commit+"|"+tt.application+"\r")
		for outcome, want := range map[Outcome]string{Accepted: tt.accepted, Failed: tt.failed} {
			out, wanted := Ack(nil, m, outcome, AckOptions{Mode: tt.mode, Now: ackTime})
			require.Equal(t, want != "", wanted, "%+v %c", tt, outcome)
			if !wanted {
				require.Empty(t, out)
				continue
			}
			answer := mustParse(t, string(out))
			require.Equal(t, want, answer.First("MSA").Field(1).String(), "%+v %c", tt, outcome)
			require.NotEmpty(t, answer.Header().Field(10).String())
		}
	}
}

func TestAnAnswerIsNotAnswered(t *testing.T) {
	for _, input := range []string{
		"MSH|^~\\&|A||||||ACK^R01^ACK|9|P|2.6|||AL|AL\rMSA|AA|1\r",
		"MSH|^~\\&|A||||||ack|9|P|2.6\rMSA|AA|1\r",
		"MSH|^~\\&|A||||||MCF|9|P|2.1\r",
		"MSH|^~\\&|A||||||ORF^R04|9|P|2.3\rMSA|AA|1\r",
		"MSH|^~\\&|A|||||||9|P|2.3\rMSA|AA|1\r",
	} {
		out, wanted := Ack(nil, mustParse(t, input), Accepted, AckOptions{Mode: AckOriginal, Now: ackTime})
		require.False(t, wanted, input)
		require.Empty(t, out)
	}
	_, wanted := Ack(nil, mustParse(t, "MSH|^~\\&|A||||||ORA^R41|9|P|2.6|||AL|NE\rMSA|AA|1\r"), Accepted, AckOptions{Now: ackTime})
	require.True(t, wanted, "an answer that asks for a commit acknowledgement gets one")
	_, wanted = Ack(nil, new(Message), Accepted, AckOptions{Now: ackTime})
	require.False(t, wanted)
}

func TestAckWithError(t *testing.T) {
	out, wanted := Ack(nil, mustParse(t, ventilator), Rejected, AckOptions{Now: ackTime, Mode: AckOriginal, Error: &Condition{
		Location: "OBX^3^5^1", Code: 101, Severity: "E", Text: "value of a number is missing | see manual",
	}})
	require.True(t, wanted)
	lines := strings.Split(string(out), "\r")
	require.Equal(t, "MSA|AR|VL-7781", lines[1])
	require.Equal(t, `ERR||OBX^3^5^1|101^Required field missing^HL70357|E|||value of a number is missing \F\ see manual`, lines[2])
}

func TestControlID(t *testing.T) {
	const header = "MSH|^~\\&|PUMP||||||ORU^R01|ID-7|P|2.6\r"
	tests := map[string]struct{ input, want string }{
		"whole":             {header + "OBX|1", "ID-7"},
		"rubbish before":    {"\x00\xff\x0b garbage " + header, "ID-7"},
		"cut after":         {header[:len(header)-6], "ID-7"},
		"cut inside":        {"MSH|^~\\&|PUMP||||||ORU^R01|ID-", ""},
		"ends with it":      {"MSH|^~\\&|PUMP||||||ORU^R01|ID-7\r", "ID-7"},
		"too few fields":    {"MSH|^~\\&|PUMP\rOBX|||||||||||", ""},
		"own separator":     {"MSH$^~\\&$PUMP$$$$$$ORU$ID-7$P$", "ID-7"},
		"not a header":      {"MSHELL 12345678", ""},
		"a web browser":     {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", ""},
		"empty":             {"", ""},
		"control character": {"MSH|^~\\&|PUMP||||||ORU|I\x00D|P|2.6\r", ""},
		"much too long":     {"MSH|^~\\&|PUMP||||||ORU|" + strings.Repeat("9", 300) + "|P|2.6\r", ""},
		"far in":            {strings.Repeat("x", 9000) + header, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tt.want, string(ControlID([]byte(tt.input))))
			out, answered := Reject(nil, []byte(tt.input), AckOptions{Now: ackTime, ID: "R1"})
			require.Equal(t, tt.want != "", answered)
			if !answered {
				require.Empty(t, out)
				return
			}
			answer := mustParse(t, string(out))
			require.Equal(t, "AR", answer.First("MSA").Field(1).String())
			require.Equal(t, tt.want, answer.First("MSA").Field(2).String())
		})
	}
}

func TestRejectFollowsTheHeaderItCanRead(t *testing.T) {
	out, answered := Reject(nil, []byte(ventilator[:400]), AckOptions{Now: ackTime})
	require.True(t, answered)
	require.Equal(t, "CR", mustParse(t, string(out)).First("MSA").Field(1).String())
	out, answered = Reject(nil, []byte("junk MSH|^~\\&|PUMP||||||ORU|7|P|2.6\r"), AckOptions{Now: ackTime, Mode: AckEnhanced})
	require.True(t, answered)
	require.Equal(t, "CR", mustParse(t, string(out)).First("MSA").Field(1).String())
	for _, ack := range []string{"MSH|^~\\&|PUMP||||||ACK^R01|7|P|2.6\r", "junk MSH|^~\\&|PUMP||||||ACK^R01|7|P|2.6\r"} {
		_, answered = Reject(nil, []byte(ack), AckOptions{Now: ackTime})
		require.False(t, answered)
	}
}
