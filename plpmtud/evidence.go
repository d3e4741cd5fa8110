package plpmtud

// evidence returns what the search may know.
func (p *Path) evidence() Evidence {
	return Evidence{
		Floor: int(p.size), Ceiling: int(p.ceil), GaveUp: p.gaveUp,
		Lost: p.lost, N: int(p.nLost),
		Consecutive: int(p.count), MaxProbes: int(p.set.maxProbes),
		LossCost: p.lossCost(), Overhead: int(p.set.overhead),
	}
}

// usualRTT is assumed where only PROBE_TIMER is known.
const usualRTT = micros(100_000)

// lossCost is the time it takes to learn of a lost probe, in round trips; 0 if
// it is not known yet.
func (p *Path) lossCost() float32 {
	rtt, delay := p.rtt, float32(p.lossDelay)
	if p.set.layer == Unacknowledged {
		delay = float32(p.set.probeTimeout) * 1000
		if rtt == 0 {
			rtt = usualRTT
		}
	}
	if rtt == 0 {
		return 0
	}
	return delay / float32(rtt)
}

// addLost notes a lost probe, and lowers the ceiling below a size that was lost
// often enough: MAX_PROBES times itself, or, where losses pool, together with
// the smaller sizes.
func (p *Path) addLost(size uint16) {
	if size <= p.size {
		return // the floor itself, probed for its own sake
	}
	p.insertLost(size)
	var pooled uint16
	for i, l := range p.lost[:p.nLost] {
		if p.set.perSize {
			pooled = 0
		}
		pooled += l.Count
		if pooled >= uint16(p.set.maxProbes) {
			p.setCeil(l.Size-1, true)
			p.nLost = uint8(i)
			return
		}
	}
}

func (p *Path) insertLost(size uint16) {
	i := 0
	for i < int(p.nLost) && p.lost[i].Size < size {
		i++
	}
	if i < int(p.nLost) && p.lost[i].Size == size {
		p.lost[i].Count++
		return
	}
	if i == maxLost {
		return
	}
	if p.nLost < maxLost {
		p.nLost++
	}
	copy(p.lost[i+1:p.nLost], p.lost[i:])
	p.lost[i] = LostSize{Size: size, Count: 1}
}

// dropLostUpTo forgets losses that an acknowledgement of the size contradicts.
func (p *Path) dropLostUpTo(size uint16) {
	i := 0
	for i < int(p.nLost) && p.lost[i].Size <= size {
		i++
	}
	p.nLost = uint8(copy(p.lost[:], p.lost[i:p.nLost]))
}

func (p *Path) setCeil(size uint16, gaveUp bool) { p.ceil, p.gaveUp = size, gaveUp }

// lowerCeil excludes every size above the given one.
func (p *Path) lowerCeil(size uint16) {
	if size < p.ceil {
		p.setCeil(size, false)
	}
	for p.nLost > 0 && p.lost[p.nLost-1].Size > p.ceil {
		p.nLost--
	}
}
