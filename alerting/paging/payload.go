package paging

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"net/url"
	"strings"
	"time"

	"medfleet"
)

// payload is the body of Alertmanager's webhook, version 4, with one alert in it:
// whatever reads Alertmanager's webhooks reads ours.
type payload struct {
	Version           string            `json:"version"`
	GroupKey          string            `json:"groupKey"`
	TruncatedAlerts   int               `json:"truncatedAlerts"`
	Status            string            `json:"status"`
	Receiver          string            `json:"receiver"`
	GroupLabels       map[string]string `json:"groupLabels"`
	CommonLabels      map[string]string `json:"commonLabels"`
	CommonAnnotations map[string]string `json:"commonAnnotations"`
	ExternalURL       string            `json:"externalURL"`
	Alerts            []alert           `json:"alerts"`
}

type alert struct {
	Status       string            `json:"status"`
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
	StartsAt     time.Time         `json:"startsAt"`
	EndsAt       time.Time         `json:"endsAt"` // the zero time while it lasts
	GeneratorURL string            `json:"generatorURL"`
	Fingerprint  string            `json:"fingerprint"`
}

func encode(n *Notice, receiver, external string) ([]byte, error) {
	a := &n.Alarm
	status := "firing"
	var ends time.Time
	if n.Page.About == AboutCleared {
		status, ends = "resolved", a.ClearedAt.Time()
	}
	labels := withoutEmpty(map[string]string{
		"alertname": a.Rule, "device": string(a.Device), "class": string(a.Class), "model": a.Model,
		"site": a.Site, "unit": string(a.Unit), "priority": string(a.Priority),
	})
	annotations := withoutEmpty(map[string]string{
		"summary": a.Summary, "description": n.Page.Text, "action": a.Action, "runbook": a.Runbook, "episode": a.ID,
	})
	return json.Marshal(payload{
		Version: "4", GroupKey: fmt.Sprintf(`{}:{episode=%q}`, a.ID), Status: status, Receiver: receiver,
		GroupLabels:  map[string]string{"alertname": a.Rule, "device": string(a.Device)},
		CommonLabels: labels, CommonAnnotations: annotations, ExternalURL: external,
		Alerts: []alert{{
			Status: status, Labels: labels, Annotations: annotations, StartsAt: a.Since.Time(), EndsAt: ends,
			GeneratorURL: deviceURL(external, a.Device), Fingerprint: fingerprint(a),
		}},
	})
}

func withoutEmpty(m map[string]string) map[string]string {
	for k, v := range m {
		if v == "" {
			delete(m, k)
		}
	}
	return m
}

func deviceURL(external string, d medfleet.DeviceID) string {
	if external == "" {
		return ""
	}
	return strings.TrimSuffix(external, "/") + "/devices/" + url.PathEscape(string(d))
}

// fingerprint is the same for the raise and the end of an episode, and another
// for every other.
func fingerprint(a *medfleet.Alarm) string {
	h := fnv.New64a()
	h.Write([]byte(a.ID))
	return fmt.Sprintf("%016x", h.Sum64())
}
