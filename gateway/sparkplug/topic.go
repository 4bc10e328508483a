package sparkplug

import (
	"errors"
	"strings"
)

// Root is what every topic of Sparkplug B begins with.
const Root = "spBv1.0"

// kind is the type of a message (Sparkplug 3.0, 4.1).
type kind uint8

const (
	nbirth kind = iota + 1
	ndeath
	ndata
	dbirth
	ddeath
	ddata
	command
)

var kinds = map[string]kind{
	"NBIRTH": nbirth, "NDEATH": ndeath, "NDATA": ndata, "NCMD": command,
	"DBIRTH": dbirth, "DDEATH": ddeath, "DDATA": ddata, "DCMD": command,
}

// Node names an edge node.
type Node struct {
	Group, Edge string
}

// rebirthTopic is where a node takes commands.
func (n Node) rebirthTopic() string { return Root + "/" + n.Group + "/NCMD/" + n.Edge }

// topic is a topic taken apart; device is empty in messages of the node itself.
type topic struct {
	node   Node
	kind   kind
	device string
}

var errTopic = errors.New("topic is not spBv1.0/<group>/<type>/<edge node>, with the device behind it in messages of devices")

// maxLevel bounds the names of groups, nodes and devices.
const maxLevel = 256

func parseTopic(s string) (topic, error) {
	rest, ok := strings.CutPrefix(s, Root+"/")
	group, rest, ok1 := strings.Cut(rest, "/")
	word, rest, ok2 := strings.Cut(rest, "/")
	edge, device, deep := strings.Cut(rest, "/")
	t := topic{Node{group, edge}, kinds[word], device}
	switch {
	case !ok || !ok1 || !ok2 || t.kind == 0 || group == "" || edge == "":
		return topic{}, errTopic
	case len(group) > maxLevel || len(edge) > maxLevel || len(device) > maxLevel:
		return topic{}, errors.New("topic names a group, node or device with more than 256 bytes")
	case t.kind == command:
		return t, nil
	case deep != (t.kind == dbirth || t.kind == ddeath || t.kind == ddata) || deep && device == "" || strings.Contains(device, "/"):
		return topic{}, errTopic
	}
	return t, nil
}
