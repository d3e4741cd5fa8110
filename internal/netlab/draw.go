package netlab

import (
	"fmt"
	"strings"
)

// Draw returns a picture of the topology, lines ending in a newline. A chain
// of links is drawn from the data; anything else needs Picture.
func (t Topology) Draw() string {
	if t.Picture != "" {
		return strings.TrimSuffix(t.Picture, "\n") + "\n"
	}
	var top, below strings.Builder
	so := 65535
	for i, l := range t.Links {
		if i == 0 {
			top.WriteString(l.A.Node)
		} else if t.Links[i-1].B.Node != l.A.Node {
			return t.list()
		}
		fmt.Fprintf(&top, " %s ", l.wire())
		so = min(so, l.A.MTU)
		// Only a router before a smaller link ever says that a packet is too big.
		n, ok := t.node(l.B.Node)
		narrows := i+1 < len(t.Links) && t.Links[i+1].A.MTU < so
		if ok && narrows && n.PTB.Mode != PTBDelivered && below.Len() <= top.Len() {
			fmt.Fprintf(&below, "%s`PTB %s", strings.Repeat(" ", top.Len()-below.Len()), n.PTB)
		}
		top.WriteString(l.B.Node)
	}
	top.WriteByte('\n')
	if below.Len() > 0 {
		top.WriteString(below.String())
		top.WriteByte('\n')
	}
	return top.String()
}

// list is the fallback for a topology that is not a chain and has no picture.
func (t Topology) list() string {
	var b strings.Builder
	for _, l := range t.Links {
		fmt.Fprintf(&b, "%s %s %s\n", l.A.Node, l.wire(), l.B.Node)
	}
	return b.String()
}

// wire draws one link with the MTU of each end where they differ.
func (l Link) wire() string {
	mtu := fmt.Sprint(l.A.MTU)
	if l.A.MTU != l.B.MTU {
		mtu = fmt.Sprintf("%d|%d", l.A.MTU, l.B.MTU)
	}
	if l.Delay != nil {
		mtu += "~" + l.Delay.OneWay.String()
	}
	for _, loss := range l.B.Loss {
		mtu += "~" + loss.String()
	}
	return "--" + mtu + "--"
}

// String says what is lost, as "10%>1400" or "1/3".
func (l Loss) String() string {
	s := fmt.Sprintf("%g%%", l.Percent)
	if l.Every > 0 {
		s = fmt.Sprintf("1/%d", l.Every)
	}
	if l.Above > 0 {
		s += fmt.Sprintf(">%d", l.Above)
	}
	return s
}
