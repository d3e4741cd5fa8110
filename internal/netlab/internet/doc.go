// Package internet is a simulated Internet: every address is the address of a
// host, or of nobody, at the end of a path, and what that path does follows
// from a hash of the address and a seed. A [World] therefore keeps nothing for
// a host: it answers for a million of them as well as for one, and the truth
// about any address is a pure function, [World.Host].
//
//	               hop 1        hop b (bottleneck)      hop n
//	scanner ==edge== r1 ==...== rb --MTU--  ...  ==...== rn == host
//	                             `- packet-too-big: delivered, filtered, lying
//
// A World takes a packet and hands out the packets that come back, each with
// its delay. It does no I/O and reads no clock. [Build] puts it behind an Ethernet
// device in a namespace, so that real programs can measure it.
//
// Routers behave as real ones do: they expire the TTL before they look at the
// size, fragment IPv4 packets without DF, and quote what RFC 792, RFC 1812 and
// RFC 4443 ask for, or only the 8 bytes that RFC 792 asks for. Hosts answer as
// Linux does: rate limits included.
//
// All sizes are whole IP packets in bytes.
package internet
