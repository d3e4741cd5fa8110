package rawsock

import (
	"context"
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/mdlayher/socket"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"pathmtu/internal/ip6"
)

// packets are the sockets for whole IP packets of one family.
type packets struct {
	out, in *socket.Conn
}

func (p *packets) close() {
	_ = p.out.Close()
	_ = p.in.Close()
}

// CarryIP opens the sockets that OpenIP needs, before privileges are given up. It
// returns a *PrivilegeError if the process may not have them.
func (h *Hub) CarryIP() error {
	for _, v6 := range []bool{false, true} {
		if v6 && h.v6 == nil || !v6 && h.v4 == nil {
			continue // this system doesn't have that family
		}
		p, err := openPackets(v6)
		if denied(err) {
			return &PrivilegeError{What: "packet socket", Need: "CAP_NET_RAW", Err: err}
		}
		if err != nil {
			return err
		}
		if v6 {
			h.ip6 = p
		} else {
			h.ip4 = p
		}
		h.wg.Add(1)
		go h.listenIP(p, v6)
	}
	return nil
}

func openPackets(v6 bool) (*packets, error) {
	out, err := openOut(v6)
	if err != nil {
		return nil, err
	}
	in, err := openCapture(v6, answersFilter(v6))
	if err != nil {
		_ = out.Close()
		return nil, err
	}
	return &packets{out, in}, nil
}

// answersFilter passes what can be an answer to a whole packet, or an error about
// one. The packet begins with its IP header.
func answersFilter(v6 bool) []bpf.Instruction {
	const all = 1 << 18
	at, protocols := uint32(9), []uint32{protoICMP, protoUDP}
	if v6 {
		at, protocols = 6, []uint32{protoICMPv6, protoUDP, ip6.ProtoHopByHop, ip6.ProtoDestOpts}
	}
	out := []bpf.Instruction{bpf.LoadAbsolute{Off: at, Size: 1}}
	for i, p := range protocols {
		out = append(out, bpf.JumpIf{Cond: bpf.JumpEqual, Val: p, SkipTrue: uint8(len(protocols) - i)})
	}
	return append(out, bpf.RetConstant{}, bpf.RetConstant{Val: all})
}

// OpenIP opens a flow of whole IP packets to dst, with a UDP port that is held as
// long as the flow is open, so that nobody else uses it. It needs a hub that carries
// them (CarryIP); without one it returns a *PrivilegeError.
func OpenIP(hub *Hub, src, dst netip.Addr) (*Flow, error) {
	if hub == nil || hub.packets(dst) == nil {
		return nil, &PrivilegeError{What: "packet socket", Need: "CAP_NET_RAW", Err: unix.EPERM}
	}
	c, port, err := hold(unix.SOCK_DGRAM, src)
	if err != nil {
		return nil, err
	}
	f := newFlow(nil, dst, protoRaw, netip.AddrPortFrom(src, port))
	f.hold = c
	f.join(hub)
	return f, nil
}

func (h *Hub) packets(a netip.Addr) *packets {
	if a.Is4() {
		return h.ip4
	}
	return h.ip6
}

func (h *Hub) sendIP(f *Flow, b []byte) error {
	to, err := sockaddr(f.dst, 0)
	if err != nil {
		return sendError(err)
	}
	_, err = h.packets(f.dst).out.Sendmsg(context.Background(), b, nil, to, 0)
	return sendError(err)
}

func (h *Hub) listenIP(p *packets, v6 bool) {
	defer h.wg.Done()
	buf := make([]byte, maxPacket)
	for h.ctx.Err() == nil {
		n, _, err := p.in.Recvfrom(h.ctx, buf, 0)
		switch {
		case err == nil:
			h.dispatchIP(time.Now(), v6, buf[:n])
		case h.ctx.Err() != nil || !soft(err) && err != unix.ENETDOWN:
			return
		}
	}
}

// dispatchIP hands a packet to the flows of whole packets that it may be about.
func (h *Hub) dispatchIP(now time.Time, v6 bool, b []byte) {
	m, key, ok := readIP(v6, b)
	if !ok || !h.probed(key) {
		return
	}
	m.At = now
	if m.Error == nil {
		m.Data = append([]byte(nil), b...)
	} else {
		m.Error.Quote.Payload = append([]byte(nil), m.Error.Quote.Payload...)
	}
	h.deliver(key, m, func(f *Flow) bool { return f.proto == protoRaw })
}

// probed says whether there are flows to that target.
func (h *Hub) probed(target netip.Addr) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.flows[target.WithZone("")]) > 0
}

// readIP reads a packet that arrived: an ICMP error, or else whatever target sent.
func readIP(v6 bool, b []byte) (m Message, target netip.Addr, ok bool) {
	if v6 {
		return readIP6(b)
	}
	rest, ok := stripIPv4(b)
	if !ok {
		return Message{}, netip.Addr{}, false
	}
	m.From = netip.AddrFrom4([4]byte(b[12:16]))
	if b[9] != protoICMP {
		return m, m.From, true
	}
	if n := int(binary.BigEndian.Uint16(b[2:])) - (len(b) - len(rest)); n >= 0 && n < len(rest) {
		rest = rest[:n] // padding of the link
	}
	e, ok := parseICMP(false, rest)
	if !ok || onesSum(0, rest) != 0xffff {
		return Message{}, netip.Addr{}, false
	}
	e.Quote.Transport = nil
	e.Quote.Payload = rest[icmpHeaderLen:]
	if n := e.Quote.Length; n < len(e.Quote.Payload) {
		e.Quote.Payload = e.Quote.Payload[:n]
	}
	m.Error = e
	return m, e.Quote.Dst, true
}

func readIP6(b []byte) (m Message, target netip.Addr, ok bool) {
	p, err := ip6.Parse(b)
	if err != nil {
		return Message{}, netip.Addr{}, false
	}
	m.From = p.Src()
	e, err := ip6.ParseErrorPacket(p, ip6.Limits{})
	if err == ip6.ErrNotICMPError {
		return m, m.From, true
	}
	if err != nil {
		return Message{}, netip.Addr{}, false
	}
	q := e.Quote
	m.Error = &ICMPError{Type: e.Type, Code: e.Code, Quote: Quote{
		Src: q.Src(), Dst: q.Dst(), Proto: q.NextHeader(), TTL: int(q.HopLimit()), Length: q.TotalLen(), Payload: q,
	}}
	if e.Type == ip6.TypePacketTooBig {
		m.Error.MTU = int(min(e.Param, 1<<31-1))
	}
	return m, q.Dst(), true
}
