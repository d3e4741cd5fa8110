// Package pathsim simulates a network path packet by packet on virtual time:
// hops of several links each, MTUs that change, Packet Too Big messages honest,
// lying or none, random and bursty loss, loss that depends on the size,
// reordering, duplication, queues, and a sender with an acknowledging receiver
// on top.
//
// A Sim is one event queue, its clock and its random numbers. Nothing in it
// depends on the machine's clock, on map order or on goroutines: the same seed
// gives the same packets at the same times. It is not safe for concurrent use;
// independent Sims may run in parallel.
//
// Sizes are whole IP packets, in bytes, unless a name says otherwise.
package pathsim
