package hbhsock

import (
	"fmt"
	"net"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"pathmtu/hbh"
	"pathmtu/internal/ip6"
)

// Raw carries the option on upper-layer packets that the caller builds. For
// ICMPv6 the kernel computes the checksum, and only echo messages are
// delivered. For UDP the caller builds the whole datagram with its checksum and
// whatever follows its UDP Length; every UDP datagram that reaches the host is
// delivered, also those that sockets take. Writing is safe for several
// goroutines at once, reading for one.
type Raw struct {
	conn *net.IPConn
	oob  [maxControl]byte
}

// OpenRaw opens a raw IPv6 socket for the upper-layer protocol proto, bound to
// local unless that is the zero value. Close it after use. The error wraps
// ErrPrivilege for want of CAP_NET_RAW, or is the system's.
func OpenRaw(proto int, local netip.Addr) (*Raw, error) {
	la := &net.IPAddr{IP: net.IPv6unspecified}
	if local.IsValid() {
		if !local.Is6() || local.Is4In6() {
			return nil, fmt.Errorf("hbhsock: local address %v: want an IPv6 address", local)
		}
		la = &net.IPAddr{IP: local.AsSlice(), Zone: local.Zone()}
	}
	c, err := net.ListenIP(fmt.Sprintf("ip6:%d", proto), la)
	if err != nil {
		return nil, explain(err, true)
	}
	r := &Raw{conn: c}
	if err := r.setup(proto); err != nil {
		c.Close()
		return nil, err
	}
	return r, nil
}

func (r *Raw) setup(proto int) error {
	raw, err := r.conn.SyscallConn()
	if err != nil {
		return err
	}
	if proto == ip6.ProtoICMPv6 {
		var f unix.ICMPv6Filter
		for i := range f.Data {
			f.Data[i] = 0xffffffff // a set bit blocks
		}
		for _, typ := range []uint{ip6.TypeEchoRequest, ip6.TypeEchoReply} {
			f.Data[typ/32] &^= 1 << (typ % 32)
		}
		if e := raw.Control(func(fd uintptr) {
			err = unix.SetsockoptICMPv6Filter(int(fd), unix.IPPROTO_ICMPV6, unix.ICMPV6_FILTER, &f)
		}); e != nil {
			return e
		}
		if err != nil {
			return fmt.Errorf("hbhsock: setting the ICMPv6 filter: %w", err)
		}
	}
	return receiveOptions(raw)
}

// Close closes the socket.
func (r *Raw) Close() error { return r.conn.Close() }

// SetReadDeadline sets when ReadFrom gives up.
func (r *Raw) SetReadDeadline(t time.Time) error { return r.conn.SetReadDeadline(t) }

// WriteTo sends the upper-layer packet b, with o unless it is nil. Its errors are
// those of OpenRaw.
func (r *Raw) WriteTo(b []byte, o *hbh.Option, to netip.Addr) error {
	var buf [64]byte
	var oob []byte
	if o != nil {
		oob = appendOption(buf[:0], *o)
	}
	_, _, err := r.conn.WriteMsgIP(b, oob, &net.IPAddr{IP: to.AsSlice(), Zone: to.Zone()})
	return explain(err, o != nil)
}

// ReadFrom receives one upper-layer packet into b, and what its Hop-by-Hop
// header says: the zero Observed if it had none. What b can't hold is cut off. The
// error is the system's.
func (r *Raw) ReadFrom(b []byte) (n int, ob hbh.Observed, from netip.Addr, err error) {
	n, nc, flags, addr, err := r.conn.ReadMsgIP(b, r.oob[:])
	if err != nil {
		return 0, ob, from, err
	}
	from, _ = netip.AddrFromSlice(addr.IP)
	return n, observe(r.oob[:nc], flags&unix.MSG_CTRUNC != 0), from.WithZone(addr.Zone), nil
}
