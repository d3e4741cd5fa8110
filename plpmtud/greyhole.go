package plpmtud

import "math"

// The grey-hole estimator compares how often packets of different sizes are
// lost. On some paths (a tunnel that fragments, a mobile core) larger packets
// do arrive, so that no probe notices, but one in a hundred does not. The sizes
// above BASE_PLPMTU form bands of equal width:
//
//	0 ........ BASE │ band 1 │ band 2 │ band 3 │ band 4 │ PLPMTU
//	  reference       ^ the cap, if bands 2.. lose more, with confidence
//
// A band loses more if the lower bound of its loss rate is above the upper
// bound of that of everything smaller, each at 3.3 standard deviations (Wilson
// score, one chance in 2000 of error on each side), and the difference matters:
// twice the rate and half a percent. Losses of one band within a round trip
// count once: a burst is one misfortune, not twenty.
type greyHole struct {
	class   [1 + bands]tally
	last    stamp  // sending time of the last loss that was counted, above BASE
	advised uint16 // size not to exceed, 0: none
	some    bool   // last is set
}

const (
	bands      = 4
	greyScore  = 3.3
	greyExcess = 0.005
	greyPeriod = 256 // packets of a class between two judgements
	greyFull   = 1 << 13
)

type tally struct{ sent, lost uint16 }

// GreyHoleBand is how one range of sizes fares.
type GreyHoleBand struct {
	From, To   int // PL sizes, in bytes: more than From, at most To
	Sent, Lost int // packets of known fate, older ones counting less
}

// GreyHole returns the estimator's bands, the reference first, and the PL size
// that it advises not to exceed, in bytes: 0 if no band stands out. It is
// advice: PLPMTU is not affected, and MPS only with Config.SoftCap.
func (p *Path) GreyHole() (advised int, report [1 + bands]GreyHoleBand) {
	for i, c := range p.grey.class {
		b := GreyHoleBand{Sent: int(c.sent), Lost: int(c.lost), To: int(p.bandTop(i))}
		if i > 0 {
			b.From = int(p.bandTop(i - 1))
		}
		report[i] = b
	}
	return int(p.grey.advised), report
}

// softLimit is the size that MPS must not exceed.
func (p *Path) softLimit() int {
	if p.set.softCap && p.grey.advised != 0 {
		return int(p.grey.advised)
	}
	return maxSize
}

// bandTop is the largest size of a class: BASE_PLPMTU for the reference.
func (p *Path) bandTop(class int) uint16 {
	base, top := p.base(), max(p.size, p.base())
	return base + uint16(int(top-base)*class/bands)
}

func (p *Path) bandOf(size uint16) int {
	for i := range bands {
		if size <= p.bandTop(i) {
			return i
		}
	}
	return bands
}

// countGrey takes note of a packet's fate.
func (p *Path) countGrey(t instant, size uint16, sent instant, lost bool) {
	g := &p.grey
	if size > p.size {
		return
	}
	i := p.bandOf(size)
	c := &g.class[i]
	c.sent++
	if lost && (i == 0 || g.counts(sent.stamp(), stamps(p.rtt.duration()))) {
		c.lost++
	}
	if c.sent%greyPeriod == 0 {
		p.judgeGrey(t)
	}
	if c.sent >= greyFull {
		for i := range g.class {
			g.class[i].sent /= 2
			g.class[i].lost /= 2
		}
	}
}

// counts says whether a loss above BASE_PLPMTU is a misfortune of its own.
func (g *greyHole) counts(at stamp, rtt int32) bool {
	if g.some && at.since(g.last) >= 0 && at.since(g.last) < rtt {
		return false
	}
	g.last, g.some = at, true
	return true
}

// judgeGrey looks for the lowest band that loses more than all below it. Only
// a new PLPMTU, or PMTU_RAISE_TIMER, takes the advice back: once it is
// followed, nothing more is learned of the bands above.
func (p *Path) judgeGrey(t instant) {
	g := &p.grey
	below := g.class[0]
	for i := 1; i <= bands; i++ {
		c := g.class[i]
		if c.worse(below) {
			if top := p.bandTop(i - 1); g.advised == 0 || top < g.advised {
				g.advised = top
				p.emit(t, Event{Kind: GreyHole, Size: int(top)})
			}
			return
		}
		below.sent += c.sent
		below.lost += c.lost
	}
}

// worse says whether t loses more than ref, with confidence.
func (t tally) worse(ref tally) bool {
	low, _ := t.wilson()
	_, high := ref.wilson()
	rate, base := t.rate(), ref.rate()
	return low > high && rate > 2*base && rate-base > greyExcess
}

func (t tally) rate() float64 {
	if t.sent == 0 {
		return 0
	}
	return float64(t.lost) / float64(t.sent)
}

// wilson returns the bounds of the loss rate (Wilson score interval).
func (t tally) wilson() (low, high float64) {
	if t.sent == 0 {
		return 0, 1
	}
	n, r := float64(t.sent), t.rate()
	z2 := greyScore * greyScore
	centre := (r + z2/(2*n)) / (1 + z2/n)
	half := greyScore / (1 + z2/n) * math.Sqrt(r*(1-r)/n+z2/(4*n*n))
	return centre - half, centre + half
}
