package fraudgen

// A queue gives drafts back by time, equal times in the order of seq: a
// binary heap.
type queue struct{ heap []draft }

func (q *queue) len() int { return len(q.heap) }

// next returns the time of the earliest draft; the queue must not be empty.
func (q *queue) next() int64 { return q.heap[0].due }

func (q *queue) less(i, j int) bool {
	a, b := &q.heap[i], &q.heap[j]
	return a.due < b.due || a.due == b.due && a.seq < b.seq
}

func (q *queue) push(d draft) {
	q.heap = append(q.heap, d)
	for i := len(q.heap) - 1; i > 0; {
		up := (i - 1) / 2
		if !q.less(i, up) {
			return
		}
		q.heap[i], q.heap[up] = q.heap[up], q.heap[i]
		i = up
	}
}

func (q *queue) pop() draft {
	top := q.heap[0]
	n := len(q.heap) - 1
	q.heap[0] = q.heap[n]
	q.heap[n] = draft{}
	q.heap = q.heap[:n]
	for i := 0; ; {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < n; child++ {
			if q.less(child, least) {
				least = child
			}
		}
		if least == i {
			return top
		}
		q.heap[i], q.heap[least] = q.heap[least], q.heap[i]
		i = least
	}
}
