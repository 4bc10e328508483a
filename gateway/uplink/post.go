package uplink

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"
)

// refusedError says that the collector will never take this content.
type refusedError struct{ reason string }

func (e *refusedError) Error() string { return "collector refuses the content: " + e.reason }

// largeError says that somebody on the way to the collector takes no body of this
// size: smaller ones may pass, and none of the records is to blame.
type largeError struct{}

func (e *largeError) Error() string {
	return "413 from something between here and the collector: raise its limit for request bodies"
}

// busyError says that the collector wants to be left alone for a while, or that
// something else answers in its place.
type busyError struct {
	status string
	after  time.Duration
}

func (e *busyError) Error() string { return "collector answers " + e.status }

// poster sends one batch at a time and reuses its buffers.
type poster struct {
	options Options
	client  *http.Client
	target  string
	encoder *zstd.Encoder
	plain   *bytes.Buffer
	packed  []byte
}

// window is how far back compression looks: a whole batch. The library's own for
// this level takes 8 MiB for each stream.
const window = 1 << 20

func newPoster(o Options) (poster, error) {
	base, err := url.Parse(o.URL)
	if err != nil || base.Host == "" {
		return poster{}, fmt.Errorf("uplink: url %q is not the collector's address: want http://host:port", o.URL)
	}
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1),
		zstd.WithWindowSize(window), zstd.WithLowerEncoderMem(true))
	if err != nil {
		return poster{}, fmt.Errorf("uplink: start compression: %w", err)
	}
	return poster{o, client(o.Client), base.JoinPath("/api/v2/write").String(), encoder, new(bytes.Buffer), nil}, nil
}

// client gives the caller's client, but without following redirects: a POST that
// is sent elsewhere may arrive there as a GET, whose 200 says nothing of records.
func client(given *http.Client) *http.Client {
	c := http.Client{}
	if given != nil {
		c = *given
	}
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &c
}

// attempt bounds one request; a collector that hangs is asked again.
const attempt = 30 * time.Second

func (p *poster) send(ctx context.Context, b Batch) error {
	ctx, cancel := context.WithTimeout(ctx, attempt)
	defer cancel()
	p.plain.Reset()
	for _, r := range b.Records {
		p.plain.Write(r)
	}
	p.packed = p.encoder.EncodeAll(p.plain.Bytes(), p.packed[:0])
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.target, bytes.NewReader(p.packed))
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	h := req.Header
	h.Set("Content-Type", p.options.Type)
	h.Set("Content-Encoding", "zstd")
	h.Set("Medfleet-Gateway", p.options.Gateway)
	h.Set("Medfleet-Stream", p.options.Stream)
	h.Set("Medfleet-Epoch", strconv.FormatUint(b.Epoch, 16))
	h.Set("Medfleet-First-Sequence", strconv.FormatUint(b.First, 10))
	if p.options.Token != "" {
		h.Set("Authorization", "Bearer "+p.options.Token)
	}
	began := time.Now()
	answer, err := p.client.Do(req)
	if err != nil {
		return fmt.Errorf("send to %s: %w", p.options.URL, err)
	}
	defer answer.Body.Close()
	if p.options.Clock != nil {
		p.options.Clock.observe(began, time.Now(), answer.Header)
	}
	said, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	return errors.Join(judge(answer, said), err)
}

// maxAnswer bounds what is read of an answer. A refusal lists the records that are
// to blame, of which there may be a whole batch.
const maxAnswer = 256 << 10

// judge reads the answer. Only a 2xx passes custody, and not one with a web page:
// that is a proxy telling people something. A refusal of content counts only in
// the collector's own words, since it costs a record its place in the stream: a
// proxy, or a port that expects TLS, answers 400 to everything.
func judge(answer *http.Response, said []byte) error {
	var refusal struct{ Code, Message string }
	own := json.Unmarshal(said, &refusal) == nil && refusal.Code != ""
	page := strings.HasPrefix(answer.Header.Get("Content-Type"), "text/html")
	switch c := answer.StatusCode; {
	case c >= 200 && c < 300 && !page:
		return nil
	case own && (c == http.StatusBadRequest || c == http.StatusRequestEntityTooLarge || c == http.StatusUnprocessableEntity):
		return &refusedError{strings.TrimSpace(refusal.Message)}
	case c == http.StatusRequestEntityTooLarge:
		return &largeError{}
	case c == http.StatusUnauthorized, c == http.StatusForbidden:
		return fmt.Errorf("collector answers %s: check this gateway's name and token; its records wait", answer.Status)
	case c < 300 || c == http.StatusBadRequest || c == http.StatusUnprocessableEntity:
		return &busyError{status: answer.Status + ", but not in the collector's words: is the address right, and https where it must be?"}
	default:
		return &busyError{answer.Status, retryAfter(answer.Header.Get("Retry-After"))}
	}
}

// maxRetryAfter bounds how long the other side can make us wait.
const maxRetryAfter = 5 * time.Minute

// retryAfter reads seconds or a date (RFC 9110, 10.2.3).
func retryAfter(word string) time.Duration {
	if seconds, err := strconv.ParseUint(word, 10, 31); err == nil {
		return min(time.Duration(seconds)*time.Second, maxRetryAfter)
	}
	if at, err := http.ParseTime(word); err == nil {
		return min(max(time.Until(at), 0), maxRetryAfter)
	}
	return 0
}
