package paging

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	"medfleet"
)

// PageHeader carries a page's id, by which a receiver can drop a repeat.
const PageHeader = "Medfleet-Page"

// Bounds of one attempt.
const (
	attemptTime = 10 * time.Second
	maxAnswer   = 64 << 10
	maxWait     = 10 * time.Minute // of what Retry-After asks for
)

// webhook posts notices in the form of Alertmanager's webhook.
type webhook struct {
	name     string
	url      string
	external string
	client   *http.Client
}

func newWebhook(name, target string, m Means) *webhook {
	client := m.Client
	if client == nil {
		client = &http.Client{Timeout: attemptTime}
	}
	own := *client
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &webhook{name: name, url: target, external: m.ExternalURL, client: &own}
}

// Notify posts the notice and waits for the answer.
func (w *webhook) Notify(ctx context.Context, n *Notice) error {
	body, err := encode(n, w.name, w.external)
	if err != nil {
		return medfleet.Permanent(fmt.Errorf("encode page: %w", err))
	}
	ctx, cancel := context.WithTimeout(ctx, attemptTime)
	defer cancel()
	var handedOver atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		WroteRequest: func(i httptrace.WroteRequestInfo) { handedOver.Store(i.Err == nil) },
	})
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url, bytes.NewReader(body))
	if err != nil {
		return medfleet.Permanent(errors.New("build request: the address cannot be used"))
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "medfleet")
	request.Header.Set(PageHeader, n.Page.ID)
	response, err := w.client.Do(request)
	if err != nil {
		return w.failed(err, handedOver.Load())
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, maxAnswer)) // so that the connection can be used again
	return judge(response)
}

// failed sorts an attempt without an answer. The client's error quotes the
// address, which may hold a secret: only its cause is passed on.
func (w *webhook) failed(err error, handedOver bool) error {
	var quoting *url.Error
	if errors.As(err, &quoting) {
		err = quoting.Err
	}
	if handedOver {
		return fmt.Errorf("post page: %w: %w", ErrAmbiguous, err)
	}
	return medfleet.Retryable(fmt.Errorf("post page: %w", err), 0)
}

// judge sorts an answer: 2xx is delivered, 408, 425, 429 and 5xx may pass, the
// rest will stay as it is.
func judge(r *http.Response) error {
	err := fmt.Errorf("post page: receiver answered %d", r.StatusCode)
	switch {
	case r.StatusCode >= 200 && r.StatusCode < 300:
		return nil
	case r.StatusCode == http.StatusTooManyRequests, r.StatusCode == http.StatusServiceUnavailable:
		return medfleet.Retryable(err, retryAfter(r.Header.Get("Retry-After"), time.Now()))
	case r.StatusCode == http.StatusRequestTimeout, r.StatusCode == http.StatusTooEarly, r.StatusCode >= 500:
		return medfleet.Retryable(err, 0)
	case r.StatusCode >= 300 && r.StatusCode < 400:
		return medfleet.Permanent(fmt.Errorf("%w: give the channel the final address", err))
	}
	return medfleet.Permanent(err)
}

// retryAfter reads seconds or a date (RFC 9110, 10.2.3), at most 10 minutes.
func retryAfter(text string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseInt(text, 10, 64); err == nil {
		return min(time.Duration(min(max(seconds, 0), 3600))*time.Second, maxWait)
	}
	if at, err := http.ParseTime(text); err == nil {
		return min(max(at.Sub(now), 0), maxWait)
	}
	return 0
}
