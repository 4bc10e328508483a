package rules

// buckets is into how many pieces a window is cut: a count over an hour is exact
// to a minute.
const buckets = 60

// ring counts starts of a condition over a sliding window of event time.
type ring struct {
	head   int64 // number of the newest bucket since 1970
	sum    uint32
	counts [buckets]uint16
}

// slide moves the window forward to a bucket; backwards it does not move.
func (r *ring) slide(bucket int64) {
	if bucket <= r.head {
		return
	}
	for b := max(r.head+1, bucket-buckets+1); b <= bucket; b++ {
		r.sum -= uint32(r.counts[b%buckets])
		r.counts[b%buckets] = 0
	}
	r.head = bucket
}

// add counts one start. What is older than the window is left out.
func (r *ring) add(bucket int64) {
	r.slide(bucket)
	if bucket <= r.head-buckets || bucket < 0 || r.counts[bucket%buckets] == ^uint16(0) {
		return
	}
	r.counts[bucket%buckets]++
	r.sum++
}
