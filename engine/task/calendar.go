package task

// A calendar files items by time in buckets of equal width, so that items of
// about the same time are found together at the cost of an append. (R. Brown,
// "Calendar queues", CACM 1988.)
type calendar[T any] struct {
	width   int64
	buckets map[int64][]T
	order   []int64 // numbers of the buckets, a binary min-heap
	spare   [][]T
}

const (
	bucketsPerLateness = 64
	bucketWidthMin     = 100_000 // µs
	spareBucketsMax    = 8
)

func newCalendar[T any](lateness int64) calendar[T] {
	return calendar[T]{width: max(lateness/bucketsPerLateness, bucketWidthMin), buckets: map[int64][]T{}}
}

func (c *calendar[T]) empty() bool { return len(c.order) == 0 }

func (c *calendar[T]) number(at int64) int64 {
	n := at / c.width
	if at < 0 && n*c.width != at {
		n--
	}
	return n
}

func (c *calendar[T]) add(at int64, item T) {
	n := c.number(at)
	b, ok := c.buckets[n]
	if !ok {
		c.push(n)
		if k := len(c.spare); k > 0 {
			b, c.spare = c.spare[k-1], c.spare[:k-1]
		}
	}
	c.buckets[n] = append(b, item)
}

// passed reports whether the first bucket ends at or before mark.
func (c *calendar[T]) passed(mark int64) bool {
	return len(c.order) > 0 && (mark == ended || c.order[0] < c.number(mark+1))
}

// take removes the first bucket.
func (c *calendar[T]) take() (number int64, items []T) {
	number = c.order[0]
	items = c.buckets[number]
	delete(c.buckets, number)
	c.pop()
	return number, items
}

// give puts a bucket back that take returned; the number must not be there.
func (c *calendar[T]) give(number int64, items []T) {
	c.push(number)
	c.buckets[number] = items
}

// release keeps the space of a bucket that is done with.
func (c *calendar[T]) release(items []T) {
	clear(items)
	if len(c.spare) < spareBucketsMax {
		c.spare = append(c.spare, items[:0])
	}
}

func (c *calendar[T]) push(n int64) {
	c.order = append(c.order, n)
	i := len(c.order) - 1
	for i > 0 && c.order[(i-1)/2] > n {
		c.order[i] = c.order[(i-1)/2]
		i = (i - 1) / 2
	}
	c.order[i] = n
}

func (c *calendar[T]) pop() {
	last := len(c.order) - 1
	n := c.order[last]
	c.order = c.order[:last]
	if last == 0 {
		return
	}
	i := 0
	for {
		child := 2*i + 1
		if child >= last {
			break
		}
		if child+1 < last && c.order[child+1] < c.order[child] {
			child++
		}
		if c.order[child] >= n {
			break
		}
		c.order[i] = c.order[child]
		i = child
	}
	c.order[i] = n
}
