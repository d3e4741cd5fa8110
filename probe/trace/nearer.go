package trace

// lookNearer asks the silent hop before the end of the path again; true: it waits
// for an answer. That hop may be the end itself, if the end had no errors left for
// packets that just reached it, and had one later, for a packet that could have
// gone farther.
//
// It is asked no faster than the end answers, and its silence counts only if a
// packet to where the end seems to stand, sent after it, is answered. So this goes
// one hop nearer at a time, and not beyond the first that stays silent.
func (t *Trace) lookNearer() bool {
	if q := t.nearer; q != nil {
		switch q.result {
		case open:
			return true
		case reached, blocked:
			t.asked[q.limit-1] = q
			t.findDistance()
		default:
			return false
		}
	}
	hop := t.distance - 1
	if hop < 1 || t.asked[hop-1].result != silent || t.arrivedSpent() {
		return false
	}
	b := t.bucket(t.distance)
	b.tokens, b.at = min(b.tokens, 0), t.lastSent // it may have none left: that is the suspicion
	t.nearer = t.ask(spec{Plain, t.cfg.small(), hop})
	t.nearer.control, t.nearer.beyond = true, t.distance
	return true
}

// arrivedSpent says whether the end quotes a packet whose hop limit was used up
// when it arrived: one with a smaller hop limit can't have come so far.
func (t *Trace) arrivedSpent() bool { return t.asked[t.distance-1].event.quote.limit == 1 }
