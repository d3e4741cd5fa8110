// Package netlab builds networks out of Linux network namespaces, from a
// topology that is plain data.
//
//	cli ==9000== r1 --1420-- r2 ==9000== srv
//	             `- packet-too-big: delivered, filtered or lying
//
// A [Topology] says which hosts and routers exist, which links join them (the
// MTU of each end, its addresses, what it loses) and which static routes they
// hold. [Topology.Walk] computes the ground truth from that data alone. [Build]
// turns the same data into namespaces with kernel routers, so that a
// measurement taken inside can be held against the truth.
//
// Every packet of a lab stays inside the namespaces of that lab: no link leads
// out. Namespaces are anonymous, held only by file descriptors of the building
// process, so that nothing remains when that process dies, however it dies.
// [Lab.Name] makes one outlive its process; [Remove] takes it away again.
//
// All sizes are whole IP packets in bytes.
package netlab
