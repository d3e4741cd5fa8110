package compare

import (
	"fmt"
	"runtime"
	"sync"

	"pathmtu/internal/pathsim/stacks"
)

// Scale is how much work the tables cost.
type Scale struct {
	Seed    uint64
	Packets int // in each cell of the matrix of false verdicts
	Seeds   int // for each cell of the table of delays
	Runs    int // in each cell of the table of random loss
}

// Full is for a recorded run, Quick for a test.
var (
	Full  = Scale{Seed: 1, Packets: 300_000, Seeds: 99, Runs: 20_000}
	Quick = Scale{Seed: 1, Packets: 20_000, Seeds: 9, Runs: 500}
)

// each runs f for 0 to n-1, on all processors, and returns the results in order.
func each[T any](n int, f func(int) T) []T {
	results := make([]T, n)
	next := make(chan int)
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := range next {
				results[i] = f(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
	return results
}

// setting is one configuration of the table of path MTUs.
type setting struct {
	name string
	r    Range
	mtus []int
}

var pathSettings = []setting{
	{"IPv4, interface 1500", Range{IPHeader: ipv4Header, Interface: 1500}, []int{1280, 1400, 1420, 1428, 1440, 1452, 1460, 1472, 1480, 1492, 1500}},
	{"IPv6, interface 1500", Range{IPHeader: ipv6Header, Interface: 1500}, []int{1280, 1400, 1420, 1428, 1440, 1452, 1460, 1472, 1480, 1492, 1500}},
	{"IPv4, interface 9000", Range{IPHeader: ipv4Header, Interface: 9000}, []int{1280, 1400, 1500, 4352, 9000}},
}

// stackRange is the range as the named stack would be configured for it.
func (s setting) stackRange(name string) Range {
	r := s.r
	if r.Interface > 1500 {
		if j := stacks.Jumbo(name); j.Max != 0 {
			r.Max = j.Max + r.IPHeader + udpHeader
		}
	}
	return r
}

// Paths returns, for each path MTU, what each search costs and finds: one table
// of cells to read, one of all numbers.
func Paths() []*Table {
	all := &Table{
		Name: "paths", Title: "Each search on each path MTU, loss-free", ForPrograms: true,
		Header: []string{"setting", "search", "path_mtu", "probes", "lost", "bytes", "final", "rtts_l1.25", "rtts_l3.5", "rtts_l20", "rtts_l300"},
	}
	tables := []*Table{all}
	ours := PathContender(Ours, nil)
	for _, s := range pathSettings {
		read := &Table{
			Name:   fmt.Sprintf("paths-%d-%d", s.r.IPHeader, s.r.Interface),
			Title:  "Path MTU found: " + s.name,
			Note:   "Cell: probes sent/lost/final IP packet size, bytes of probes. FAIL: what the stack starts from does not fit.",
			Header: []string{"search"},
		}
		for _, mtu := range s.mtus {
			read.Header = append(read.Header, fmt.Sprint(mtu))
		}
		for _, c := range append(Stacks(), ours) {
			r := s.r
			if c.Name != Ours {
				r = s.stackRange(c.Name)
			}
			row := []any{c.Name}
			for _, mtu := range s.mtus {
				o := c.Run(Trial{Range: r, PathMTU: mtu, LossCost: LossCosts[0]})
				if o.Fail {
					row = append(row, "FAIL")
					all.add(s.name, c.Name, mtu, "", "", "", "", "", "", "", "")
					continue
				}
				row = append(row, fmt.Sprintf("%d/%d/%d %d", o.Probes, o.Lost, o.Final, o.Bytes))
				cells := []any{s.name, c.Name, mtu, o.Probes, o.Lost, o.Bytes, o.Final}
				for _, l := range LossCosts {
					cells = append(cells, c.Run(Trial{Range: r, PathMTU: mtu, LossCost: l}).RTTs)
				}
				all.add(cells...)
			}
			read.add(row...)
		}
		tables = append(tables, read)
	}
	return tables
}
