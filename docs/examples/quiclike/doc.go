// Package quiclike is a small transport in the manner of QUIC, as a host for
// plpmtud: it sends a stream in numbered packets, which the peer acknowledges;
// packets are lost by packet threshold, time threshold or timeout, and a
// NewReno window in bytes limits what is in flight. It has no encryption: it is
// an example to read and to copy from, not a protocol to use.
//
//	sender ── data, ping, probe: Header, bytes ──► receiver
//	       ◄── ack: Header, ranges of numbers ────
//
// # Where plpmtud is called
//
// All in mtu.go:
//
//	handshake acknowledged          path.Start(now, size)
//	before a packet is made         path.Poll(now): a probe instead, if one is due
//	how much goes into a packet     path.MPS()
//	a packet was acknowledged       path.Acked(now, probe) or path.PacketAcked(now, size, sent)
//	a packet is considered lost     path.Lost(now, probe) or path.PacketLost(now, size, sent)
//	a round trip was measured       path.SetRTT(rtt)
//	an ICMP message came            path.Hint(now, hint)
//	the interface refused a packet  path.SetMax(now, max)
//	when to wake up                 path.Next()
//
// The path does not acknowledge for itself, so the layer is Acknowledged, and
// no timer of its own runs but the raise timer.
//
// # Congestion control
//
// RFC 8899 section 3, item 7: a probe counts as in flight and waits for room in
// the window; the loss of one does not shrink the window; and the window, which
// counts bytes and grows by a fixed segment size, does not grow when the
// PLPMTU does.
package quiclike
