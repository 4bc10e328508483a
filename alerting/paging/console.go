package paging

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"
)

// console writes one line for each notice.
type console struct {
	mu sync.Mutex
	w  io.Writer
}

func newConsole(w io.Writer) *console { return &console{w: w} }

// Notify writes "PAGE", the time, what the page is about, and its text.
func (c *console) Notify(_ context.Context, n *Notice) error {
	text := fmt.Sprintf("PAGE %s %-7s %s [%s]\n", time.Now().Format("15:04:05"), n.Page.About, line(n.Page.Text), n.Page.ID)
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, err := io.WriteString(c.w, text); err != nil {
		return fmt.Errorf("write page to console: %w", err)
	}
	return nil
}
