// Package trace looks at the path to one host hop by hop: which routers are on
// it, after which of them it shrinks, whether they say so, what they do to
// options in extension headers, and whether somebody changes the TCP MSS.
//
// A Trace is a core like probe.Session: it does no I/O, reads no clock and draws
// no randomness. All its probes belong to one flow (addresses, ports and flow
// label don't change; TCP segments are a flow of their own), so that routers
// that balance load send them the same way. Where a Session asks "how large",
// a Trace asks "how far": a packet with a small hop limit makes the router where
// it expires send Time Exceeded, which proves that a packet of this size, or
// with this option, came so far, and quotes it as it looked there.
//
// Silence is not taken for an answer. A packet counts as lost only if a small
// plain packet to the same hop, sent after it, was answered; routers ration
// their errors, and a Trace rations its questions to each of them.
//
// All sizes are whole IP packets, in bytes.
package trace
