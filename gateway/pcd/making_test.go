package pcd

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWhatADeviceSaysOfItsMaking(t *testing.T) {
	const firmware = "OBX|2|ST|531976^MDC_ID_PROD_SPEC_FW^MDC|1.0.0.5|"
	for name, c := range map[string]struct {
		rows []string
		want Identity
	}{
		"one revision":                     {[]string{firmware + "C.00.7AJ-02||||||F"}, Identity{Firmware: "C.00.7AJ-02"}},
		"several, each with its part":      {[]string{firmware + "Pump Firmware = 1.1.13, Wifi Firmware = 1.4.59||||||F"}, Identity{Firmware: "Pump 1.1.13, Wifi 1.4.59"}},
		"with other marks":                 {[]string{firmware + "Main: 3.2; Boot: 1.0||||||F"}, Identity{Firmware: "Main 3.2, Boot 1.0"}},
		"repetitions, some of them other":  {[]string{firmware + "Type=X_360~Infuser Software=15.11~Boot Loader=2.0||||||F"}, Identity{Firmware: "Infuser 15.11, Boot Loader 2.0"}},
		"a word before it":                 {[]string{firmware + "FW Rev. 7.12.2||||||F"}, Identity{Firmware: "7.12.2"}},
		"a build behind it":                {[]string{firmware + "V2.1 (build 33), Wifi 1.4||||||F"}, Identity{Firmware: "V2.1 Build 33, Wifi 1.4"}},
		"a number without a known word":    {[]string{firmware + "room 7.12.2||||||F"}, Identity{}},
		"a word that could be a name":      {[]string{firmware + "Quintero = 1.1.13||||||F"}, Identity{}},
		"free text":                        {[]string{firmware + "updated for Ana on 3 May||||||F"}, Identity{}},
		"withdrawn":                        {[]string{firmware + `""||||||F`}, Identity{}},
		"software, hardware, maker, model": {[]string{"OBX|2|ST|531975^MDC_ID_PROD_SPEC_SW^MDC|1.0.0.5|5.1.0||||||F", "OBX|3|ST|531974|1.0.0.6|39027746.01||||||F", "OBX|4|ST|531970^MDC_ID_MODEL_MANUFACTURER^MDC|1.0.0.7|Acme Medical||||||F", "OBX|5|ST|531969^MDC_ID_MODEL_NUMBER^MDC|1.0.0.8|P 3000||||||F"}, Identity{Software: "5.1.0", Hardware: "39027746.01", Manufacturer: "Acme Medical", Model: "P 3000"}},
		"maker and model in one text":      {[]string{serialRow, "OBX|5|ST|67880^MDC_ATTR_ID_MODEL^MDC|1.0.0.8|manufacturer=Acme Medical model=P 3000||||||F"}, Identity{Serial: "SN-5521", Manufacturer: "Acme Medical", Model: "P 3000"}},
		"a battery's is not the device's":  {[]string{"OBX|2||65577^MDC_MOC_BATT^MDC|1.2.0.0|||||||X", "OBX|3|ST|531976^MDC_ID_PROD_SPEC_FW^MDC|1.2.0.5|9.9||||||F"}, Identity{}},
	} {
		t.Run(name, func(t *testing.T) {
			res := mapOne(t, newMapper(t), report("P1", c.rows...)...)
			if c.want == (Identity{}) {
				require.Empty(t, res.Identities)
				return
			}
			c.want.Device, c.want.Class, c.want.Time = "P1", "infusion_pump", now-10_000
			require.Equal(t, []Identity{c.want}, res.Identities)
		})
	}
}

func TestADeviceInTwoGroupsHasOneIdentity(t *testing.T) {
	first := report("P1", serialRow)
	second := report("P1", "OBX|2|ST|531976^MDC_ID_PROD_SPEC_FW^MDC|1.0.0.5|2.0||||||F")
	res := mapOne(t, newMapper(t), append(first, second[1:]...)...)
	require.Len(t, res.Identities, 1)
	require.Equal(t, "SN-5521", res.Identities[0].Serial)
	require.Equal(t, "2.0", res.Identities[0].Firmware)
}

func TestTheModelInAName(t *testing.T) {
	const uuid = "7f2586c7-0506-46cd-a612-d8e75b838faa"
	for name, want := range map[string]string{
		uuid + "-IntelliVue MX500 - 866064": "IntelliVue MX500", uuid: "", uuid + "-": "", uuid + "-MX500": "", "P2449": "",
		"IntelliVue MX500 - 866064, no UUID before it at all": "",
	} {
		require.Equal(t, want, modelInName(name), name)
	}
}
