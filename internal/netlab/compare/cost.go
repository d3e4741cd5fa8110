package compare

import (
	"fmt"
	"io"
	"net/netip"
	"runtime"
	"text/tabwriter"
	"time"

	"pathmtu/hbh"
	"pathmtu/internal/ip6"
	"pathmtu/internal/router"
	"pathmtu/plpmtud"
	"pathmtu/truncate"
)

// Cost is what one part of a proposal costs on this machine.
type Cost struct {
	Proposal string `json:"proposal"`
	Part     string `json:"part"`
	Lines    int    `json:"lines"`       // of code, without comments and blank lines; 0: not counted
	State    int    `json:"state_bytes"` // for each flow; -1: not a matter of state
	Nanos    int    `json:"nanoseconds"` // for each packet; -1: none of its own
	What     string `json:"what"`        // that was timed
}

// costPart is a part with the files that it consists of.
type costPart struct {
	proposal, part string
	files          []string
	state          func() any // a new state of one flow
	what           string
	packet         func() func() // makes what handles one packet
}

// Costs measures all parts. source is the folder of the module's source, "" if
// it is not at hand: then lines are not counted.
func Costs(source string) ([]Cost, error) {
	var out []Cost
	for _, p := range costParts {
		c := Cost{Proposal: p.proposal, Part: p.part, State: -1, Nanos: -1, What: p.what}
		if source != "" {
			n, err := countLines(source, p.files)
			if err != nil {
				return nil, err
			}
			c.Lines = n
		}
		if p.state != nil {
			c.State = heapBytes(p.state)
		}
		if p.packet != nil {
			c.Nanos = nanos(p.packet())
		}
		out = append(out, c)
	}
	return out, nil
}

