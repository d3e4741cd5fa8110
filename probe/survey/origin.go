package survey

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// Origins says which autonomous system announces an address. It doesn't change,
// and is safe for concurrent use.
type Origins struct {
	lo []number // ascending; each holds up to the next
	as []uint32 // 0: none
}

// ReadOrigins reads a table of prefixes and the AS that announces each: one a
// line, fields separated by blanks, as "192.0.2.0/24 AS64500" or
// "192.0.2.0 24 64500". Of several ASes, as in 64500_64501 or 64500,64501, the
// first counts. What follows a # is a comment. The longest prefix wins.
func ReadOrigins(name string, r io.Reader) (*Origins, error) {
	var routes []route
	lines := NewLineReader(r)
	for {
		text, err := lines.Next()
		if err == io.EOF {
			break
		}
		var long *ListError
		switch {
		case errors.As(err, &long):
			long.Name, long.Line = name, lines.line+1
			return nil, long
		case err != nil:
			return nil, fmt.Errorf("%s: after line %d: %w", name, lines.line, err)
		}
		if len(routes) == MostEntries {
			return nil, fmt.Errorf("%s: more than %d entries", name, MostEntries)
		}
		r, want := parseRoute(text)
		if want != "" {
			return nil, &ListError{Name: name, Line: lines.line, Text: text, Want: want}
		}
		routes = append(routes, r)
	}
	return originsOf(routes), nil
}

// route is a prefix, and who announces it.
type route struct {
	span
	bits int
	as   uint32
}

// parseRoute reads a line; want says what it should be, if it isn't.
func parseRoute(text string) (r route, want string) {
	f := strings.Fields(text)
	if len(f) == 3 {
		f = []string{f[0] + "/" + f[1], f[2]}
	}
	if len(f) != 2 {
		return r, "PREFIX AS, or ADDRESS LENGTH AS"
	}
	p, err := netip.ParsePrefix(f[0])
	if err != nil || p.Addr().Is4In6() {
		return r, "a prefix such as 192.0.2.0/24"
	}
	digits := f[1]
	if len(digits) > 2 && strings.EqualFold(digits[:2], "as") {
		digits = digits[2:]
	}
	if i := strings.IndexAny(digits, "_,"); i >= 0 {
		digits = digits[:i]
	}
	as, err := strconv.ParseUint(digits, 10, 32)
	if err != nil || as == 0 {
		return r, "an AS number, 1 to 4294967295"
	}
	bits := p.Bits()
	if p.Addr().Is4() {
		bits += 96
	}
	return route{spanOf(p), bits, uint32(as)}, ""
}

// originsOf flattens routes: from each address on at which the longest prefix
// changes, who announces.
func originsOf(routes []route) *Origins {
	slices.SortStableFunc(routes, func(a, b route) int {
		switch {
		case a.lo.less(b.lo):
			return -1
		case b.lo.less(a.lo):
			return 1
		}
		return a.bits - b.bits
	})
	o := &Origins{}
	var open []route // nested, the longest last
	leave := func(until func(route) bool) {
		for len(open) > 0 && until(open[len(open)-1]) {
			end := open[len(open)-1].hi
			open = open[:len(open)-1]
			as := uint32(0)
			if len(open) > 0 {
				as = open[len(open)-1].as
			}
			if end.next() != (number{}) {
				o.put(end.next(), as)
			}
		}
	}
	for _, r := range routes {
		leave(func(o route) bool { return o.hi.less(r.lo) })
		o.put(r.lo, r.as)
		open = append(open, r)
	}
	leave(func(route) bool { return true })
	return o
}

// put says who announces the addresses from lo on.
func (o *Origins) put(lo number, as uint32) {
	if n := len(o.lo); n > 0 && o.lo[n-1] == lo {
		o.as[n-1] = as
		return
	}
	o.lo, o.as = append(o.lo, lo), append(o.as, as)
}

// Of returns the AS that announces an address; 0: not known.
func (o *Origins) Of(a netip.Addr) uint32 { return o.of(numberOf(a)) }

func (o *Origins) of(n number) uint32 {
	i := sort.Search(len(o.lo), func(i int) bool { return n.less(o.lo[i]) })
	if i == 0 {
		return 0
	}
	return o.as[i-1]
}
