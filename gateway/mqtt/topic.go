package mqtt

import (
	"errors"
	"strings"
)

// Root is what every topic of the contract begins with.
const Root = "medfleet/v1"

// Subscription is the filter under which a broker gives all of the contract.
const Subscription = Root + "/+/+/+/+"

var errTopic = errors.New("topic is not medfleet/v1/<site>/<gateway>/<device>/<status|event|online>")

// topic is a topic of the contract taken apart.
type topic struct {
	site, device, leaf string
}

func parseTopic(s string) (topic, error) {
	rest, ok := strings.CutPrefix(s, Root+"/")
	if !ok {
		return topic{}, errTopic
	}
	site, rest, ok1 := strings.Cut(rest, "/")
	_, rest, ok2 := strings.Cut(rest, "/")
	device, leaf, ok3 := strings.Cut(rest, "/")
	if !ok1 || !ok2 || !ok3 || site == "" || device == "" || strings.Contains(leaf, "/") {
		return topic{}, errTopic
	}
	return topic{site, device, leaf}, nil
}
