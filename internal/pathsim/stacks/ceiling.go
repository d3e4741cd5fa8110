package stacks

// ceiling is the search of lsquic and tquic: the ceiling itself if it is below
// 1500, else doubling while that fits; after a first failure halfway. It ends
// within one per cent of the ceiling.
type ceiling struct {
	ok, ceil int
	failed   bool
	tries    tries
}

func newCeiling(s Setting, base int) Search {
	return &ceiling{ok: s.base(base), ceil: s.max(1500 - s.IPHeader - udpHeader)}
}

func newLsquic(s Setting) Search { return newCeiling(s, 1280-s.IPHeader-udpHeader) }
func newTquic(s Setting) Search  { return newCeiling(s, 1200) }

func (c *ceiling) Next() int {
	switch {
	case c.ok*100 >= c.ceil*99:
		return 0
	case !c.failed && c.ceil < 1500:
		return c.ceil
	case !c.failed && 2*c.ok < c.ceil:
		return 2 * c.ok
	}
	return (c.ok + c.ceil) / 2
}

func (c *ceiling) Acked() { c.ok, c.tries = c.Next(), 0 }

func (c *ceiling) Lost() {
	if c.tries.lost() {
		c.ceil, c.failed = c.Next(), true
	}
}

func (c *ceiling) Size() int { return c.ok }

// nginx doubles from 1200 until something fails, then halves, and ends within
// 16 bytes.
type nginx struct {
	ok, fail int
	tries    tries
}

const nginxStep = 16

func newNginx(s Setting) Search {
	n := &nginx{ok: s.base(1200)}
	if s.Max != 0 {
		n.fail = s.Max + 1
	}
	return n
}

func (n *nginx) Next() int {
	switch {
	case n.fail == 0:
		return min(2*n.ok, 65527)
	case n.fail-n.ok <= nginxStep:
		return 0
	}
	return (n.ok + n.fail) / 2
}

func (n *nginx) Acked() { n.ok, n.tries = n.Next(), 0 }

func (n *nginx) Lost() {
	if n.tries.lost() {
		n.fail = n.Next()
	}
}

// TooBig: EMSGSIZE settles it at once.
func (n *nginx) TooBig() { n.fail, n.tries = n.Next(), 0 }

func (n *nginx) Size() int { return n.ok }

// google is google-quiche's: three probes in all, each halfway to the target;
// the last one at the target itself if nothing was lost before.
type google struct {
	ok, hi int
	left   int
	lost   bool
}

func newGoogle(s Setting) Search {
	return &google{ok: s.base(1250), hi: min(s.max(1400), 1400), left: 3}
}

func (g *google) Next() int {
	switch {
	case g.left == 0 || g.hi <= g.ok:
		return 0
	case g.left == 1 && !g.lost:
		return g.hi
	}
	return (g.ok + g.hi + 1) / 2
}

func (g *google) Acked() {
	g.ok = g.Next()
	g.left--
}

func (g *google) Lost() {
	g.hi, g.lost = g.Next(), true
	g.left--
}

func (g *google) Size() int { return g.ok }
