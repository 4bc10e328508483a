package pcd

// path is an OBX-4: device, module, channel, metric, facet; 0 is "this level".
// Elsewhere is one that is no number at all, such as LOC: the row is not about
// a part of the device but about where it is.
type path struct {
	numbers   [5]uint32
	ok        bool
	elsewhere bool
}

func (p path) device() uint32 { return p.numbers[0] }

func (p path) level() int {
	switch {
	case !p.ok, p.numbers[3] != 0:
		return 0
	case p.numbers[1] == 0 && p.numbers[2] == 0:
		return levelDevice
	case p.numbers[2] == 0:
		return levelModule
	}
	return levelChannel
}

// path reads OBX-4. Fewer than two numbers place nothing.
func (r *reading) path(i int) path {
	var p path
	n, digits := 0, 0
	b := r.sieve.get(i, obxPath)
	p.elsewhere = b == nil && !r.sieve.blank(i, obxPath)
	for _, c := range b {
		switch {
		case c == '.' && n < len(p.numbers)-1:
			n, digits = n+1, 0
		case isDigit(c) && digits < 9:
			p.numbers[n], digits = p.numbers[n]*10+uint32(c-'0'), digits+1
		default:
			return path{}
		}
	}
	p.ok = n > 0
	return p
}
