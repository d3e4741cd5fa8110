// Package udppath is a UDP socket made fit for path MTU discovery to one peer:
// what an embedding of package plpmtud needs below it, if it sends its own
// datagrams. It holds no state machine and starts no goroutine.
//
//	          Write, WriteTo ──► +---------+ ──► one datagram, never fragmented
//	your      ReadFrom       ◄── |  Conn   | ◄── datagrams of the peer
//	protocol  Overhead, Max  ◄── |         | ◄── MTU of the first hop
//	          Hints          ◄── +---------+ ◄── ICMP messages that hold good
//
// # What a caller does
//
// Config.Overhead and Config.Max of plpmtud are what Overhead and Max return.
// Each datagram, probes included, goes out by Write. If udpsock.IsMessageTooLong
// holds for its error, Path.SetMax wants to know MaxBelow of its length. What
// Hints returns goes to Path.Hint, each time before Path.Poll.
//
// # ICMP messages
//
// On Linux the socket's error queue is read, and a message counts only if it
// quotes a datagram that this Conn sent, with the first bytes of its payload
// (RFC 8899 section 4.6.1). So a protocol whose datagrams begin with something
// that can't be guessed, such as a random id or an encrypted packet number, is
// safe from forgers off the path. Elsewhere there are no hints, and a path that
// shrinks is noticed by what gets lost. ICMP errors never end a read.
//
// A package that wraps a socket, and probes by itself, is udpecho.
package udppath
