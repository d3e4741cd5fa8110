// Package versus runs pmtu and other programs that measure path MTUs on the same
// networks, and holds what each says against the truth: how often it is exact,
// how many packets it sent, and how long it took.
//
// Each run has a network of its own, built afresh, so that no program profits or
// suffers from what kernels learnt, or from what routers and hosts spent of their
// ICMP rations, while another one ran. Packets are counted on the wire, at the
// client's interface, whatever a program says about itself.
//
// Sizes are whole IP packets, in bytes.
package versus
