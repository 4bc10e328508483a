package pcd

import (
	"fmt"
	"slices"
	"strings"
)

// source is a part of a message that can name a device.
type source uint8

const (
	fromInstance source = iota // OBX-18.1 of the device's own row
	fromInstanceName
	fromInstanceID // OBX-18.3: with one maker the same for every pump
	fromSystemID
	fromSerial
	fromUDI
	fromPRT
	fromPRTSerial
	fromRow // OBX-18.1 of rows about something else
	sources

	// What the header says is the sender's name, not the device's, unless the
	// configuration knows better.
	fromApplication
	fromApplicationID
	fromFacility
	fromPeer // the address of the connection: a device's where it connects itself
	fromBed  // PV1-3.3: names a device by the table of aliases only
)

// trust is the order in which the sources are believed when the configuration
// names none.
var trust = [...]source{fromInstance, fromInstanceID, fromSystemID, fromSerial, fromUDI, fromPRT, fromPRTSerial, fromRow}

var sourceNames = [...]struct {
	name string
	from source
}{
	{"obx18.1", fromInstance}, {"obx18.2", fromInstanceName}, {"obx18.3", fromInstanceID},
	{"sysid", fromSystemID}, {"serial", fromSerial}, {"udi", fromUDI},
	{"prt10.1", fromPRT}, {"prt20", fromPRTSerial},
	{"msh3.1", fromApplication}, {"msh3.2", fromApplicationID}, {"msh4.1", fromFacility}, {"peer", fromPeer}, {"bed", fromBed},
}

// parseIdentity reads the template of a key, such as msh3.2+obx18.1.
func parseIdentity(key, template string) ([]source, error) {
	if template == "" {
		return nil, nil
	}
	var list []source
	for part := range strings.SplitSeq(template, "+") {
		i := slices.IndexFunc(sourceNames[:], func(n struct {
			name string
			from source
		}) bool {
			return n.name == strings.ToLower(strings.TrimSpace(part))
		})
		if i < 0 {
			return nil, fmt.Errorf("%s %q: %q is no part of a message: use %s, joined by +", key, template, part, sourceList())
		}
		list = append(list, sourceNames[i].from)
	}
	return list, nil
}

func sourceList() string {
	var list []string
	for _, n := range sourceNames {
		list = append(list, n.name)
	}
	return strings.Join(list, ", ")
}
