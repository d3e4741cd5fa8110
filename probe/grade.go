package probe

import "pathmtu/results"

// GradePTB grades a Packet Too Big message that claimed mtu about a packet of
// size bytes: acked is the largest size known to pass, failed the smallest
// known not to, or 0.
func GradePTB(v6 bool, mtu, size, acked, failed int) results.Grade {
	return claim{mtu: mtu, size: size}.grade(v6, acked, failed)
}
