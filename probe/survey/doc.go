// Package survey measures the path MTU to very many hosts: slowly to each one,
// quickly to all together.
//
//	list ──► Set ──► Order ──► Engine ──► packets
//	                             ▲  │
//	                    answers ─┘  └─► one Final for each target
//
// A [Set] holds the targets as ranges, what must not be probed taken out. An
// [Order] is a keyed permutation of their indices, so that probes to
// neighbours lie far apart in time, and a survey that was interrupted goes on
// from one integer. The [Engine] keeps some hundred bytes for each target that is
// being measured, and nothing for the others: whether an answer is genuine is
// decided by a keyed token that the probe carries. It is sans I/O: the caller
// passes time, packets and randomness; package surveyor does.
//
// Each target is asked with a small packet first; then with the largest; then,
// if that didn't arrive, with the size that a router named, or else the one
// that halves what is possible under a prior of path MTUs. A PMTU is reported
// only if a packet of exactly that size was answered, and one that is a byte
// larger was reported as too big, or lost several times while small ones were
// answered.
//
// All sizes are whole IP packets in bytes.
package survey
