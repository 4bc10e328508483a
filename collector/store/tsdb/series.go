package tsdb

import (
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"

	"medfleet"
	"medfleet/collector/store"
)

// owner is whose series these are: all that a point says but its time and its
// fields.
type owner struct {
	measurement string
	medfleet.Equipment
	gateway string
	feed    string
}

// series is one series as the engine knows it.
type series struct {
	metric string
	labels labels.Labels
	ref    storage.SeriesRef // 0 until the engine has given one
}

// owned are the series of one owner, in the order in which its points list them.
type owned struct {
	series []series
}

// at finds a metric's series. Points of one owner list their metrics in the same
// order, so the first guess is mostly right.
func (o *owned) at(guess int, metric string) *series {
	if guess < len(o.series) && o.series[guess].metric == metric {
		return &o.series[guess]
	}
	for i := range o.series {
		if o.series[i].metric == metric {
			return &o.series[i]
		}
	}
	return nil
}

// cache remembers series, so that a point of known ones is checked and named
// only once. It is two generations of at most half the limit each: what is used
// moves into the young one, and when that is full the old one is forgotten.
type cache struct {
	half  int
	count int // series in the young generation
	young map[owner]*owned
	old   map[owner]*owned
}

func newCache(limit int) *cache {
	return &cache{half: max(limit/2, 1), young: make(map[owner]*owned)}
}

// find gives an owner's series, nil when they are not remembered.
func (c *cache) find(who *owner) *owned {
	if o := c.young[*who]; o != nil {
		return o
	}
	o := c.old[*who]
	if o != nil {
		delete(c.old, *who)
		c.put(who, o)
	}
	return o
}

// put remembers an owner's series.
func (c *cache) put(who *owner, o *owned) {
	if c.count >= c.half {
		c.old, c.young, c.count = c.young, make(map[owner]*owned), 0
	}
	c.young[*who] = o
	c.count += 1 + len(o.series)
}

// add gives an owner one more series.
func (c *cache) add(who *owner, o *owned, metric string) *series {
	o.series = append(o.series, series{metric: metric, labels: who.labels(metric)})
	c.count++
	return &o.series[len(o.series)-1]
}

// Names of the labels: the engine's own for the series' name, and those of the
// line protocol's tags.
const (
	nameLabel    = "__name__"
	classLabel   = "class"
	deviceLabel  = "device"
	feedLabel    = "feed"
	gatewayLabel = "gateway"
	modelLabel   = "model"
	siteLabel    = "site"
	unitLabel    = "unit"
)

// labels names an owner's series of one metric.
func (w *owner) labels(metric string) labels.Labels {
	b := labels.NewScratchBuilder(8)
	for _, l := range [...]labels.Label{
		{Name: nameLabel, Value: seriesName(w.measurement, metric)},
		{Name: classLabel, Value: string(w.Class)},
		{Name: deviceLabel, Value: string(w.Device)},
		{Name: feedLabel, Value: w.feed},
		{Name: gatewayLabel, Value: w.gateway},
		{Name: modelLabel, Value: w.Model},
		{Name: siteLabel, Value: w.Site},
		{Name: unitLabel, Value: string(w.Unit)},
	} {
		if l.Value != "" {
			b.Add(l.Name, l.Value)
		}
	}
	return b.Labels()
}

func seriesName(measurement, metric string) string { return measurement + ":" + metric }

func ownerOf(p *store.Point) owner {
	return owner{p.Measurement, p.Equipment, p.Gateway, p.Feed}
}
