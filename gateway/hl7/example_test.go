package hl7_test

import (
	"fmt"
	"time"

	"medfleet/gateway/hl7"
)

func Example() {
	message := []byte("MSH|^~\\&|PUMPLINK|NORDMED|||20260124124738+0100||ORU^R01^ORU_R01|17|P|2.6\r" +
		"OBX|1|NM|67996^MDC_ATTR_VAL_BATT_CHARGE^MDC|1.2.0.1|41|262688^MDC_DIM_PERCENT^MDC|||||R\r" +
		"OBX|2|ST|531976^MDC_ID_PROD_SPEC_FW^MDC|1.0.0.1|3.1 \\T\\ later||||||R\r")
	m, err := hl7.Parse(message)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, s := range m.Segments() {
		if s.Name() == "OBX" {
			fmt.Println(s.Field(3).Component(2), "=", s.Field(5))
		}
	}
	answer, wanted := hl7.Ack(nil, &m, hl7.Accepted, hl7.AckOptions{Now: time.Now()})
	fmt.Println(wanted, len(answer) > 0)
	// Output:
	// MDC_ATTR_VAL_BATT_CHARGE = 41
	// MDC_ID_PROD_SPEC_FW = 3.1 & later
	// true true
}
