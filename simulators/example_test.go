package simulators_test

import (
	"context"
	"fmt"
	"os"
	"time"

	"medfleet/simulators"
)

// A ward of fifty devices, whose truth goes to the terminal, for a minute and a half.
func Example() {
	fleet, err := simulators.New(simulators.Config{
		Devices: 50, Scenario: "ward", Seed: 1, Speed: 60,
		MQTT: simulators.Broker{URL: "tcp://localhost:1883"}, HL7: "localhost:2575",
		Truth: os.Stdout,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
	defer cancel()
	if err := fleet.Run(ctx); err != nil {
		fmt.Println(err)
	}
	fmt.Printf("%+v\n", fleet.Counts())
}
