package rawsock

import (
	"errors"
	"net/netip"
	"os"

	"github.com/mdlayher/socket"
	"golang.org/x/sys/unix"
)

// TTL is the TTL or hop limit of every packet that a Flow sends.
const TTL = 64

type option struct {
	level, name, value int
}

// probing are the options of every socket that sends. PROBE sets DF and ignores
// what the kernel believes of the path: DO would turn that belief into EMSGSIZE.
func probing(v6 bool) []option {
	if v6 {
		return []option{
			{unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_PROBE},
			{unix.IPPROTO_IPV6, unix.IPV6_DONTFRAG, 1},
			{unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS, TTL},
			{unix.IPPROTO_IPV6, unix.IPV6_AUTOFLOWLABEL, 1}, // one label for each 5-tuple
		}
	}
	return []option{
		{unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_PROBE},
		{unix.IPPROTO_IP, unix.IP_TTL, TTL},
	}
}

// errorQueue makes the kernel keep ICMP errors with what they quote.
func errorQueue(v6 bool) option {
	if v6 {
		return option{unix.IPPROTO_IPV6, unix.IPV6_RECVERR, 1}
	}
	return option{unix.IPPROTO_IP, unix.IP_RECVERR, 1}
}

func setOptions(c *socket.Conn, options []option) error {
	for _, o := range options {
		if err := c.SetsockoptInt(o.level, o.name, o.value); err != nil {
			return err
		}
	}
	return nil
}

// buffers make room for the largest packets.
func buffers(c *socket.Conn) {
	const size = 1 << 20 // the kernel takes what net.core.*mem_max allows
	_ = c.SetReadBuffer(size)
	_ = c.SetWriteBuffer(size)
}

func domain(a netip.Addr) int {
	if a.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

func sockaddr(a netip.Addr, port uint16) (unix.Sockaddr, error) {
	if a.Is4() {
		return &unix.SockaddrInet4{Port: int(port), Addr: a.As4()}, nil
	}
	zone, err := zoneIndex(a.Zone())
	if err != nil {
		return nil, err
	}
	return &unix.SockaddrInet6{Port: int(port), Addr: a.As16(), ZoneId: zone}, nil
}

func addrPort(sa unix.Sockaddr) netip.AddrPort {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr).Unmap(), uint16(sa.Port))
	}
	return netip.AddrPort{}
}

// sendError classifies an error of sending.
func sendError(err error) error {
	if err == nil {
		return nil
	}
	return &SendError{
		TooBig:    errors.Is(err, unix.EMSGSIZE),
		Transient: errors.Is(err, unix.ENOBUFS) || errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.ENOMEM),
		Err:       err,
	}
}

func denied(err error) bool { return errors.Is(err, os.ErrPermission) }
