package truncate_test

import (
	"fmt"
	"time"

	"pathmtu/internal/ip6"
	"pathmtu/internal/ip6/ip6test"
	"pathmtu/truncate"
)

// The whole life of a packet that is too large: marked by its source, cut by a
// router, reported by its destination, believed by its source.
func Example() {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	const firstHop = 9000
	var source truncate.Source
	plain := ip6test.Sized(firstHop-8, ip6.ProtoUDP, ip6test.UDP)
	marked, _ := source.AppendMarked(nil, plain, firstHop)
	p, _ := ip6.Parse(marked)

	var router truncate.Router
	plan := router.Plan(p, 1500)
	fmt.Println("router may truncate:", plan.OK(), "and sends Packet Too Big:", plan.PTB)
	p = plan.Apply(p)
	fmt.Println("on the wire:", len(p), "bytes, checksum", p.Checksum(ip6.Limits{}))

	destination, _ := truncate.NewDestination(truncate.Reader{}, nil)
	decision := destination.Receive(now, p, ip6.Arrival{})
	fmt.Println("delivered:", decision.Deliver)
	answer, _ := decision.AppendAnswer(nil, p)
	e, _ := ip6.Parse(answer)

	notice, reject := source.Check(e, firstHop, func(quote ip6.Packet) bool { return quote.Dst() == ip6test.Dst })
	fmt.Println("source:", reject, "from", notice.Origin, "MTU", notice.MTU)
	// Output:
	// router may truncate: true and sends Packet Too Big: true
	// on the wire: 1500 bytes, checksum good
	// delivered: false
	// source: accepted from destination MTU 1500
}
