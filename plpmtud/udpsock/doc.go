// Package udpsock tells a UDP socket what path MTU discovery needs, and asks it
// what it knows, on each operating system. It holds no state machine: package
// plpmtud does, and never sees a socket.
//
//	                 +------------------ a UDP socket ------------------+
//	SetDF, ReadDF -->| don't fragment; no veto by the cached path MTU   |
//	SendAlone ------>| one datagram, such as a probe                    |--> network
//	SendBatch ------>| many of one size; segmentation offload if it can |
//	                 |                                                  |
//	ErrorQueue <-----| error queue: who refused which datagram, and why |<-- ICMP
//	                 +--------------------------------------------------+
//	FirstHop: interface MTU of the route        CachedPathMTU: a mere hint
//
// # What a caller does
//
// Call SetDF, and probe only where DF.MayProbe says yes: a probe that somebody
// fragments measures nothing (RFC 8899 section 3, item 2, and section 4.5).
// MAX_PLPMTU is Hop.MTU of FirstHop, less Family.Overhead. Probes go out with
// Sender.SendAlone; if IsMessageTooLong holds for its error, the interface is
// smaller than the probe, which is certain, and the core's SetMax wants to know.
//
// NewErrorQueue wants a Match, such as that of a Ring, to which the caller adds
// each datagram that it sends and that may be too big. Read then yields only
// what quotes such a datagram: a Notice with the MTU, ready to become a hint of
// the core. Everything else is counted in QueueStats and dropped (RFC 8899
// section 4.6.1, BCP 145 section 5.2). The work is bounded by a token bucket.
//
// Once the error queue is on, an ICMP message makes the next receive or send of
// the socket fail with an error for which IsPending holds. A receive loop reads
// the error queue and goes on.
//
// # Systems
//
//	                 Linux                     macOS, FreeBSD  Windows                   others
//	don't fragment   {IP,IPV6}_MTU_DISCOVER    {IP,IPV6}_      {IP,IPV6}_MTU_DISCOVER    no
//	                 = PROBE                   DONTFRAG        = PROBE, or DONTFRAG
//	error queue      {IP,IPV6}_RECVERR         no              no                        no
//	offload          UDP_SEGMENT               one by one      one by one                one by one
//	first hop        RTM_GETROUTE              interface of    the same                  the same
//	                                           the address
//	cached path MTU  {IP,IPV6}_MTU             no              no                        no
//
// "no" is an *UnsupportedError, for which errors.Is(err, errors.ErrUnsupported)
// holds. Linux is tested; the others are compiled. FreeBSD and macOS have no
// counterpart of PROBE: IP_DONTFRAG keeps datagrams whole, and what the kernel
// has learned for a route may still refuse an IPv6 datagram below the interface
// MTU.
package udpsock
