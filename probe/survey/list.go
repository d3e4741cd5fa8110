package survey

import (
	"bufio"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
)

// Bounds of a list file.
const (
	mostLine    = 1024    // bytes
	MostEntries = 1 << 26 // lines with an address or prefix
)

// ListError says which line of a list is bad, and why.
type ListError struct {
	Name string // of the file
	Line int    // from 1
	Text string // of the entry
	Want string
}

func (e *ListError) Error() string {
	return fmt.Sprintf("%s: line %d: %.60q: want %s", e.Name, e.Line, e.Text, e.Want)
}

// List is a list of addresses and prefixes as it was read: one a line, what
// follows a # is a comment. It isn't safe for concurrent use.
type List struct {
	spans []span
}

// Add adds one address or prefix, in the form of a line of a list. A prefix
// stands for all of its addresses, also if it has bits beyond its length, as
// zmap's lists may.
func (l *List) Add(text string) error {
	p, err := parseEntry(text)
	if err != nil {
		return err
	}
	l.spans = append(l.spans, spanOf(p))
	return nil
}

func parseEntry(text string) (netip.Prefix, error) {
	const want = "an IP address or a prefix such as 192.0.2.0/24"
	bad := func() (netip.Prefix, error) { return netip.Prefix{}, &ListError{Text: text, Want: want} }
	if !strings.Contains(text, "/") {
		a, err := netip.ParseAddr(text)
		if err != nil || a.Zone() != "" {
			return bad()
		}
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return bad()
	}
	if p.Addr().Is4In6() {
		if p.Bits() < 96 {
			return bad()
		}
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p, nil
}

// Read adds the entries of a file. At most max entries are read: what remains is
// left in r, whose buffer has to hold a line. It returns io.EOF at the end of r.
func (l *List) Read(name string, r *LineReader, max int) error {
	for range max {
		text, err := r.Next()
		if err == io.EOF {
			return io.EOF
		}
		if err == nil {
			err = l.Add(text)
		}
		if err != nil {
			var le *ListError
			if errors.As(err, &le) {
				le.Name, le.Line = name, r.line
			}
			return err
		}
	}
	return nil
}

// ReadAll adds all entries of a file.
func (l *List) ReadAll(name string, r io.Reader) error {
	lines := NewLineReader(r)
	if err := l.Read(name, lines, MostEntries); err != io.EOF {
		if err == nil {
			return fmt.Errorf("%s: more than %d entries", name, MostEntries)
		}
		return err
	}
	return nil
}

// Len returns the number of entries that were added.
func (l *List) Len() int { return len(l.spans) }

// LineReader reads the entries of a list file one by one, in bounded memory.
type LineReader struct {
	s    *bufio.Scanner
	line int
}

// NewLineReader returns a LineReader of r.
func NewLineReader(r io.Reader) *LineReader {
	s := bufio.NewScanner(r)
	s.Buffer(make([]byte, mostLine), mostLine)
	return &LineReader{s: s}
}

// Next returns the next entry without its comment, or io.EOF.
func (r *LineReader) Next() (string, error) {
	for r.s.Scan() {
		r.line++
		text, _, _ := strings.Cut(r.s.Text(), "#")
		if text = strings.TrimSpace(text); text != "" {
			return text, nil
		}
	}
	if err := r.s.Err(); err != nil {
		if errors.Is(err, bufio.ErrTooLong) {
			return "", &ListError{Text: "...", Want: fmt.Sprintf("at most %d bytes", mostLine)}
		}
		return "", err
	}
	return "", io.EOF
}

// Selection says which of the targets may be probed.
type Selection struct {
	Allow *List // only these; nil: all
	Block *List // not these; nil: none
	// Lab allows special-purpose addresses. It is for networks that lead
	// nowhere: see Special.
	Lab bool
	// V4, V6 leave out the other family; both or none: neither.
	V4, V6 bool
}

// Select returns the targets that may be probed, and how many may not. The
// targets are merged: each address is in the Set once. The list is used up.
func (s Selection) Select(targets *List) (*Set, uint64, error) {
	spans := merge(targets.spans)
	targets.spans = nil
	all := measure(spans)
	if s.V4 != s.V6 {
		four := []span{spanOf(netip.MustParsePrefix("0.0.0.0/0"))}
		if s.V4 {
			spans = intersect(spans, four)
		} else {
			spans = subtract(spans, four)
		}
	}
	if s.Allow != nil {
		spans = intersect(spans, merge(slices.Clone(s.Allow.spans)))
	}
	if s.Block != nil {
		spans = subtract(spans, merge(slices.Clone(s.Block.spans)))
	}
	spans = subtract(spans, never)
	if !s.Lab {
		spans = subtract(spans, special)
	}
	set, err := newSet(spans)
	if err != nil {
		return nil, 0, err
	}
	return set, all - min(all, set.n), nil
}

// measure returns how many addresses spans hold, at most 2^64-1.
func measure(spans []span) uint64 {
	n := uint64(0)
	for _, x := range spans {
		d, ok := x.hi.minus(x.lo)
		if !ok || n+d+1 < n {
			return ^uint64(0)
		}
		n += d + 1
	}
	return n
}

// Hash returns a hash of the Set's addresses, the same whatever way they were
// listed.
func (s *Set) Hash() [32]byte {
	h := sha256.New()
	var b [24]byte
	for i, lo := range s.lo {
		end := s.n
		if i+1 < len(s.first) {
			end = s.first[i+1]
		}
		a := lo.bytes()
		copy(b[:], a[:])
		n := end - s.first[i]
		for k := range 8 {
			b[16+k] = byte(n >> (8 * k))
		}
		h.Write(b[:])
	}
	return [32]byte(h.Sum(nil))
}
