package mllp

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

func readAll(r *Reader) (frames []string, err error) {
	for {
		frame, err := r.Next()
		if err != nil {
			return frames, err
		}
		frames = append(frames, string(frame))
	}
}

func TestReaderTakesFramesHoweverTheyCome(t *testing.T) {
	long := strings.Repeat("OBX|1|NA|waveform\r", 4000)
	tests := map[string]struct {
		stream   string
		frames   []string
		restarts int64
		rubbish  int64
	}{
		"one":                     {framed("A"), []string{"A"}, 0, 0},
		"several":                 {framed("A") + framed("B") + framed("C"), []string{"A", "B", "C"}, 0, 0},
		"LF behind":               {"\x0bA\x1c\n\x0bB\x1c\n", []string{"A", "B"}, 0, 0},
		"nothing behind":          {"\x0bA\x1c\x0bB\x1c", []string{"A", "B"}, 0, 0},
		"blank lines between":     {framed("A") + "\r\n\x00 \r\n" + framed("B"), []string{"A", "B"}, 0, 0},
		"rubbish before":          {"hello" + framed("A"), []string{"A"}, 0, 5},
		"rubbish between":         {framed("A") + "lost" + framed("B"), []string{"A", "B"}, 0, 4},
		"start inside":            {"\x0bMSH|lost\x0bA\x1c\r" + framed("B"), []string{"A", "B"}, 1, 0},
		"two starts inside":       {"\x0b\x0b\x0bA\x1c\r", []string{"A"}, 2, 0},
		"empty frame":             {"\x0b\x1c\r" + framed("B"), []string{"", "B"}, 0, 0},
		"a long one, short after": {framed(long) + framed("B") + framed(long), []string{long, "B", long}, 0, 0},
		"end blocks outside":      {"\x1c\r\x1c\r" + framed("A"), []string{"A"}, 0, 4},
	}
	chunks := map[string]func(io.Reader) io.Reader{
		"at once":      func(r io.Reader) io.Reader { return r },
		"byte by byte": iotest.OneByteReader,
		"in halves":    iotest.HalfReader,
		"with its end": iotest.DataErrReader,
	}
	for name, tt := range tests {
		for chunk, wrap := range chunks {
			t.Run(name+", "+chunk, func(t *testing.T) {
				var n Counters
				r := NewReader(wrap(strings.NewReader(tt.stream)), ReaderConfig{Counters: &n})
				frames, err := readAll(r)
				require.Equal(t, io.EOF, err)
				require.Equal(t, tt.frames, frames)
				require.Equal(t, tt.restarts, n.Restarts.Load())
				require.Equal(t, tt.rubbish, n.Rubbish.Load())
				require.Equal(t, int64(len(tt.frames)), n.Frames.Load())
				require.Equal(t, int64(len(tt.stream)), n.BytesIn.Load())
			})
		}
	}
}

func TestReaderGivesUp(t *testing.T) {
	const limit = 2000
	broken := errors.New("cable cut")
	tests := map[string]struct {
		stream io.Reader
		frames int
		want   error
		head   string
	}{
		"just within the limit":  {strings.NewReader(framed(strings.Repeat("x", limit))), 1, io.EOF, ""},
		"just over":              {strings.NewReader(framed("A") + framed("MSH|"+strings.Repeat("x", limit-3))), 1, ErrTooLarge, "MSH|xxxx"},
		"without end":            {io.MultiReader(strings.NewReader("\x0bMSH|"), forever('x')), 0, ErrTooLarge, "MSH|xxxx"},
		"no frame at all":        {forever('x'), 0, ErrNoFrame, "xxxxxxxx"},
		"a message without one":  {strings.NewReader("MSH|^~\\&|A\r"), 0, ErrNoFrame, "MSH|^~\\&"},
		"end inside":             {strings.NewReader(framed("A") + "\x0bMSH|half"), 1, ErrTruncated, "MSH|half"},
		"end behind a start":     {strings.NewReader("\x0b"), 0, ErrTruncated, ""},
		"error of the stream":    {io.MultiReader(strings.NewReader("\x0bMSH|half"), iotest.ErrReader(broken)), 0, broken, "MSH|half"},
		"blank lines to the end": {strings.NewReader("\r\n\r\n"), 0, io.EOF, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			b := &budget{limit: 10_000}
			r := NewReader(tt.stream, ReaderConfig{MaxFrame: limit, budget: b})
			frames, err := readAll(r)
			require.ErrorIs(t, err, tt.want)
			require.Len(t, frames, tt.frames)
			require.Equal(t, tt.head, string(r.Head()[:min(8, len(r.Head()))]))
			require.LessOrEqual(t, len(r.Head()), headBytes)
			r.Release()
			require.Zero(t, b.used.Load())
		})
	}
}

