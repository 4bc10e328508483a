package spool

import (
	"encoding/binary"
	"time"
)

const (
	lostName  = "lost"
	lostEntry = 41
	// maxLost bounds the list; beyond it the two oldest entries become one.
	maxLost = 64
)

// lostRange is a range of records removed at a cap before all readers had
// them. The list only adds the reason: that records are gone a reader also
// sees from its position.
type lostRange struct {
	first, last uint64
	epoch       uint64
	from, to    int64 // ms
	reason      byte
}

const (
	lostBySize byte = iota
	lostByAge
)

func (r lostRange) gap(first, last uint64) *Gap {
	reason := ReasonDroppedOldest
	if r.reason == lostByAge {
		reason = ReasonExpired
	}
	return &Gap{First: first, Last: last, Epoch: r.epoch, Count: last - first + 1,
		From: timeOf(r.from), To: timeOf(r.to), Reason: reason}
}

func timeOf(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

func (r lostRange) joins(next lostRange) bool {
	return r.last+1 == next.first && r.epoch == next.epoch && r.reason == next.reason
}

// addLost appends a range, joins it to its neighbour where nothing is lost by
// that, and keeps the list within its bound.
func addLost(list []lostRange, r lostRange) []lostRange {
	if n := len(list); n > 0 && list[n-1].joins(r) {
		list[n-1].last, list[n-1].to = r.last, r.to
		return list
	}
	list = append(list, r)
	if len(list) > maxLost {
		list[1].first, list[1].from = list[0].first, list[0].from
		list = list[1:]
	}
	return list
}

// pruneLost removes what every reader has behind it.
func pruneLost(list []lostRange, committed uint64) []lostRange {
	for len(list) > 0 && list[0].last <= committed {
		list = list[1:]
	}
	return list
}

func encodeLost(list []lostRange) []byte {
	b := make([]byte, 0, len(list)*lostEntry)
	for _, r := range list {
		b = binary.LittleEndian.AppendUint64(b, r.first)
		b = binary.LittleEndian.AppendUint64(b, r.last)
		b = binary.LittleEndian.AppendUint64(b, r.epoch)
		b = binary.LittleEndian.AppendUint64(b, uint64(r.from))
		b = binary.LittleEndian.AppendUint64(b, uint64(r.to))
		b = append(b, r.reason)
	}
	return b
}

func decodeLost(b []byte) []lostRange {
	var list []lostRange
	for ; len(b) >= lostEntry; b = b[lostEntry:] {
		list = append(list, lostRange{
			first:  binary.LittleEndian.Uint64(b),
			last:   binary.LittleEndian.Uint64(b[8:]),
			epoch:  binary.LittleEndian.Uint64(b[16:]),
			from:   int64(binary.LittleEndian.Uint64(b[24:])),
			to:     int64(binary.LittleEndian.Uint64(b[32:])),
			reason: b[40],
		})
	}
	return list
}
