package rawsock

import (
	"context"
	"encoding/binary"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/mdlayher/socket"
	"golang.org/x/sys/unix"
)

// Hub holds raw sockets, one for ICMP and one for TCP in each family, for any
// number of flows. It is safe for concurrent use.
type Hub struct {
	v4, v6     *socket.Conn // ICMP; nil: this system doesn't have that family
	tcp4, tcp6 *socket.Conn // likewise
	ip4, ip6   *packets     // whole packets, once CarryIP was called
	wg         sync.WaitGroup
	ctx        context.Context
	cancel     context.CancelFunc

	mu    sync.Mutex
	flows map[netip.Addr][]*Flow // by target
}

// OpenHub opens the raw sockets, the only ones that need a privilege. It
// returns a *PrivilegeError if the process may not have them.
func OpenHub() (*Hub, error) {
	h := &Hub{flows: make(map[netip.Addr][]*Flow)}
	var err4, err6 error
	h.v4, err4 = openRaw(false, unix.IPPROTO_ICMP, "icmp", filter)
	h.v6, err6 = openRaw(true, unix.IPPROTO_ICMPV6, "icmp", filter)
	if h.v4 == nil && h.v6 == nil {
		if denied(err4) || denied(err6) {
			return nil, &PrivilegeError{What: "raw ICMP socket", Need: "CAP_NET_RAW", Err: unix.EPERM}
		}
		return nil, errors.Join(err4, err6)
	}
	ctx, cancel := context.WithCancel(context.Background())
	h.ctx, h.cancel = ctx, cancel
	for _, c := range []*socket.Conn{h.v4, h.v6} {
		if c != nil {
			h.wg.Add(1)
			go h.listen(ctx, c, c == h.v6)
		}
	}
	h.tcp4, _ = openRaw(false, unix.IPPROTO_TCP, "tcp", answersToSYN) // without it, OpenTCP says so
	h.tcp6, _ = openRaw(true, unix.IPPROTO_TCP, "tcp", answersToSYN)
	for _, c := range []*socket.Conn{h.tcp4, h.tcp6} {
		if c != nil {
			h.wg.Add(1)
			go h.listenTCP(ctx, c, c == h.tcp6)
		}
	}
	return h, nil
}

// filter keeps away what flows have no use for: echo requests, neighbour
// discovery and so on.
func filter(c *socket.Conn, v6 bool) error {
	if !v6 {
		const icmpFilter = 1 // ICMP_FILTER, linux/icmp.h; a set bit blocks
		pass := uint32(1<<0 | 1<<3 | 1<<11 | 1<<12)
		return c.SetsockoptInt(unix.SOL_RAW, icmpFilter, int(int32(^pass)))
	}
	f := &unix.ICMPv6Filter{}
	for i := range f.Data {
		f.Data[i] = ^uint32(0)
	}
	for _, typ := range []int{1, 2, 3, 4, 129} {
		f.Data[typ/32] &^= 1 << (typ % 32)
	}
	return c.SetsockoptICMPv6Filter(unix.IPPROTO_ICMPV6, unix.ICMPV6_FILTER, f)
}

func (h *Hub) serves(a netip.Addr) bool {
	if a.Is4() {
		return h.v4 != nil
	}
	return h.v6 != nil
}

// Close closes the sockets.
func (h *Hub) Close() error {
	h.cancel()
	h.wg.Wait()
	for _, c := range []*socket.Conn{h.v4, h.v6, h.tcp4, h.tcp6} {
		if c != nil {
			_ = c.Close()
		}
	}
	for _, p := range []*packets{h.ip4, h.ip6} {
		if p != nil {
			p.close()
		}
	}
	return nil
}

func (h *Hub) add(f *Flow) {
	h.mu.Lock()
	defer h.mu.Unlock()
	k := f.dst.WithZone("")
	h.flows[k] = append(h.flows[k], f)
}

