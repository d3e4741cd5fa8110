package host

import (
	"time"

	"pathmtu/hbh"
	"pathmtu/internal/ip6"
	"pathmtu/plpmtud/udpopt"
)

// Answers to the probes of one peer: RFC 9869 section 3.1 names one in a round
// trip as the limit, and a search sends about one probe in that time.
const (
	resInterval = 100 * time.Millisecond
	resBurst    = 8
)

func newResponder(cfg Config) (*udpopt.Responder, error) {
	if cfg.NoUDPOptions {
		return nil, nil
	}
	return udpopt.NewResponder(udpopt.ResponderConfig{Enabled: true, Interval: resInterval, Burst: resBurst})
}

// udpOptions takes the UDP Options of a datagram u (RFC 9868). It reports
// whether the datagram is a probe, which the layer above doesn't get to see and
// which Poll answers as the rate allows, and returns options for the answer to
// a datagram with data.
func (h *Host) udpOptions(p ip6.Packet, u []byte, key hbh.Key, now time.Time) (probe bool, res []byte) {
	if h.probes == nil {
		return false, nil
	}
	r := udpopt.Receive(p.Src(), p.Dst(), u)
	t, ok := r.Options.REQ()
	if r.Do != udpopt.Deliver || !ok {
		return r.Do == udpopt.Deliver && r.Probe(), nil
	}
	h.counters.Probes++
	pair := udpopt.Pair{Local: key.Local, Remote: key.Remote}
	h.probes.Request(now, pair, t)
	if r.Probe() {
		return true, nil
	}
	if t, ok = h.probes.Take(pair); ok {
		h.opts = udpopt.AppendRES(h.opts[:0], t)
		res = h.opts
	}
	return false, res
}

// pollProbes answers the probes that are due.
func (h *Host) pollProbes(now time.Time, send func([]byte)) {
	for h.probes != nil {
		pair, t, ok := h.probes.Poll(now)
		if !ok {
			return
		}
		key := hbh.Key{Local: pair.Local, Remote: pair.Remote, Proto: ip6.ProtoUDP}
		h.opts = udpopt.AppendRES(h.opts[:0], t)
		if h.datagram(key, nil, h.opts) {
			h.withDue(key, false, now, send)
		}
	}
}

// datagram builds a UDP datagram of a flow, with encoded UDP Options, in h.buf.
func (h *Host) datagram(key hbh.Key, data, opts []byte) bool {
	var err error
	h.udpBuf, err = udpopt.AppendDatagram(h.udpBuf[:0], key.Local, key.Remote, data, opts, 0)
	if err != nil {
		return false
	}
	f := ip6.Fields{NextHeader: ip6.ProtoUDP, HopLimit: 64, Src: key.Local.Addr(), Dst: key.Remote.Addr()}
	h.buf = append(ip6.AppendHeader(h.buf[:0], f, len(h.udpBuf)), h.udpBuf...)
	return true
}
