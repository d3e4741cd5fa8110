package compare

import (
	"net/netip"

	"pathmtu/hbh"
	"pathmtu/internal/ip6"
	"pathmtu/truncate"
)

// receiver is the destination: it acknowledges each datagram with a small one,
// answers the option on acknowledgements, and truncated packets with a Packet
// Too Big, as far as it knows them.
type receiver struct {
	net  *network
	opts *hbh.Host             // nil: the option is not known
	cut  *truncate.Destination // nil: truncation is not known
	key  hbh.Key
}

func newReceiver(n *network, link int, knowsHBH, knowsTruncation bool) (*receiver, error) {
	r := &receiver{net: n, key: hbh.Key{Local: netip.AddrPortFrom(destAddr, destPort), Remote: netip.AddrPortFrom(sourceAddr, sourcePort), Proto: ip6.ProtoUDP}}
	var err error
	if knowsHBH {
		if r.opts, err = hbh.NewHost(hbh.HostConfig{Flow: hbh.FlowConfig{LinkMTU: link, WithData: true}}); err != nil {
			return nil, err
		}
	}
	if knowsTruncation {
		r.cut, err = truncate.NewDestination(truncate.Reader{}, nil)
	}
	return r, err
}

func (r *receiver) receive(b []byte) {
	p, err := ip6.Parse(b)
	if err != nil {
		return
	}
	now := r.net.sim.Now()
	if r.cut != nil {
		d := r.cut.Receive(now, p, ip6.Arrival{})
		if d.Answer != truncate.NoAnswer {
			if e, err := d.AppendAnswer(nil, p); err == nil {
				r.error(e)
			}
		}
		if !d.Deliver {
			return
		}
	} else if at, bad := unknownOption(p); bad {
		if e, err := ip6.AppendError(nil, ip6.ErrorSpec{Type: ip6.TypeParameterProblem, Code: ip6.CodeUnrecognizedOption, Param: uint32(at), Src: destAddr}, p); err == nil {
			r.error(e)
		}
		return
	}
	h, err := parse(p)
	if err != nil {
		return
	}
	ack := datagram(false, plainLen, h)
	if r.opts != nil {
		r.opts.Received(now, r.key, hbh.Observe(p, ip6.Limits{}))
		if o, ok := r.opts.Outgoing(now, r.key, len(ack)+hbh.HeaderLen, true); ok {
			if q, err := withOption(ack, o); err == nil {
				ack = q
			}
		}
	}
	r.net.fromDest(ack)
}

func (r *receiver) error(e []byte) {
	r.net.icmp++
	r.net.fromDest(e)
}

// unknownOption finds a destination option that a host that knows none must
// report: action bits 10.
func unknownOption(p ip6.Packet) (off int, bad bool) {
	w := p.Walk(ip6.Limits{})
	for h, ok := w.Next(); ok; h, ok = w.Next() {
		if h.Type != ip6.ProtoDestOpts {
			continue
		}
		o := h.Options(ip6.Limits{})
		for opt, ok := o.Next(); ok; opt, ok = o.Next() {
			if opt.Action() == ip6.ActionProblem {
				return opt.Off, true
			}
		}
	}
	return 0, false
}
