package udpsock

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// netlinkBuffer holds one answer about a route or an interface, with its
// statistics; what does not fit is cut off, and refused as malformed.
const netlinkBuffer = 64 << 10

// Hops looks up first hops. It belongs to the network namespace of the thread
// that opened it, wherever it is used. It is safe for concurrent use.
type Hops struct {
	mu  sync.Mutex
	fd  int
	seq uint32
	buf []byte
}

// OpenHops returns a Hops. Close it after use.
func OpenHops() (*Hops, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("udpsock: netlink socket: %w", err)
	}
	return &Hops{fd: fd, buf: make([]byte, netlinkBuffer)}, nil
}

// Close releases what Hops holds.
func (h *Hops) Close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.fd < 0 {
		return nil
	}
	err := unix.Close(h.fd)
	h.fd = -1
	return err
}

// to asks the kernel for the route (RTM_GETROUTE), because the address that a
// socket gets may be another interface's.
func (h *Hops) to(dst, src netip.Addr) (Hop, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	oif := 0
	if z := dst.Zone(); z != "" {
		i, _, _, err := h.link(0, z)
		if err != nil {
			return Hop{}, fmt.Errorf("udpsock: zone of %v: %w", dst, err)
		}
		oif = i
	}
	answer, err := h.ask(routeRequest(dst, src, oif))
	if err != nil {
		return Hop{}, fmt.Errorf("udpsock: route to %v: %w", dst, err)
	}
	index, routeMTU, err := parseRoute(answer)
	if err != nil {
		return Hop{}, fmt.Errorf("udpsock: route to %v: %w", dst, err)
	}
	_, name, mtu, err := h.link(index, "")
	if err != nil {
		return Hop{}, fmt.Errorf("udpsock: interface %d of the route to %v: %w", index, dst, err)
	}
	return Hop{Interface: name, MTU: mtu, RouteMTU: routeMTU}, nil
}

// link asks for an interface by its index or its name (RTM_GETLINK).
func (h *Hops) link(index int, name string) (i int, ifname string, mtu int, err error) {
	answer, err := h.ask(linkRequest(index, name))
	if err != nil {
		return 0, "", 0, err
	}
	return parseLink(answer)
}

// ask sends one request and returns the answer to it.
func (h *Hops) ask(req []byte) ([]byte, error) {
	h.seq++
	binary.NativeEndian.PutUint32(req, uint32(len(req)))
	binary.NativeEndian.PutUint32(req[8:], h.seq)
	if err := unix.Sendto(h.fd, req, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return nil, err
	}
	for {
		n, _, err := unix.Recvfrom(h.fd, h.buf, 0)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return nil, err
		case n >= unix.SizeofNlMsghdr && binary.NativeEndian.Uint32(h.buf[8:]) == h.seq:
			return h.buf[:n], nil
		}
	}
}

func appendAttr(b []byte, typ uint16, v []byte) []byte {
	b = binary.NativeEndian.AppendUint16(b, uint16(unix.SizeofRtAttr+len(v)))
	b = binary.NativeEndian.AppendUint16(b, typ)
	b = append(b, v...)
	return append(b, make([]byte, -len(v)&3)...)
}

func routeRequest(dst, src netip.Addr, oif int) []byte {
	family := byte(unix.AF_INET)
	if dst.Is6() {
		family = unix.AF_INET6
	}
	b := make([]byte, unix.SizeofNlMsghdr+unix.SizeofRtMsg, 128)
	binary.NativeEndian.PutUint16(b[4:], unix.RTM_GETROUTE)
	binary.NativeEndian.PutUint16(b[6:], unix.NLM_F_REQUEST)
	b[unix.SizeofNlMsghdr] = family
	b[unix.SizeofNlMsghdr+1] = byte(dst.BitLen())
	b = appendAttr(b, unix.RTA_DST, dst.AsSlice())
	if src.IsValid() {
		b[unix.SizeofNlMsghdr+2] = byte(src.BitLen())
		b = appendAttr(b, unix.RTA_SRC, src.AsSlice())
	}
	if oif != 0 {
		b = appendAttr(b, unix.RTA_OIF, binary.NativeEndian.AppendUint32(nil, uint32(oif)))
	}
	return b
}

