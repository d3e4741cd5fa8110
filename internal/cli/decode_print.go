package cli

import (
	"fmt"
	"strings"
	"time"
)

// text explains a packet to people.
func (x *explained) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "packet %d", x.Number)
	if x.Time != nil {
		fmt.Fprintf(&b, ", %s", x.Time.Format(time.RFC3339Nano))
	}
	fmt.Fprintf(&b, ", %d bytes", x.Captured)
	if len(x.Layers) > 0 {
		fmt.Fprintf(&b, ": %s", strings.Join(x.Layers, ", "))
	}
	b.WriteByte('\n')
	if x.Problem != "" {
		fmt.Fprintf(&b, "  problem: %s\n", x.Problem)
	}
	if x.IP != nil {
		x.IP.text(&b, "  ")
	}
	return b.String()
}

func (x *explainedIP) text(b *strings.Builder, indent string) {
	line := func(format string, args ...any) {
		fmt.Fprintf(b, indent+format+"\n", args...)
	}
	if x.Src != "" {
		df := ""
		if x.DF != nil && *x.DF {
			df = ", DF"
		}
		line("IPv%d %s > %s, length %d, hop limit %d%s", x.Version, x.Src, x.Dst, x.Length, x.HopLimit, df)
	}
	for _, h := range x.Headers {
		line("%4d  %s, %d bytes", h.Offset, h.Name, h.Length)
		for _, o := range h.Options {
			line("%4d    0x%02x %s", o.Offset, o.Type, o.text())
		}
	}
	if x.Upper != "" {
		s := x.Upper
		if x.Checksum != "" {
			s += ", checksum " + x.Checksum
		}
		line("      %s", s)
	}
	for _, o := range x.UDP {
		line("        UDP option %s", o.text())
	}
	if c := x.ICMP; c != nil {
		line("      type %d code %d: %s", c.Type, c.Code, c.Text)
	}
	for _, s := range x.Signals {
		mark := "signal"
		if !s.Usable {
			mark = "unusable"
		}
		line("%s (%s): %s", mark, s.Kind, s.Text)
	}
	for _, p := range x.Problems {
		line("problem: %s", p)
	}
	if x.ICMP != nil && x.ICMP.Quote != nil {
		line("about:")
		x.ICMP.Quote.text(b, indent+"  ")
	}
}

func (o explainedOption) text() string {
	s := o.Name
	if o.Text != "" {
		s += ": " + o.Text
	} else if o.Data != "" {
		s += ": " + o.Data
	}
	if o.Unknown != "" {
		s += fmt.Sprintf(" (if unknown: %s", o.Unknown)
		if o.Mutable {
			s += "; may change on the way"
		}
		s += ")"
	}
	return s
}