func (h *Hub) remove(f *Flow) {
	h.mu.Lock()
	defer h.mu.Unlock()
	k := f.dst.WithZone("")
	h.flows[k] = slices.DeleteFunc(h.flows[k], func(g *Flow) bool { return g == f })
	if len(h.flows[k]) == 0 {
		delete(h.flows, k)
	}
}

func (h *Hub) send(f *Flow, b []byte) error {
	if f.proto == protoRaw {
		return h.sendIP(f, b)
	}
	to, err := sockaddr(f.dst, 0)
	if err != nil {
		return sendError(err)
	}
	c := h.v4
	if !f.dst.Is4() {
		c = h.v6
	}
	if f.proto == protoTCP {
		c = h.tcp(f.dst)
		if f.dst.Is4() {
			b = sumTCP(b, f.local.Addr(), f.dst)
		}
	}
	_, err = c.Sendmsg(context.Background(), b, sourceControl(f.local.Addr()), to, 0)
	return sendError(err)
}

// sourceControl makes a packet leave with this source address.
func sourceControl(src netip.Addr) []byte {
	switch {
	case !src.IsValid():
		return nil
	case src.Is4():
		return unix.PktInfo4(&unix.Inet4Pktinfo{Spec_dst: src.As4()})
	}
	return unix.PktInfo6(&unix.Inet6Pktinfo{Addr: src.As16()})
}

func (h *Hub) listen(ctx context.Context, c *socket.Conn, v6 bool) {
	defer h.wg.Done()
	buf := make([]byte, maxPacket)
	for ctx.Err() == nil {
		n, sa, err := c.Recvfrom(ctx, buf, 0)
		if err != nil {
			if ctx.Err() != nil || !soft(err) {
				return
			}
			continue
		}
		h.dispatch(time.Now(), addrPort(sa).Addr(), v6, buf[:n])
	}
}

// dispatch hands a message to the flows that it is about.
func (h *Hub) dispatch(now time.Time, from netip.Addr, v6 bool, b []byte) {
	if !v6 {
		var ok bool
		if b, ok = stripIPv4(b); !ok {
			return
		}
	}
	if len(b) < icmpHeaderLen {
		return
	}
	m := Message{At: now, From: from}
	key := from
	if b[0] == 0 && !v6 || b[0] == 129 && v6 {
		m.Data = append([]byte(nil), b...)
	} else {
		e, ok := parseICMP(v6, append([]byte(nil), b...))
		if !ok {
			return
		}
		m.Error, key = e, e.Quote.Dst
	}
	h.deliver(key, m, func(f *Flow) bool { return f.owns(m) })
}

// deliver hands a message to the flows to a target that it is about.
func (h *Hub) deliver(target netip.Addr, m Message, about func(*Flow) bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, f := range h.flows[target.WithZone("")] {
		if !about(f) {
			continue
		}
		select {
		case f.inbox <- m:
		default: // the flow is busy: a flood, and the answer will be missed like any lost packet
		}
	}
}

// owns says whether a message is about this flow and not another one to the
// same target.
func (f *Flow) owns(m Message) bool {
	if m.Error == nil {
		return (f.proto == protoICMP || f.proto == protoICMPv6) && binary.BigEndian.Uint16(m.Data[4:]) == f.local.Port()
	}
	q := m.Error.Quote
	if f.proto == protoRaw || q.Proto != f.proto { // whole packets come by sockets of their own
		return false
	}
	if f.proto == protoUDP {
		return binary.BigEndian.Uint16(q.Transport) == f.local.Port() && binary.BigEndian.Uint16(q.Transport[2:]) == f.port
	}
	if f.proto == protoTCP {
		return binary.BigEndian.Uint16(q.Payload) == f.local.Port() && binary.BigEndian.Uint16(q.Payload[2:]) == f.port
	}
	return binary.BigEndian.Uint16(q.Payload[4:]) == f.local.Port()
}
