// Package examples holds complete users of plpmtud, each in a folder of its
// own, to read beside docs/embedding.md and to copy from.
//
//	first     the program of that page
//	plain     a UDP application, over udpecho
//	dtls      probes inside of a DTLS association
//	quiclike  a transport with acknowledgements and congestion control
//	tunnel    a TUN device over UDP: inner MTU, inner Packet Too Big, MSS clamp
//	quicgo    what can be done for an unmodified quic-go
//
// dtls and quiclike stand on plpmtud/udppath, a UDP socket made fit for path MTU
// discovery. stopwait serves the others: it is an application that sends a
// stream by datagrams.
//
// The tests in netns-tests run each of them on a path that shrinks to 1280
// bytes in mid-transfer, and grows again. Program cmd/transfer runs them by
// hand; cmd/sidebyside compares quiclike with quic-go and ngtcp2.
package examples
