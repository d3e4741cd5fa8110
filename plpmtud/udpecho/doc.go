// Package udpecho gives any UDP application the path MTU: DPLPMTUD (RFC 8899)
// for a plain net.PacketConn, with an echo of its own.
//
// Wrap a connection on both ends and use the Conn in its place. The
// application's datagrams travel unchanged; probes and their answers travel
// beside them, between the same addresses and ports, so that they take the same
// path. MaxPayload says how much fits, OnChange when that changes.
//
//	application A                                         application B
//	     | WriteTo, ReadFrom                                   |
//	+----+-----+      datagrams, as they are            +------+---+
//	|  Conn    | <------------------------------------> |   Conn   |
//	|          | ---- probe: header, zeros (1400 B) ---> |          |
//	|          | <--- answer: header (28 B): "1400" ---- |          |
//	+----------+                                        +----------+
//
// # The header
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                                                               |
//	+                     Mark, made from the key                   +
//	|                                                               |
//	+---------------+---------------+-------------------------------+
//	|     Kind      |       0       |            Length             |
//	+---------------+---------------+-------------------------------+
//	|                                                               |
//	+                Token, unpredictable for each probe            +
//	|                                                               |
//	+---------------------------------------------------------------+
//	|                                                               |
//	+        Authenticator: HMAC-SHA-256 of the above, 8 bytes      +
//	|                                                               |
//	+---------------------------------------------------------------+
//	|                 zeros, up to Length (probes only)            ...
//
// Kind is 1 for a probe and 2 for an answer. Length is the UDP payload of the
// probe in bytes: as sent in a probe, as received in an answer. Numbers are big
// endian. An application datagram is taken for one of this layer with a
// probability of 2^-128; one that differs in a single bit reaches the
// application.
//
// # The contract
//
// The answer is small and says what arrived, so that each direction is measured
// on its own: a narrow way back does not disturb. It is never larger than the
// probe, and answers are rate-limited. A Conn answers whoever probes, and keeps
// state only about those that its own application sends to.
//
// A peer is first greeted: a probe of nothing but a header. Only if it answers
// do larger ones follow: BASE, then the search. A peer without this layer
// receives three datagrams of 28 bytes that it doesn't know, then three after a
// minute, and ever fewer; for it MaxPayload remains BASE, which is assumed and
// not confirmed, or less if ICMP says so.
//
// The layer works while the application reads: answers arrive in ReadFrom. It is
// idle when the application is. Somebody who uses the Conn as a server only to
// answer needs nothing else.
//
// Nothing confirms the application's own datagrams, unless it reports them
// (Config.AppAcks). So probes of the size in use are sent every
// ConfirmInterval, and a path that shrinks is noticed after at most that and
// MaxProbes times ProbeTimeout; earlier if an ICMP message quotes a probe, or a
// recent datagram of the application. Such a message lowers what is used, to
// BASE at least, and only an answered probe raises it again. How hard it is to
// forge one that quotes an application datagram depends on how hard its first
// bytes are to guess; a probe has to be quoted up to its token.
//
// Under a Key, only those who have it can answer probes. Without one, so can
// everybody who sees them pass by; that is somebody who could drop them as well.
//
// After Wrap, datagrams are no longer fragmented: one that exceeds MaxPayload
// may be lost, one that exceeds the interface's MTU is refused with an error for
// which udpsock.IsMessageTooLong holds.
package udpecho
