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
// twice the rate and half a percent. Losses that become known at one moment are
// one misfortune, not twenty: with so many losses to a moment on average, so
// many packets are worth one.
//
// If one in seven packets of a band, or more, is certainly lost for its size,
// several paths of different MTU carry the flow: the path contradicts itself
// (D3-e).
type greyHole struct {
	class   [1 + bands]tally
	last    stamp  // when the last loss became known
	advised uint16 // size not to exceed, 0: none
	run     uint8  // losses that became known then, 0: none yet
	burst   uint8  // their smoothed number, in units of 1/burstUnit
}

const (
	bands      = 4
	greyScore  = 3.3
	greyExcess = 0.005
	greySplit  = 0.15 // what is certainly more than that is the share of another path
	greyLeast  = 64   // packets of a band that say anything
	greyPeriod = 256  // packets of a class between two judgements
	greyFull   = 1 << 13
	burstUnit  = 8
	maxRun     = 31
)

type tally struct{ sent, lost uint16 }

// GreyHoleBand is how one range of sizes fares.
type GreyHoleBand struct {
	From, To   int // PL sizes, in bytes: more than From, at most To
	Sent, Lost int // packets of known fate, older ones counting less
}

// GreyHole returns the estimator's bands, the reference first, and the PL size
// that it advises not to exceed, in bytes: 0 if no band stands out. It is
// advice: MPS follows it only with Config.SoftCap. PLPMTU is not affected, unless
// so much is lost that several paths must carry the flow (Contradiction).
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
func (p *Path) countGrey(t instant, size uint16, lost bool) {
	g := &p.grey
	if size > p.size {
		return
	}
	i := p.bandOf(size)
	c := &g.class[i]
	c.sent++
	if lost {
		c.lost++
		g.misfortune(t.stamp())
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

// misfortune notes that a loss became known.
func (g *greyHole) misfortune(at stamp) {
	if g.run > 0 && at == g.last {
		g.run = min(g.run+1, maxRun)
		return
	}
	if g.run > 0 {
		g.burst = uint8((7*int(max(g.burst, burstUnit)) + burstUnit*int(g.run)) / 8)
	}
	g.last, g.run = at, 1
}

// weight is how many independent misfortunes one loss stands for, at most 1.
func (g *greyHole) weight() float64 { return burstUnit / float64(max(g.burst, burstUnit)) }

// judgeGrey looks for the lowest band that loses more than all below it. Only
// a new PLPMTU, or PMTU_RAISE_TIMER, takes the advice back: once it is
// followed, nothing more is learned of the bands above.
func (p *Path) judgeGrey(t instant) {
	g := &p.grey
	below := g.class[0]
	for i := 1; i <= bands; i++ {
		c := g.class[i]
		if certain, worse := c.excess(below, g.weight()); worse {
			if certain > greySplit && (p.state == Searching || p.state == SearchComplete) {
				p.split(t)
				return
			}
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

// split notices that packets of one size arrive and get lost in turn.
func (p *Path) split(t instant) {
	p.grey = greyHole{}
	p.stability.last, p.stability.size = t.seconds(), p.size
	p.hold(t)
	p.advance(t)
}

// excess returns how much more often than ref t loses at least, and whether
// that is certain and matters. weight is that of one loss.
func (t tally) excess(ref tally, weight float64) (certain float64, worse bool) {
	low, _ := t.wilson(weight)
	_, high := ref.wilson(weight)
	rate, base := t.rate(), ref.rate()
	return low - high, t.sent >= greyLeast && low > high && rate > 2*base && rate-base > greyExcess
}

func (t tally) rate() float64 {
	if t.sent == 0 {
		return 0
	}
	return float64(t.lost) / float64(t.sent)
}

// wilson returns the bounds of the loss rate (Wilson score interval).
func (t tally) wilson(weight float64) (low, high float64) {
	if t.sent == 0 {
		return 0, 1
	}
	n, r := weight*float64(t.sent), t.rate()
	z2 := greyScore * greyScore
	centre := (r + z2/(2*n)) / (1 + z2/n)
	half := greyScore / (1 + z2/n) * math.Sqrt(r*(1-r)/n+z2/(4*n*n))
	return centre - half, centre + half
}
