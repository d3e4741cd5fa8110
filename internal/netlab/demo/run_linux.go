package demo

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"pathmtu/internal/netlab"
	"pathmtu/results"
)

// Config says what Run measures and how.
type Config struct {
	Program  string   // the program to run, by its path
	Paths    []Path   // nil: Paths()
	Families []int    // nil: 4 and 6
	Methods  []string // nil: icmp and udp
	Jobs     int      // paths that stand at the same time; 0: 4
	Timeout  time.Duration
	// Row is called with each result, in the order of the plan, never
	// concurrently.
	Row func(Row)
	// Done, if set, is called after each measurement, never concurrently.
	Done func()
}

// Row is one measurement held against the truth.
type Row struct {
	Path
	PTBBehaviour string          `json:"ptb_behaviour"`
	Family       int             `json:"family"`
	Method       string          `json:"method"`
	Truth        int             `json:"truth"`
	Want         results.Verdict `json:"want_verdict"`
	OK           bool            `json:"ok"`
	Wrong        string          `json:"wrong,omitempty"` // why not OK
	Elapsed      time.Duration   `json:"elapsed_ns"`
	Record       *results.Record `json:"record,omitempty"`
}

// Count returns the number of measurements of the plan.
func (c Config) Count() int { c = c.defaults(); return len(c.Paths) * c.perPath() }

func (c Config) perPath() int { return len(c.Families) * len(c.Methods) }

func (c Config) defaults() Config {
	if c.Paths == nil {
		c.Paths = Paths()
	}
	if c.Families == nil {
		c.Families = []int{4, 6}
	}
	if c.Methods == nil {
		c.Methods = []string{"icmp", "udp"}
	}
	if c.Jobs == 0 {
		c.Jobs = 4
	}
	if c.Timeout == 0 {
		c.Timeout = time.Minute
	}
	if c.Row == nil {
		c.Row = func(Row) {}
	}
	if c.Done == nil {
		c.Done = func() {}
	}
	return c
}

// Run builds every path of the plan, measures it, and returns how many
// measurements were wrong. The error says that a path could not be built or ctx
// ended; rows that were complete by then have been reported.
func Run(ctx context.Context, c Config) (wrong int, err error) {
	c = c.defaults()
	order := &ordered{row: c.Row, done: c.Done, waiting: map[int]Row{}}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(c.Jobs)
	for i, p := range c.Paths {
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return context.Cause(ctx)
			}
			return c.runPath(ctx, p, func(k int, r Row) { order.put(i*c.perPath()+k, r) })
		})
	}
	err = g.Wait()
	order.flush()
	return order.wrong, err
}

func (c Config) runPath(ctx context.Context, p Path, put func(int, Row)) error {
	lab, err := netlab.Build(ctx, p.Topology())
	if err != nil {
		return err
	}
	defer lab.Close()
	g, ctx := errgroup.WithContext(ctx)
	for k := range c.perPath() {
		family, method := c.Families[k/len(c.Methods)], c.Methods[k%len(c.Methods)]
		g.Go(func() error {
			limited, cancel := context.WithTimeoutCause(ctx, c.Timeout, fmt.Errorf("not finished within %v", c.Timeout))
			defer cancel()
			row, err := Measure(limited, lab, p, c.Program, family, method)
			if ctx.Err() != nil {
				return context.Cause(ctx) // cut short: says nothing about the path
			}
			if err == nil {
				put(k, row)
			}
			return err
		})
	}
	return g.Wait()
}

// Measure takes one measurement of a path that stands. An error means that
// there was none to judge; a measurement that fails is a row that is not OK.
func Measure(ctx context.Context, lab *netlab.Lab, p Path, program string, family int, method string) (Row, error) {
	want, err := Expect(lab.Topology, "cli", "srv", family)
	if err != nil {
		return Row{}, err
	}
	row := Row{Path: p, PTBBehaviour: p.PTB.String(), Family: family, Method: method, Truth: want.PMTU, Want: want.Verdict}
	if p.Bottleneck >= p.Edge {
		row.PTBBehaviour = "-"
	}
	dst, _ := lab.Addr("srv", family)
	start := time.Now()
	run, err := Probe(ctx, lab.Node("cli"), program, Args(method, dst)...)
	row.Elapsed, row.Record = time.Since(start), run.Record
	row.Wrong = judge(want, run, err)
	if row.Wrong == "" {
		if row.Wrong, err = unused(lab.Node("r1"), p, family); err != nil {
			return Row{}, err
		}
	}
	row.OK = row.Wrong == ""
	return row, nil
}

// unused says so when the filter that makes the path what it is never saw a
// packet: then the measurement was of another path.
func unused(router *netlab.LiveNode, p Path, family int) (string, error) {
	if p.Bottleneck >= p.Edge || p.PTB.Mode == netlab.PTBDelivered {
		return "", nil
	}
	counters, err := router.Counters()
	if err != nil {
		return "", err
	}
	rule := netlab.RulePTB4
	if family == 6 {
		rule = netlab.RulePTB6
	}
	if counters[rule] == 0 {
		return fmt.Sprintf("the router's filter (%s) was never hit", rule), nil
	}
	return "", nil
}

func judge(want Expectation, m ProbeRun, err error) string {
	switch {
	case err != nil:
		return err.Error()
	case m.Record == nil:
		return strings.TrimSuffix(fmt.Sprintf("exit code %d without a record: %s", m.ExitCode, m.Stderr), ": ")
	}
	wrong := want.Judge(m.Record)
	if wrong == "" && m.ExitCode != 0 {
		wrong = fmt.Sprintf("exit code %d: %s", m.ExitCode, m.Stderr)
	}
	return wrong
}

// Args returns the arguments after "probe --json" of one measurement.
func Args(method string, dst netip.Addr) []string {
	family := "-4"
	if dst.Is6() {
		family = "-6"
	}
	return []string{"--method", method, family, dst.String()}
}

// ordered hands rows on in the order of the plan, whatever order they come in.
type ordered struct {
	mu      sync.Mutex
	next    int
	waiting map[int]Row
	row     func(Row)
	done    func()
	wrong   int
}

func (o *ordered) put(i int, r Row) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.done()
	o.waiting[i] = r
	for {
		r, ok := o.waiting[o.next]
		if !ok {
			return
		}
		o.emit(o.next, r)
		o.next++
	}
}

// flush hands on what is left after a run that was cut short.
func (o *ordered) flush() {
	o.mu.Lock()
	defer o.mu.Unlock()
	left := make([]int, 0, len(o.waiting))
	for i := range o.waiting {
		left = append(left, i)
	}
	slices.Sort(left)
	for _, i := range left {
		o.emit(i, o.waiting[i])
	}
}

func (o *ordered) emit(i int, r Row) {
	delete(o.waiting, i)
	if !r.OK {
		o.wrong++
	}
	o.row(r)
}
