package hbhsock

import (
	"net"
	"net/netip"

	"golang.org/x/sys/unix"

	"pathmtu/hbh"
)

// UDP carries the option on the datagrams of a UDP socket. Writing is safe for
// several goroutines at once, reading for one.
type UDP struct {
	conn *net.UDPConn
	oob  [maxControl]byte
}

// NewUDP makes the kernel deliver received Hop-by-Hop headers on c, an IPv6
// socket. c stays the caller's to close and to set deadlines on. The error is the
// system's.
func NewUDP(c *net.UDPConn) (*UDP, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	if err := receiveOptions(raw); err != nil {
		return nil, err
	}
	return &UDP{conn: c}, nil
}

// WriteTo sends one datagram, with o unless it is nil. to must be the zero
// value on a connected socket. The error is the system's; it wraps ErrPrivilege
// if the option was refused for want of CAP_NET_RAW.
func (u *UDP) WriteTo(b []byte, o *hbh.Option, to netip.AddrPort) error {
	var buf [64]byte
	var oob []byte
	if o != nil {
		oob = appendOption(buf[:0], *o)
	}
	_, _, err := u.conn.WriteMsgUDPAddrPort(b, oob, to)
	return explain(err, o != nil)
}

// ReadFrom receives one datagram into b, and what its Hop-by-Hop header says:
// the zero Observed if it had none. What b can't hold is cut off. The error is the
// system's.
func (u *UDP) ReadFrom(b []byte) (n int, ob hbh.Observed, from netip.AddrPort, err error) {
	n, nc, flags, from, err := u.conn.ReadMsgUDPAddrPort(b, u.oob[:])
	if err != nil {
		return 0, ob, from, err
	}
	return n, observe(u.oob[:nc], flags&unix.MSG_CTRUNC != 0), from, nil
}