func linkRequest(index int, name string) []byte {
	b := make([]byte, unix.SizeofNlMsghdr+unix.SizeofIfInfomsg, 128)
	binary.NativeEndian.PutUint16(b[4:], unix.RTM_GETLINK)
	binary.NativeEndian.PutUint16(b[6:], unix.NLM_F_REQUEST)
	binary.NativeEndian.PutUint32(b[unix.SizeofNlMsghdr+4:], uint32(index))
	if name != "" {
		b = appendAttr(b, unix.IFLA_IFNAME, append([]byte(name), 0))
	}
	return b
}

// attribute is one of a routing message.
type attribute struct {
	typ   uint16
	value []byte
}

// parseAttributes reads the attributes of a message behind its header of the
// given size. (That of package syscall trusts the lengths.)
func parseAttributes(data []byte, header int) ([]attribute, error) {
	if len(data) < header {
		return nil, errors.New("the kernel's answer is cut short")
	}
	var out []attribute
	for b := data[header:]; len(b) >= unix.SizeofRtAttr; {
		n := int(binary.NativeEndian.Uint16(b))
		if n < unix.SizeofRtAttr || n > len(b) {
			return nil, fmt.Errorf("attribute of %d bytes where %d are left in the kernel's answer", n, len(b))
		}
		out = append(out, attribute{binary.NativeEndian.Uint16(b[2:]), b[unix.SizeofRtAttr:n]})
		b = b[min((n+3)&^3, len(b)):]
	}
	return out, nil
}

// parseAnswer returns the attributes of the first message of a type, behind a
// header of the given size, and that message's data.
func parseAnswer(b []byte, typ uint16, header int) ([]attribute, []byte, error) {
	msgs, err := syscall.ParseNetlinkMessage(b)
	if err != nil {
		return nil, nil, err
	}
	for i := range msgs {
		m := &msgs[i]
		switch m.Header.Type {
		case unix.NLMSG_ERROR:
			if len(m.Data) >= 4 {
				if e := int32(binary.NativeEndian.Uint32(m.Data)); e != 0 {
					return nil, nil, unix.Errno(-e)
				}
			}
		case typ:
			attrs, err := parseAttributes(m.Data, header)
			return attrs, m.Data, err
		}
	}
	return nil, nil, errors.New("not in the kernel's answer")
}

// parseRoute finds the outgoing interface in a netlink answer, and the MTU of
// the route unless the kernel learned it.
func parseRoute(b []byte) (index, mtu int, err error) {
	attrs, _, err := parseAnswer(b, unix.RTM_NEWROUTE, unix.SizeofRtMsg)
	if err != nil {
		return 0, 0, err
	}
	learned := false
	for _, a := range attrs {
		switch {
		case a.typ == unix.RTA_OIF && len(a.value) >= 4:
			index = int(binary.NativeEndian.Uint32(a.value))
		case a.typ == unix.RTA_METRICS:
			mtu = metricMTU(a.value)
		case a.typ == unix.RTA_CACHEINFO && len(a.value) >= 12:
			// struct rta_cacheinfo: clntref, lastuse, expires
			learned = binary.NativeEndian.Uint32(a.value[8:]) != 0
		}
	}
	if index == 0 {
		return 0, 0, errors.New("no outgoing interface in the kernel's answer")
	}
	if learned {
		mtu = 0
	}
	return index, mtu, nil
}

// parseLink reads an interface from a netlink answer.
func parseLink(b []byte) (index int, name string, mtu int, err error) {
	attrs, data, err := parseAnswer(b, unix.RTM_NEWLINK, unix.SizeofIfInfomsg)
	if err != nil {
		return 0, "", 0, err
	}
	index = int(binary.NativeEndian.Uint32(data[4:]))
	for _, a := range attrs {
		switch {
		case a.typ == unix.IFLA_IFNAME:
			name = unix.ByteSliceToString(a.value)
		case a.typ == unix.IFLA_MTU && len(a.value) >= 4:
			mtu = int(binary.NativeEndian.Uint32(a.value))
		}
	}
	if index == 0 || name == "" || mtu == 0 {
		return 0, "", 0, errors.New("no name or MTU in the kernel's answer")
	}
	return index, name, mtu, nil
}

// metricMTU reads RTAX_MTU from the attributes in RTA_METRICS.
func metricMTU(b []byte) int {
	metrics, err := parseAttributes(b, 0)
	if err != nil {
		return 0
	}
	for _, m := range metrics {
		if m.typ == unix.RTAX_MTU && len(m.value) >= 4 {
			return int(binary.NativeEndian.Uint32(m.value))
		}
	}
	return 0
}
