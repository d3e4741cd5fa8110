// Package ip6 gives views of IPv6 packets: read and changed in place, with
// bounded work, no allocation and no panic on hostile bytes.
//
// # Contract
//
// A [Packet] is made by [Parse] (a whole packet) or [ParseQuote] (the start of
// one, as an ICMPv6 error quotes it). Both check the fixed header once; after
// that no accessor and no walk can panic or read past the view. A Packet made
// by converting a byte slice has no such promise.
//
//	p, err := ip6.Parse(buf)          // 40 bytes, version 6, length fits
//	w := p.Walk(ip6.Limits{})         // extension headers, in order
//	for h, ok := w.Next(); ok; h, ok = w.Next() {
//		o := h.Options(ip6.Limits{})  // of Hop-by-Hop and Destination Options
//		for opt, ok := o.Next(); ok; opt, ok = o.Next() {
//			...                       // opt.Off is what an ICMP pointer needs
//		}
//		if pr := o.Problem(); pr.Reason != ip6.NoProblem { ... }
//	}
//	if pr := w.Problem(); pr.Reason != ip6.NoProblem { ... }
//	u := w.Upper()                    // upper-layer protocol and offset
//
// Every offset in this package counts bytes from the first byte of the IPv6
// header, which is also what ICMPv6 Parameter Problem pointers count.
//
// Option data and quoted packets alias the packet: they are valid as long as
// its bytes are, and writing to them changes the packet.
//
// Nothing here locks: a Packet may be read by several goroutines at once, and
// written by one.
//
// # Limits
//
// IPv6 jumbograms (RFC 2675) are not covered: a payload length of 0 means an
// empty payload. The transport checksum of a packet that carries a Home
// Address option (RFC 6275) is computed over the address in the IPv6 header.
package ip6
