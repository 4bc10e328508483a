package pcd

import (
	"encoding/json"
	"strconv"
	"strings"
)

// maxSkeleton bounds how many segments a skeleton lists.
const maxSkeleton = 256

// Skeleton appends what may be written down of a message that could not be
// used, as JSON: the name and length of each segment, and the fields that the
// allow-list lets into a dead letter. It cannot be turned back into the message.
//
//	{"segments":[{"name":"MSH","bytes":102,"fields":{"3.1":"SPACE","9.1":"ORU"}},{"name":"PID","bytes":80}],"more":0}
func Skeleton(dst []byte, msg *Message) []byte {
	var s sieve
	s.begin(nil, msg)
	return s.skeleton(dst)
}

func (s *sieve) skeleton(dst []byte) []byte {
	dst = append(dst, `{"segments":[`...)
	listed := min(s.count(), maxSkeleton)
	for i := range listed {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"name":`...)
		dst = appendJSON(dst, s.title(i))
		dst = append(dst, `,"bytes":`...)
		dst = strconv.AppendInt(dst, int64(s.length(i)), 10)
		dst = append(s.letter(dst, i), '}')
	}
	dst = append(dst, `],"more":`...)
	dst = strconv.AppendInt(dst, int64(s.count()-listed), 10)
	return append(dst, '}')
}

// letter appends the allowed fields of a segment, if there are any.
func (s *sieve) letter(dst []byte, i int) []byte {
	n := 0
	add := func(key, text string) {
		if n++; n == 1 {
			dst = append(dst, `,"fields":{`...)
		} else {
			dst = append(dst, ',')
		}
		dst = append(appendJSON(dst, key), ':')
		dst = appendJSON(dst, text)
	}
	kind := s.kind(i)
	for p := range places {
		r := &allowed[p]
		if r.segment != kind || !r.letter {
			continue
		}
		if text := string(s.get(i, p)); text != "" && !s.finding(p, text) {
			add(strconv.Itoa(r.field)+"."+strconv.Itoa(r.component), text)
		}
	}
	s.all(i, func(n int, text string) { add(strconv.Itoa(n), text) })
	if n > 0 {
		dst = append(dst, '}')
	}
	return dst
}

// finding says that a code names an event. An event of a device we do not know
// may be a patient's: a tachycardia at a bed and a time.
func (s *sieve) finding(p place, text string) bool {
	switch p {
	case obxCode:
		return partition(decimal([]byte(text))) == partitionEvents
	case obxRefID:
		return strings.HasPrefix(text, eventPrefix)
	}
	return false
}

// appendJSON appends a string in quotes.
func appendJSON(dst []byte, s string) []byte {
	if plainJSON(s) {
		dst = append(append(dst, '"'), s...)
		return append(dst, '"')
	}
	b, err := json.Marshal(s)
	if err != nil {
		return append(dst, `""`...)
	}
	return append(dst, b...)
}

// plainJSON says that a string needs no escapes.
func plainJSON(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}
