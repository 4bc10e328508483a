package pcd

import "strconv"

// maxNames bounds the memory for texts: input decides how many there are.
const maxNames = 8192

// names keeps one copy of each text, so that reading the same devices again
// and again allocates nothing.
type names map[string]string

func (n *names) keep(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	if s, ok := (*n)[string(b)]; ok {
		return s
	}
	if *n == nil || len(*n) >= maxNames {
		*n = make(names)
	}
	s := string(b)
	(*n)[s] = s
	return s
}

// listed gives a list of revisions in our own form.
func (s *sieve) listed(b []byte) string {
	var room [128]byte
	return s.known.keep(appendRevisions(room[:0], b))
}

// join gives the parts as one string.
func (s *sieve) join(parts ...string) string {
	from := len(s.decoded)
	for _, p := range parts {
		s.decoded = append(s.decoded, p...)
	}
	text := s.known.keep(s.decoded[from:])
	s.decoded = s.decoded[:from]
	return text
}

// codeText writes a code for the counter: number^REFID, or what there is of it.
func (s *sieve) codeText(number uint32, refid string) string {
	var digits [10]byte
	switch {
	case number == 0:
		return refid
	case refid == "":
		return s.known.keep(strconv.AppendUint(digits[:0], uint64(number), 10))
	}
	return s.join(s.known.keep(strconv.AppendUint(digits[:0], uint64(number), 10)), "^", refid)
}
