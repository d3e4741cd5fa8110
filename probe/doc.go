// Package probe measures the path MTU to one host: the largest IP packet that
// arrives there, confirmed end to end.
//
// A Method says what a probe looks like and what answers it. A Session asks
// one Method, in one flow, for the exact PMTU; it does no I/O, reads no clock
// and draws no randomness:
//
//	for !s.Done() {
//		for {
//			send, ok := s.Poll(now) // hand send.Data to the flow's socket; on failure call s.SendFailed
//			if !ok { break }
//		}
//		// wait until s.Next(), or until something arrives:
//		// s.Received, s.ICMP, s.Interrupt
//	}
//	out := s.Outcome()
//
// Small control probes travel in the same flow as large ones, so that loss and
// rate limits are not taken for a size limit: a large probe counts as lost
// only if a control probe sent after it was answered. What routers say is
// evidence that a probe was too big, and a hint what to try; only an answer
// confirms a size, and the PMTU is reported only if the next larger size was
// shown to fail, or is more than the first hop's link carries.
//
// All sizes are whole IP packets, in bytes.
package probe
