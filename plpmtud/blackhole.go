package plpmtud

func (p *Path) resetDetector()   {}
func (p *Path) refute(t instant) {}
func (p *Path) softLimit() int   { return maxSize }
