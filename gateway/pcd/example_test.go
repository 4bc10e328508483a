package pcd_test

import (
	"fmt"
	"net/netip"
	"strings"

	"medfleet"
	"medfleet/gateway/hl7"
	"medfleet/gateway/pcd"
	"medfleet/profiles"
)

func Example() {
	message := strings.Join([]string{
		`MSH|^~\&|PUMPLINK|NORDMED|||20260314102655+0100||ORU^R01^ORU_R01|17|P|2.6`,
		`PID|||884422^^^HOSP^PI||Doe^Jane`,
		`OBR|1|||69135^MDC_OBS_MEM^MDC|||20260314102650+0100`,
		`OBX|1||70053^MDC_DEV_PUMP_INFUS_SYRINGE_MDS^MDC|1.0.0.0|||||||X|||||||P2449`,
		`OBX|2|NM|67996^MDC_ATTR_VAL_BATT_CHARGE^MDC|1.0.0.1|41|262688^MDC_DIM_PERCENT^MDC|||||R`,
		`OBX|3|NM|157784^MDC_FLOW_FLUID_PUMP^MDC|1.1.1.1|12.5|265266^MDC_DIM_MILLI_L_PER_HR^MDC|||||R`,
	}, "\r")
	set, err := profiles.Load("")
	if err != nil {
		fmt.Println(err)
		return
	}
	mapper, err := pcd.New(pcd.Options{Profiles: set, Site: "north", Gateway: "edge-1"})
	if err != nil {
		fmt.Println(err)
		return
	}
	m, err := hl7.Parse([]byte(message))
	if err != nil {
		fmt.Println(err)
		return
	}
	const received medfleet.Millis = 1773480416000 // 2026-03-14, 10:26:56 +0100
	var res pcd.Result
	mapper.Map(&res, &m, netip.MustParseAddr("10.4.0.7"), received)
	fmt.Println(res.Verdict, res.Skew)
	for _, o := range res.Observations {
		fmt.Println(o.Device, o.Class, o.Site, o.Readings)
	}
	fmt.Println(res.Dropped.Segments, "segment and", res.Dropped.Rows, "row left behind")
	// Output:
	// understood -1s
	// P2449 syringe_pump north [{battery_charge 41}]
	// 1 segment and 1 row left behind
}
