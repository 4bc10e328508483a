package mllp

// queue holds the receipts of one connection, oldest first. A connection at
// rest holds no memory for more than a few.
type queue struct {
	list []Receipt
	head int
}

const restReceipts = 8

func (q *queue) len() int { return len(q.list) - q.head }

func (q *queue) push(r Receipt) {
	if q.head > 0 && len(q.list) == cap(q.list) {
		n := copy(q.list, q.list[q.head:])
		clear(q.list[n:])
		q.list, q.head = q.list[:n], 0
	}
	q.list = append(q.list, r)
}

// pop takes the oldest; the queue must not be empty.
func (q *queue) pop() Receipt {
	r := q.list[q.head]
	q.list[q.head] = nil
	q.head++
	if q.head < len(q.list) {
		return r
	}
	q.list, q.head = q.list[:0], 0
	if cap(q.list) > restReceipts {
		q.list = nil
	}
	return r
}
