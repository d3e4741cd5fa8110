package stacks

// list tries fixed sizes in order, leaves out those known to work or to fail,
// and may end at the first that fails.
type list struct {
	sizes    []int
	ok, fail int // fail 0: none
	tries    tries
	once     bool // one loss is enough
	toFirst  bool // ends at the first size that fails, or works
	climbs   bool // ends at the first size that fails
}

func (l *list) Next() int {
	for len(l.sizes) > 0 {
		if s := l.sizes[0]; s > l.ok && (l.fail == 0 || s < l.fail) {
			return s
		}
		l.sizes = l.sizes[1:]
	}
	return 0
}

func (l *list) Acked() {
	l.ok, l.tries = l.Next(), 0
	if l.toFirst {
		l.sizes = nil
	}
}

func (l *list) Lost() {
	if !l.once && !l.tries.lost() {
		return
	}
	l.fail = l.Next()
	if l.climbs {
		l.sizes = nil
	}
}

func (l *list) Size() int { return l.ok }

// newNeqo climbs a table of IP packet sizes up to the interface's.
func newNeqo(s Setting) Search {
	over := s.IPHeader + udpHeader
	near1472 := 1472
	if s.IPHeader == 40 {
		near1472 = 1470
	}
	l := &list{ok: s.base(1280 - over), climbs: true}
	limit := s.max(s.local())
	for _, ip := range []int{1280, 1380, 1420, near1472, 1500, 2047, 4095, 8191, 16383, 32767, 65535} {
		if ip-over <= limit {
			l.sizes = append(l.sizes, ip-over)
		}
	}
	return l
}

// newNgtcp2 tries 1406, 1342, 1232, 1444. With a larger Max it runs the table
// that an application might set for jumbo frames.
func newNgtcp2(s Setting) Search {
	l := &list{ok: s.base(1200)}
	limit := s.max(1452)
	sizes := []int{1406, 1342, 1232, 1444}
	if limit > 1500 {
		sizes = []int{1500 - s.IPHeader - udpHeader, limit, 4352 - s.IPHeader - udpHeader, 1406, 1342, 1232, 1444}
	}
	for _, size := range sizes {
		if size <= limit {
			l.sizes = append(l.sizes, size)
		}
	}
	return l
}

// newPicoquic tries the peer's maximum once, then 1500 and 1400 if they are
// smaller, and takes the first that arrives.
func newPicoquic(s Setting) Search {
	first := min(s.max(1440), 1536)
	l := &list{ok: s.base(1280 - s.IPHeader - udpHeader), once: true, toFirst: true, sizes: []int{first}}
	for _, size := range []int{1500, 1400} {
		if size < first {
			l.sizes = append(l.sizes, size)
		}
	}
	return l
}
