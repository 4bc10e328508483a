package main

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/simplifiedchinese"
)

// A token is a mark and a number of its own, so that what is found says where it
// was planted. There is a mark of each script, and one that is a number.
const (
	markASCII   = "Qzvx7k"
	markLatin   = "Þórðüß"
	markChinese = "龘靐齉"
	markNumber  = "731.9"
	digits      = 5
)

// way is how a token is written into a message.
type way struct {
	name  string
	text  func(n int) string // the value that it stands for
	wire  func(text string) string
	marks string
}

func plainly(text string) string { return text }

func inHex(text string) string {
	return `\X` + strings.ToUpper(hex.EncodeToString([]byte(text))) + `\`
}

func marked(mark, rest string) func(int) string {
	return func(n int) string { return fmt.Sprintf("%s%0*d%s", mark, digits, n, rest) }
}

var ways = []way{
	{"plain", marked(markASCII, ""), plainly, markASCII},
	{"a person's name", marked(markASCII, ", Ana"), plainly, markASCII},
	{"a name in brackets", marked(markASCII, " (Ana)"), plainly, markASCII},
	{"hexadecimal", marked(markASCII, ""), inHex, markASCII},
	{"half escaped", marked(markASCII, ""), func(s string) string { return s[:3] + inHex(s[3:]) }, markASCII},
	{"a number", marked(markNumber, "1"), plainly, markNumber},
	{"Latin letters", marked(markLatin, ""), plainly, markLatin},
	{"Latin-1", marked(markLatin, ""), latin1, markLatin},
	{"Chinese", marked(markChinese, ""), plainly, markChinese},
	{"a subcomponent", marked(markASCII, ""), func(s string) string { return "x&" + s }, markASCII},
	{"a repetition", marked(markASCII, ""), func(s string) string { return "x~" + s }, markASCII},
	{"between escapes", marked(markASCII, ""), func(s string) string { return `\H\` + s + `\N\` }, markASCII},
	{"base64", marked(markASCII, ""), func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }, markASCII},
}

func latin1(text string) string {
	b, err := charmap.ISO8859_1.NewEncoder().String(text)
	if err != nil {
		panic(err)
	}
	return b
}

func gb18030(text string) string {
	b, err := simplifiedchinese.GB18030.NewEncoder().String(text)
	if err != nil {
		panic(err)
	}
	return b
}

func utf16of(text string, big bool) string {
	var b strings.Builder
	for _, u := range utf16.Encode([]rune(text)) {
		if big {
			b.Write([]byte{byte(u >> 8), byte(u)})
		} else {
			b.Write([]byte{byte(u), byte(u >> 8)})
		}
	}
	return b.String()
}

// disguise is a way in which bytes may hold a text.
type disguise struct {
	name string
	of   func(string) string
}

var disguises = []disguise{
	{"as it is", plainly},
	{"UTF-16 LE", func(s string) string { return utf16of(s, false) }},
	{"UTF-16 BE", func(s string) string { return utf16of(s, true) }},
	{"hexadecimal", func(s string) string { return hex.EncodeToString([]byte(s)) }},
	{"Latin-1", func(s string) string {
		if s != markLatin {
			return s
		}
		return latin1(s)
	}},
	{"GB 18030", gb18030},
	{"JSON escapes", func(s string) string { return strings.Trim(strconv.QuoteToASCII(s), `"`) }},
	{"a query", percent},
}

func percent(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		if c < 0x80 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02x", c)
		}
	}
	return b.String()
}

// found is a token in some bytes. A number below 0 is one that could not be read.
type found struct {
	number   int
	mark     string
	disguise string
}

// search finds the tokens in b, whatever they look like. Upper and lower case are
// alike, in b and in the marks.
func search(b []byte) map[found]int {
	low := lowered(b)
	hits := map[found]int{}
	for _, mark := range []string{markASCII, markLatin, markChinese, markNumber} {
		seen := map[string]bool{}
		for _, d := range disguises {
			for _, form := range []string{string(lowered([]byte(d.of(mark)))), string(lowered([]byte(d.of(strings.ToLower(mark)))))} {
				if seen[form] {
					continue
				}
				seen[form] = true
				for at := range indexes(low, form) {
					hits[found{numberAfter(b[at+len(form):], d.name), mark, d.name}]++
				}
			}
		}
	}
	for _, form := range base64Forms(markASCII) {
		for at := range indexes(b, form) {
			hits[found{numberIn64(b, at), markASCII, "base64"}]++
		}
	}
	return hits
}

// lowered makes small letters of the capitals of ASCII, and changes nothing else.
func lowered(b []byte) []byte {
	out := bytes.Clone(b)
	for i, c := range out {
		if c >= 'A' && c <= 'Z' {
			out[i] = c + 0x20
		}
	}
	return out
}

func indexes(b []byte, form string) func(yield func(int) bool) {
	return func(yield func(int) bool) {
		for from := 0; ; {
			i := bytes.Index(b[from:], []byte(form))
			if i < 0 || !yield(from+i) {
				return
			}
			from += i + 1
		}
	}
}

// numberAfter reads the digits behind a mark in the disguise that the mark has.
func numberAfter(b []byte, disguise string) int {
	b = b[:min(len(b), 4*digits)]
	text := string(b)
	switch disguise {
	case "hexadecimal":
		raw, _ := hex.DecodeString(text[:min(len(text), 2*digits)])
		text = string(raw)
	case "UTF-16 LE", "UTF-16 BE":
		text = strings.ReplaceAll(text, "\x00", "")
	}
	n, err := strconv.Atoi(text[:min(len(text), digits)])
	if err != nil || len(text) < digits {
		return -1
	}
	return n
}

// numberIn64 reads the number of a token in the base64 around a place.
func numberIn64(b []byte, at int) int {
	within := func(c byte) bool {
		return c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '+' || c == '/'
	}
	from, to := at, at
	for from > 0 && within(b[from-1]) {
		from--
	}
	for to < len(b) && within(b[to]) {
		to++
	}
	for ; from <= at; from++ {
		text, _ := base64.RawStdEncoding.DecodeString(string(b[from:to]))
		if i := bytes.Index(text, []byte(markASCII)); i >= 0 {
			return numberAfter(text[i+len(markASCII):], "")
		}
	}
	return -1
}

// base64Forms are what is the same in the base64 of every text that holds the
// mark, at each of the three places where it can begin.
func base64Forms(mark string) (forms []string) {
	for pad := range 3 {
		all := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("\x00", pad) + mark))
		from, to := (pad*8+5)/6, (pad+len(mark))*8/6
		forms = append(forms, all[from:to])
	}
	return forms
}
