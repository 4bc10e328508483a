package ingest

import (
	"compress/gzip"
	"errors"
	"io"
	"net/http"

	"github.com/klauspost/compress/zstd"
)

// readBody reads a request's content, decompressed, and how many bytes came.
// Both are bounded, so that a small body cannot become a huge one.
func readBody(w http.ResponseWriter, r *http.Request) (content []byte, came int64, err error) {
	bounded := &counter{from: http.MaxBytesReader(w, r.Body, maxBody)}
	plain, done, err := decompress(bounded, r.Header.Get("Content-Encoding"))
	if err != nil {
		return nil, bounded.n, err
	}
	defer done()
	content, err = io.ReadAll(io.LimitReader(plain, maxContent+1))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return nil, bounded.n, fail(http.StatusRequestEntityTooLarge, codeTooLarge, "body is over %d bytes: send smaller batches", maxBody)
	case err != nil:
		return nil, bounded.n, fail(http.StatusBadRequest, codeInvalid, "body cannot be read: it is cut off or not what Content-Encoding says")
	case len(content) > maxContent:
		return nil, bounded.n, fail(http.StatusRequestEntityTooLarge, codeTooLarge, "body is over %d bytes when decompressed: send smaller batches", maxContent)
	}
	return content, bounded.n, nil
}

func decompress(body io.Reader, encoding string) (io.Reader, func(), error) {
	switch encoding {
	case "", "identity":
		return body, func() {}, nil
	case "gzip":
		z, err := gzip.NewReader(body)
		if err != nil {
			return nil, nil, fail(http.StatusBadRequest, codeInvalid, "body is not gzip, though Content-Encoding says so")
		}
		return z, func() {}, nil
	case "zstd":
		z, err := zstd.NewReader(body, zstd.WithDecoderMaxMemory(maxContent), zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, nil, fail(http.StatusBadRequest, codeInvalid, "body is not zstd, though Content-Encoding says so")
		}
		return z, z.Close, nil
	}
	return nil, nil, fail(http.StatusUnsupportedMediaType, codeInvalid, "Content-Encoding is none of identity, gzip, zstd")
}

// counter counts what is read through it.
type counter struct {
	from io.Reader
	n    int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.from.Read(p)
	c.n += int64(n)
	return n, err
}