// forever gives one byte without end.
type forever byte

func (f forever) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(f)
	}
	return len(p), nil
}

func TestReadersShareABudget(t *testing.T) {
	b := &budget{limit: 10_000}
	one := NewReader(io.MultiReader(strings.NewReader(framed(strings.Repeat("x", 5000))), iotest.ErrReader(io.EOF)), ReaderConfig{budget: b})
	_, err := one.Next()
	require.NoError(t, err)
	two := NewReader(strings.NewReader(framed(strings.Repeat("x", 5000))), ReaderConfig{budget: b})
	_, err = two.Next()
	require.ErrorIs(t, err, ErrBusy)
	one.Release()
	three := NewReader(strings.NewReader(framed(strings.Repeat("x", 5000))), ReaderConfig{budget: b})
	_, err = three.Next()
	require.NoError(t, err)
	three.Release()
	two.Release()
	require.Zero(t, b.used.Load())
}

// What one read takes shares a sync: a sender that sends ahead gets a buffer for it
// while there is room, and is read all the same when there is none.
func TestASenderThatSendsAheadIsReadInLargerParts(t *testing.T) {
	const frames = 200
	stream := strings.Repeat(framed(strings.Repeat("x", 2000)), frames)
	for name, tt := range map[string]struct{ room, atMost int }{
		"with room":    {aheadBytes, 20},
		"without room": {firstGrowth, frames},
	} {
		t.Run(name, func(t *testing.T) {
			waits, b := 0, &budget{limit: int64(tt.room)}
			r := NewReader(strings.NewReader(stream), ReaderConfig{budget: b, Before: func() error { waits++; return nil }})
			got, err := readAll(r)
			require.Equal(t, io.EOF, err)
			require.Len(t, got, frames)
			require.LessOrEqual(t, waits, tt.atMost)
			r.Release()
			require.Zero(t, b.used.Load())
		})
	}
}

func TestAppendFrameCannotBeBroken(t *testing.T) {
	require.Equal(t, "> \x0bMSH|A\x1c\r", string(AppendFrame([]byte("> "), []byte("MSH|A"))))
	in := []byte("a\x1c\rb\x0bc")
	require.Equal(t, "\x0ba \rb c\x1c\r", string(AppendFrame(nil, in)))
	require.Equal(t, "a\x1c\rb\x0bc", string(in), "the message itself stays")
}

// reference reads frames the slow and simple way.
func reference(stream []byte) (frames []string) {
	open, from := false, 0
	for i, c := range stream {
		switch {
		case c == startBlock:
			open, from = true, i+1
		case c == endBlock && open:
			frames = append(frames, string(stream[from:i]))
			open = false
		}
	}
	return frames
}

// FuzzReader holds the reader to the simple reading of the stream, in
// whatever pieces it comes, and a written frame to being read back.
func FuzzReader(f *testing.F) {
	f.Add([]byte(framed("A")+"x"+framed("B")), uint8(1))
	f.Add([]byte("\x0bA\x0bB\x1c\x1c\x0b"), uint8(3))
	f.Add(bytes.Repeat([]byte("\x0bMSH|\x1c"), 400), uint8(200))
	f.Fuzz(func(t *testing.T, stream []byte, chunk uint8) {
		if len(stream) > maxRubbish {
			return
		}
		got, err := readAll(NewReader(&chunked{stream, int(chunk) + 1}, ReaderConfig{}))
		require.Error(t, err)
		require.Equal(t, reference(stream), got)

		message := bytes.Map(func(r rune) rune {
			if r == startBlock || r == endBlock {
				return '.'
			}
			return r
		}, stream)
		got, err = readAll(NewReader(&chunked{AppendFrame(nil, message), int(chunk) + 1}, ReaderConfig{}))
		require.Equal(t, io.EOF, err)
		require.Equal(t, []string{string(message)}, got)
	})
}

type chunked struct {
	rest []byte
	size int
}

func (c *chunked) Read(p []byte) (int, error) {
	if len(c.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), c.size)], c.rest)
	c.rest = c.rest[n:]
	return n, nil
}
