package api

import "medfleet"

// The examples of the description are values of the real types, so that they
// cannot say what the API does not.

var (
	exampleEquipment = medfleet.Equipment{Device: "pump-104482", Class: "infusion_pump", Model: "VP-200", Site: "main", Unit: "4W"}

	exampleDevice = medfleet.Device{
		ID: "pump-104482", Class: "infusion_pump", Model: "VP-200", Serial: "SN-104482", Firmware: "2.14.1", Site: "main", Unit: "4W",
		State: medfleet.InUse, Native: "infusing", Since: 1772349300000, Occupied: true, InService: true,
		FirstSeen: 1769930100000, LastSeen: 1772352895000, Gateway: "gw-4w",
		Readings: map[string]float64{"battery_charge": 18, "on_mains": 0}, Active: []string{"battery_low"},
		Parent: "rack-4w-2", Slot: "3", Attached: 1772100000000,
	}

	exampleStay = medfleet.Stay{
		ID: "6f1d2c3b4a59687786950413a2b1c0de", Part: "pump-104482", Type: "MDC_DEV_PUMP_INFUS_LVP_MDS", Model: "VP-200",
		Parent: "rack-4w-2", Slot: "3", Site: "main", From: 1772100000000, Seen: 1772351400000,
	}

	exampleEvent = Event{
		Event: medfleet.Event{
			Equipment: exampleEquipment, ID: "b7c1f0d2a94e6b38", Time: 1772352890000, Condition: "battery_low",
			Phase: medfleet.Start, Code: "E-12", Kind: medfleet.Technical, Gateway: "gw-4w",
		},
		Meaning: "battery charge too low", Check: "plug the pump in; if it stays, look at the battery's contacts",
	}

	exampleAlarm = medfleet.Alarm{
		ID: "01KJKB1TMG8H5VZ3Q2W7N4XY6R", Rule: "BatteryLowUnplugged", Device: "pump-104482", Class: "infusion_pump", Model: "VP-200",
		Site: "main", Unit: "4W", Priority: medfleet.Today, State: medfleet.Active, Since: 1772352890000,
		RaisedAt: 1772352950000, ChangedAt: 1772352950000, Summary: "pump-104482 is at 18 % and not plugged in",
		Action: "Plug it in, or bring it to a charger", Paged: true,
	}

	exampleAcknowledged = acknowledged(exampleAlarm)

	exampleAlarmDetail = AlarmDetail{exampleAcknowledged, []Transition{
		{ID: "01KJKB1TMG8H5VZ3Q2W7N4XY6S", Time: 1772352950000, State: medfleet.Active},
		{ID: "01KJKB3R7C2D9FAHJ6M0P4TV8X", Time: 1772353010000, State: medfleet.Acknowledged, Who: "kim", Note: "on my way"},
	}}

	examplePage = medfleet.Page{
		ID: "01KJKB1TN0A4C8E2G6J0M4Q8S2", Alarm: "01KJKB1TMG8H5VZ3Q2W7N4XY6R", Device: "pump-104482", Rule: "BatteryLowUnplugged",
		Site: "main", Priority: medfleet.Today, About: "raised", Channel: "webhook", Text: "TODAY 4W pump-104482 battery at 18 %, not plugged in",
		State: medfleet.Sent, Attempts: 1, QueuedAt: 1772352950000, SentAt: 1772352950400,
	}

	exampleGateway = medfleet.Gateway{
		Name: "gw-4w", Site: "main", LastSeen: 1772352895000, Up: true, EventsDepth: 0, TelemetryDepth: 12,
		OldestSeconds: 0.4, ClockOffset: 0.02, ClockKnown: true, Feeds: []medfleet.Feed{
			{Name: "hl7", Up: true, LastHeard: 1772352894000, Messages: 90412, Devices: 31},
			{Name: "mqtt", Up: true, LastHeard: 1772352895000, Messages: 4021, Devices: 12},
		},
	}

	exampleHistory = Series{
		Device: "pump-104482", Metric: "battery_charge", Title: "Battery charge", Unit: "%", From: 1772349300000, To: 1772352900000,
		Step: 10, Items: []Sample{{1772349300000, 61}, {1772352890000, 18}},
	}

	exampleStretches = summed("pump-104482", 1772349300000, 1772352900000, []Stretch{
		part(medfleet.Stretch{State: medfleet.Idle, Native: "standby", From: 1772340000000}, 1772349300000, 1772351100000),
		part(medfleet.Stretch{State: medfleet.InUse, Native: "infusing", Occupied: true, From: 1772351100000}, 1772351100000, 1772352900000),
	})
)

func acknowledged(a medfleet.Alarm) medfleet.Alarm {
	a.State, a.AcknowledgedBy, a.AcknowledgedAt, a.ChangedAt, a.Note = medfleet.Acknowledged, "kim", 1772353010000, 1772353010000, "on my way"
	return a
}
