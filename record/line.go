package record

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/influxdata/line-protocol/v2/lineprotocol"

	"medfleet"
)

// Tag is one tag of a line.
type Tag struct{ Key, Value string }

// Field is one field of a line: a number, or text when Text is set. Integers
// and bools are read as numbers.
type Field struct {
	Key    string
	Number float64
	Text   string
	IsText bool
}

// Line is a line taken apart. Its strings are shared between lines with equal
// content, so that reading a feed of the same devices allocates nothing.
type Line struct {
	Measurement string
	Tags        []Tag
	Fields      []Field
	Time        medfleet.Millis // 0 when the line has none
}

// Tag gives a tag's value, empty when there is none.
func (l *Line) Tag(key string) string {
	for i := range l.Tags {
		if l.Tags[i].Key == key {
			return l.Tags[i].Value
		}
	}
	return ""
}

// Text gives a text field's value, empty when there is none.
func (l *Line) Text(key string) string {
	for i := range l.Fields {
		if l.Fields[i].Key == key && l.Fields[i].IsText {
			return l.Fields[i].Text
		}
	}
	return ""
}

// Number gives a field's number, 0 when there is none.
func (l *Line) Number(key string) float64 {
	n, _ := l.number(key)
	return n
}

func (l *Line) number(key string) (n float64, ok bool) {
	for i := range l.Fields {
		if l.Fields[i].Key == key && !l.Fields[i].IsText {
			return l.Fields[i].Number, true
		}
	}
	return 0, false
}

// Bounds of a line: more tags or fields than any profile has are refused.
const (
	MaxTags   = 32
	MaxFields = 256
)

// Decoder reads lines. It is not for concurrent use.
type Decoder struct {
	names map[string]string
	feed  feed
	lines *lineprotocol.Decoder // reads feed; made anew after an error
}

// NewDecoder gives a decoder with an empty memory for names.
func NewDecoder() *Decoder { return &Decoder{names: make(map[string]string)} }

// maxNames bounds the memory for names: input decides how many there are.
const maxNames = 1 << 18

// name gives a shared string for b. What is too long to be a name is not kept.
func (d *Decoder) name(b []byte) string {
	if len(b) > MaxTag {
		return string(b)
	}
	if s, ok := d.names[string(b)]; ok {
		return s
	}
	if len(d.names) >= maxNames {
		clear(d.names)
	}
	s := string(b)
	d.names[s] = s
	return s
}

// Decode reads one line whose time is in milliseconds into l. Whatever could
// hide beside the line, a second one or a comment, is an error: nobody would
// have looked at it. Errors tell the column and never quote the line: it may hold
// what must not be written down.
func (d *Decoder) Decode(line []byte, l *Line) error {
	return d.DecodeIn(lineprotocol.Millisecond, line, l)
}

// DecodeIn is Decode of a line whose time has another precision.
func (d *Decoder) DecodeIn(p lineprotocol.Precision, line []byte, l *Line) error {
	if bytes.IndexByte(line, '\n') >= 0 {
		return errors.New("decode line: there is more than one")
	}
	if len(line) == 0 || line[0] <= ' ' || line[0] == '#' {
		return errors.New("decode line: it does not begin with a measurement")
	}
	if d.lines == nil {
		d.lines = lineprotocol.NewDecoder(&d.feed)
	}
	d.feed = feed{line: line}
	d.lines.Next()
	err := d.next(p, l)
	if err != nil || !d.feed.ended {
		d.lines = nil // where it stands in which line is not known
	}
	return err
}

// feed gives a line decoder one line after the other, each with its end, so that
// one decoder with its buffers does for all.
type feed struct {
	line  []byte
	ended bool
}

func (f *feed) Read(p []byte) (int, error) {
	switch {
	case len(f.line) > 0:
		n := copy(p, f.line)
		f.line = f.line[n:]
		return n, nil
	case !f.ended && len(p) > 0:
		f.ended = true
		p[0] = '\n'
		return 1, nil
	}
	return 0, io.EOF
}

// next reads the line that the line decoder stands at.
func (d *Decoder) next(p lineprotocol.Precision, l *Line) error {
	dec := d.lines
	l.Tags, l.Fields, l.Time = l.Tags[:0], l.Fields[:0], 0
	name, err := dec.Measurement()
	if err != nil {
		return unquoted(err)
	}
	l.Measurement = d.name(name)
	if err := d.tags(dec, l); err != nil {
		return err
	}
	if err := d.fields(dec, l); err != nil {
		return err
	}
	at, err := dec.Time(p, time.Time{})
	if err != nil {
		return unquoted(err)
	}
	if !at.IsZero() {
		l.Time = medfleet.AsMillis(at)
	}
	return nil
}

func (d *Decoder) tags(dec *lineprotocol.Decoder, l *Line) error {
	for {
		key, value, err := dec.NextTag()
		switch {
		case err != nil:
			return unquoted(err)
		case key == nil:
			return nil
		case len(l.Tags) == MaxTags:
			return fmt.Errorf("more than %d tags", MaxTags)
		}
		l.Tags = append(l.Tags, Tag{d.name(key), d.name(value)})
	}
}

func (d *Decoder) fields(dec *lineprotocol.Decoder, l *Line) error {
	for {
		key, value, err := dec.NextField()
		switch {
		case err != nil:
			return unquoted(err)
		case key == nil:
			return nil
		case len(l.Fields) == MaxFields:
			return fmt.Errorf("more than %d fields", MaxFields)
		}
		l.Fields = append(l.Fields, d.field(key, value))
	}
}

func (d *Decoder) field(key []byte, v lineprotocol.Value) Field {
	f := Field{Key: d.name(key)}
	switch v.Kind() {
	case lineprotocol.Float:
		f.Number = v.FloatV()
	case lineprotocol.Int:
		f.Number = float64(v.IntV())
	case lineprotocol.Uint:
		f.Number = float64(v.UintV())
	case lineprotocol.Bool:
		if v.BoolV() {
			f.Number = 1
		}
	default:
		f.IsText = true
		if b := v.BytesV(); f.Key == "id" {
			f.Text = string(b) // each is met once; as names they would only fill the memory
		} else {
			f.Text = d.name(b)
		}
	}
	return f
}

// unquoted keeps an error's place and says in our own words what is wrong.
func unquoted(err error) error {
	var at *lineprotocol.DecodeError
	if errors.As(err, &at) {
		return fmt.Errorf("not line protocol at column %d: want measurement,tag=value field=number time", at.Column)
	}
	return errors.New("not line protocol: want measurement,tag=value field=number time")
}
