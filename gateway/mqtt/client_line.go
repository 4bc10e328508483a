package mqtt

import "sync"

// slip is a packet of the broker's, and what is due to it when the message that it
// brought is in custody.
type slip struct {
	receipt Receipt // nil where it brought none
	answer  byte    // the packet that is due to the broker; 0 for none
	id      uint16
	cost    int // bytes that it was admitted for
}

// line is between reader and committer. It has room for so much: admitted, in line,
// and with the committer.
type line struct {
	mu              sync.Mutex
	slips           []slip
	messages, bytes int // left
	ended           bool

	came  chan struct{} // one for all that has come since it was read
	freed chan struct{} // one for all that was given back since it was read
}

func newLine(messages, bytes int) *line {
	return &line{messages: messages, bytes: bytes, came: make(chan struct{}, 1), freed: make(chan struct{}, 1)}
}

// admit reports whether there is room. One message alone always has it.
func (l *line) admit(cost int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.messages == 0 || l.bytes <= 0 {
		return false
	}
	l.messages--
	l.bytes -= cost
	return true
}

func (l *line) give(messages, bytes int) {
	l.mu.Lock()
	l.messages += messages
	l.bytes += bytes
	l.mu.Unlock()
	tell(l.freed)
}

// join puts slips at the end of the line.
func (l *line) join(slips []slip) {
	if len(slips) == 0 {
		return
	}
	l.mu.Lock()
	l.slips = append(l.slips, slips...)
	l.mu.Unlock()
	tell(l.came)
}

// shut says that nobody joins any more.
func (l *line) shut() {
	l.mu.Lock()
	l.ended = true
	l.mu.Unlock()
	tell(l.came)
}

// next waits for somebody in line and gives all of it for a slice that is not used
// any more; none when the line is shut and empty.
func (l *line) next(used []slip) []slip {
	for {
		l.mu.Lock()
		if len(l.slips) > 0 {
			used, l.slips = l.slips, used[:0]
			l.mu.Unlock()
			return used
		}
		ended := l.ended
		l.mu.Unlock()
		if ended {
			return nil
		}
		<-l.came
	}
}

func tell(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