// heapBytes is how much memory one more object takes, with all that it points to.
func heapBytes(one func() any) int {
	const n = 2000
	kept := make([]any, n)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range kept {
		kept[i] = one()
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	runtime.KeepAlive(kept)
	return int((int64(after.HeapAlloc) - int64(before.HeapAlloc)) / n)
}

// nanos is the least time of many short runs, for each call: one of them is not
// interrupted, also on a machine that has other work.
func nanos(f func()) int {
	const calls, runs = 500, 200
	best := time.Duration(1 << 62)
	for range runs {
		began := time.Now()
		for range calls {
			f()
		}
		best = min(best, time.Since(began))
	}
	return int(best / calls)
}

// WriteCosts writes them for people.
func WriteCosts(w io.Writer, costs []Cost) error {
	if len(costs) == 0 {
		return nil
	}
	if _, err := fmt.Fprintf(w, "\n== cost on this machine\n\n"); err != nil {
		return err
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "proposal\tpart\tlines\tbytes/flow\tns/packet\ttimed")
	dash := func(n, none int) string {
		if n == none {
			return "-"
		}
		return fmt.Sprint(n)
	}
	for _, c := range costs {
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\n", c.Proposal, c.Part, dash(c.Lines, 0), dash(c.State, -1), dash(c.Nanos, -1), c.What)
	}
	return tw.Flush()
}

// forward times a router that forwards one packet again and again.
func forward(p ip6.Packet, change func(*router.Config)) func() {
	cfg := router.Config{
		Ports:        []router.Port{{Name: "a", MTU: edgeMTU, Addr: routerAddr(0)}, {Name: "b", MTU: 1500, Addr: routerAddr(1)}},
		PacketTooBig: router.Rate{PerSecond: 1e12, Burst: 1e12}, Truncations: router.Rate{PerSecond: 1e12, Burst: 1e12},
	}
	if change != nil {
		change(&cfg)
	}
	r, err := router.New(cfg)
	if err != nil {
		panic(err)
	}
	table, err := router.NewTable([]router.Route{
		{Prefix: netip.PrefixFrom(sourceAddr, 64).Masked(), Out: 0},
		{Prefix: netip.PrefixFrom(destAddr, 64).Masked(), Out: 1},
	})
	if err != nil {
		panic(err)
	}
	r.SetTable(table)
	head := append([]byte(nil), p[:64]...)
	now := time.Unix(1, 0)
	return func() {
		copy(p, head) // what forwarding changes
		now = now.Add(time.Microsecond)
		r.Forward(p, 0, now)
	}
}

func mustOption(p ip6.Packet) ip6.Packet {
	q, err := withOption(p, hbh.Option{Min: edgeMTU, R: true})
	if err != nil {
		panic(err)
	}
	return q
}

func mustMark(p ip6.Packet) ip6.Packet {
	q, why := truncate.Source{}.AppendMarked(nil, p, edgeMTU)
	if why != truncate.Marked {
		panic(why.String())
	}
	return q
}

func plainPacket(size int) ip6.Packet { return datagram(true, size, head{1, 2}) }

var flowKey = hbh.Key{Local: netip.AddrPortFrom(destAddr, destPort), Remote: netip.AddrPortFrom(sourceAddr, sourcePort), Proto: ip6.ProtoUDP}

// unlimited is a budget that never ends.
type unlimited struct{}

func (unlimited) AllowN(time.Time, int) bool { return true }

var costParts = []costPart{
	{proposal: "RFC 8200", part: "router", what: "forward 1280 bytes", packet: func() func() { return forward(plainPacket(1280), nil) }},
	{proposal: "RFC 8200", part: "router", what: "forward 1280 bytes with a Hop-by-Hop header, not looked at", packet: func() func() { return forward(mustOption(plainPacket(1272)), nil) }},
	{proposal: "PMTUD", part: "router", what: "refuse 9000 bytes with a Packet Too Big", packet: func() func() { return forward(plainPacket(9000), nil) }},
	{proposal: "DPLPMTUD", part: "source", files: []string{"plpmtud"}, state: func() any {
		p, err := plpmtud.New(plpmtud.Config{Overhead: 48, Max: 8952})
		if err != nil {
			panic(err)
		}
		return p
	}, what: "note an acknowledged packet and poll", packet: func() func() {
		p, err := plpmtud.New(plpmtud.Config{Overhead: 48, Max: 1452})
		if err != nil {
			panic(err)
		}
		now := time.Unix(1, 0)
		p.Start(now, 1452)
		return func() {
			now = now.Add(time.Millisecond)
			p.PacketAcked(now, 1400, now.Add(-time.Millisecond))
			p.Poll(now)
		}
	}},
	{proposal: "HBH", part: "router", files: []string{"hbh/option.go", "hbh/router.go"}, what: "forward 1280 bytes and lower Min-PMTU", packet: func() func() {
		return forward(mustOption(plainPacket(1272)), func(c *router.Config) { c.Ports[0].Policy = router.ProcessMinPMTU() })
	}},
	{proposal: "HBH", part: "host", files: []string{"hbh/observe.go", "hbh/flow.go", "hbh/host.go", "hbh/destination.go", "hbh/config.go"}, state: func() any {
		f, err := hbh.NewFlow(hbh.FlowConfig{LinkMTU: 1500, Ask: true})
		if err != nil {
			panic(err)
		}
		return f
	}, what: "read the option of a packet, decide about the next", packet: func() func() {
		h, err := hbh.NewHost(hbh.HostConfig{Flow: hbh.FlowConfig{LinkMTU: 1500, WithData: true}})
		if err != nil {
			panic(err)
		}
		p, now := mustOption(plainPacket(1272)), time.Unix(1, 0)
		return func() {
			now = now.Add(time.Millisecond)
			h.Received(now, flowKey, hbh.Observe(p, ip6.Limits{}))
			h.Outgoing(now, flowKey, 100, true)
		}
	}},
	{proposal: "Truncate", part: "router", files: []string{"truncate/option.go", "truncate/scan.go", "truncate/router.go", "truncate/enhanced.go"}, what: "cut 9000 bytes to 1500, with a Packet Too Big (T1)", packet: func() func() {
		return forward(mustMark(plainPacket(8992)), func(c *router.Config) { c.Ports[1].Truncate = true })
	}},
	{proposal: "Truncate", part: "router", what: "cut 9000 bytes to 1500, without one", packet: func() func() {
		return forward(mustMark(plainPacket(8992)), func(c *router.Config) { c.Ports[1].Truncate = true; c.Truncate.NoPTB = true })
	}},
	{proposal: "Truncate", part: "router", what: "forward 1280 bytes that are marked and fit", packet: func() func() {
		return forward(mustMark(plainPacket(1272)), func(c *router.Config) { c.Ports[1].Truncate = true })
	}},
	{proposal: "Truncate", part: "source", files: []string{"truncate/source.go", "truncate/peer.go", "truncate/notice.go"}, state: func() any {
		p, err := truncate.NewPeer(truncate.PeerConfig{})
		if err != nil {
			panic(err)
		}
		return p
	}, what: "mark 1500 bytes", packet: func() func() {
		p, buf, s := plainPacket(1492), make([]byte, 0, 2000), truncate.Source{}
		return func() { s.AppendMarked(buf[:0], p, 1500) }
	}},
	{proposal: "Truncate", part: "destination", files: []string{"truncate/destination.go"}, what: "look for the options in 1500 bytes that were not cut", packet: func() func() {
		return receive(mustMark(plainPacket(1492)))
	}},
	{proposal: "Truncate", part: "destination", what: "answer 1500 bytes that were cut", packet: func() func() {
		p, why := truncate.Source{}.AppendTrial(nil, plainPacket(1492), 1500)
		if why != truncate.Marked {
			panic(why.String())
		}
		return receive(p)
	}},
}

func receive(p ip6.Packet) func() {
	d, err := truncate.NewDestination(truncate.Reader{}, unlimited{})
	if err != nil {
		panic(err)
	}
	buf, now := make([]byte, 0, ip6.MinMTU), time.Unix(1, 0)
	return func() {
		if dec := d.Receive(now, p, ip6.Arrival{}); dec.Answer != truncate.NoAnswer {
			_, _ = dec.AppendAnswer(buf[:0], p)
		}
	}
}
