// Package rawsock sends probes and receives what comes back: datagrams, and
// ICMP errors with what they quote. It is all of the I/O of package probe.
//
// A Flow is one unchanging 5-tuple (for ICMP: addresses and identifier), with
// "don't fragment" always set, and never limited by the kernel's idea of the
// path MTU. Flows need no privilege where the kernel allows: UDP sockets with
// the error queue, and ping sockets. A Hub holds raw ICMP sockets where the
// process may have them; through it, flows also learn what the error queue
// doesn't tell: the IP header that an ICMP error quotes. Some flows exist only
// through a hub: those of TCP segments, and those of whole IP packets, which carry
// what no ordinary socket does.
package rawsock
