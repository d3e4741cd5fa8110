// Package stacks holds the path MTU searches of other implementations, written
// from their described behaviour, as baselines for a comparison. Each is a pure
// value: it names the size to probe next and is told what became of it. What
// the stacks do around the search (timers, black holes, ICMP) is not here.
//
// Sizes are bytes of PL size: the UDP payload, or, for SCTP, what follows the
// IP header.
package stacks
