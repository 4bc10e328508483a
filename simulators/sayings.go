package simulators

import "fmt"

// saying is how a device puts a condition: its maker's code, words, a priority.
type saying struct {
	code, text, priority string
}

// say gives the words for a condition of the profiles.
func say(condition string) saying {
	switch condition {
	case "occlusion":
		return saying{"OCC-2", "Downstream occlusion", "high"}
	case "air_in_line":
		return saying{"AIR-1", "Air in line", "high"}
	case "door_open":
		return saying{"DOOR-4", "Door open", "medium"}
	case "syringe":
		return saying{"SYR-3", "Check syringe seating", "medium"}
	case "battery_low":
		return saying{"BAT-1", "Battery low", "medium"}
	case "battery_empty":
		return saying{"BAT-2", "Battery depleted", "high"}
	case "self_test_failed":
		return saying{"ST-17", "Self-test failed, call service", "high"}
	case "self_test_running":
		return saying{"ST-0", "Self-test", "low"}
	case "sensor":
		return saying{"ECG-6", "Leads off", "low"}
	case "on_battery":
		return saying{"PWR-2", "On battery", "low"}
	case "infusion_started":
		return saying{"INF-1", "Infusion started", "low"}
	case "infusion_stopped":
		return saying{"INF-0", "Infusion stopped", "low"}
	}
	return saying{"X-0", condition, "low"}
}

// PatientMark is in every name, number and remark of the made-up patients.
const PatientMark = "ZZSIM"

// patient is nobody.
type patient struct {
	number, family, given, visit, birth, sex string
}

// patient gives the one bound to the device now: another one after some of its
// changes, always the same for the same device and change.
func (d *device) patient() patient {
	families := [...]string{"Arlo", "Benning", "Castell", "Dorvane", "Ellmore", "Farrow", "Grint", "Hollis"}
	n := int(d.machine.Changes()/8)*7 + len(d.ID)*13 + int(d.ID[len(d.ID)-1])*131 + int(d.ID[len(d.ID)-2])*17
	return patient{
		number: fmt.Sprintf("%s%06d", PatientMark, n%1_000_000),
		family: PatientMark + "-" + families[n%len(families)],
		given:  "Kim",
		visit:  fmt.Sprintf("%sV%05d", PatientMark, n%100_000),
		birth:  fmt.Sprintf("%04d0%d1%d", 1931+n%70, 1+n%9, n%9),
		sex:    [...]string{"F", "M"}[n%2],
	}
}
