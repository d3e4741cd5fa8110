package udpoptsock

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/net/bpf"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"

	"pathmtu/plpmtud/udpopt"
	"pathmtu/plpmtud/udpsock"
)

// rawConn is a raw socket of one family and protocol. Reads yield what follows
// the IP header; writes are the same, and the kernel adds the IP header.
type rawConn struct {
	conn *net.IPConn
	v4   *ipv4.PacketConn // one of the two
	v6   *ipv6.PacketConn
}

// openRaw opens a raw socket. proto is "udp" or "icmp"; local may be unspecified.
func openRaw(proto string, local netip.Addr, filter []bpf.Instruction) (*rawConn, error) {
	network := "ip4:" + proto
	if local.Is6() {
		network = "ip6:" + proto
		if proto == "icmp" {
			network = "ip6:ipv6-icmp"
		}
	}
	conn, err := net.ListenIP(network, &net.IPAddr{IP: local.AsSlice(), Zone: local.Zone()})
	if err != nil {
		if errors.Is(err, fs.ErrPermission) {
			return nil, &PrivilegeError{err}
		}
		return nil, fmt.Errorf("udpoptsock: raw socket: %w", err)
	}
	r := &rawConn{conn: conn}
	program, err := bpf.Assemble(filter)
	if err == nil && local.Is4() {
		r.v4 = ipv4.NewPacketConn(conn)
		err = errors.Join(r.v4.SetBPF(program), r.v4.SetControlMessage(ipv4.FlagDst, true))
	} else if err == nil {
		r.v6 = ipv6.NewPacketConn(conn)
		err = errors.Join(r.v6.SetBPF(program), r.v6.SetControlMessage(ipv6.FlagDst, true))
	}
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("udpoptsock: raw socket: %w", err)
	}
	return r, nil
}

// read returns the payload of one IP packet, and its addresses.
func (r *rawConn) read(b []byte) (n int, src, dst netip.Addr, err error) {
	var from net.Addr
	if r.v4 != nil {
		var cm *ipv4.ControlMessage
		n, cm, from, err = r.v4.ReadFrom(b)
		if cm != nil {
			dst, _ = netip.AddrFromSlice(cm.Dst)
		}
	} else {
		var cm *ipv6.ControlMessage
		n, cm, from, err = r.v6.ReadFrom(b)
		if cm != nil {
			dst, _ = netip.AddrFromSlice(cm.Dst)
		}
	}
	if a, ok := from.(*net.IPAddr); ok {
		src, _ = netip.AddrFromSlice(a.IP)
		src = src.Unmap().WithZone(a.Zone)
	}
	return n, src, dst.Unmap(), err
}

// write sends the payload of an IP packet from src, if that is specified.
func (r *rawConn) write(b []byte, src, dst netip.Addr) error {
	to := &net.IPAddr{IP: dst.AsSlice(), Zone: dst.Zone()}
	var err error
	if r.v4 != nil {
		_, err = r.v4.WriteTo(b, &ipv4.ControlMessage{Src: src.AsSlice()}, to)
	} else {
		_, err = r.v6.WriteTo(b, &ipv6.ControlMessage{Src: src.AsSlice()}, to)
	}
	return err
}

// keepWhole sets Don't Fragment on a socket, and suspends the path MTU that the
// kernel has cached: neither may limit a probe (RFC 9869 section 3.2).
func keepWhole(c syscall.Conn, dst netip.Addr) error {
	df, err := udpsock.SetDF(c)
	if df.MayProbe(dst) {
		return nil // an error is about the other family, then
	}
	return errors.Join(ErrFragmentable, err)
}

// withoutSurplus leaves datagrams with a surplus area to a raw socket that is
// opened next. What has arrived before is handed to keep, except for empty
// datagrams, which most likely are probes.
func withoutSurplus(udp *net.UDPConn, four bool, keep func(data []byte, from netip.AddrPort)) error {
	filter := udpFilter6()
	if four {
		filter = udpFilter4()
	}
	program, err := bpf.Assemble(filter)
	if err != nil {
		return err
	}
	if four {
		err = ipv4.NewPacketConn(udp).SetBPF(program)
	} else {
		err = ipv6.NewPacketConn(udp).SetBPF(program)
	}
	if err != nil {
		return fmt.Errorf("udpoptsock: filter of the UDP socket: %w", err)
	}
	rc, err := udp.SyscallConn()
	if err != nil {
		return err
	}
	b := make([]byte, maxPacket)
	return rc.Read(func(fd uintptr) bool {
		for {
			n, from, err := syscall.Recvfrom(int(fd), b, syscall.MSG_DONTWAIT)
			if err != nil {
				return true
			}
			if n > 0 {
				keep(b[:n], addrPort(from))
			}
		}
	})
}

func addrPort(sa syscall.Sockaddr) netip.AddrPort {
	switch sa := sa.(type) {
	case *syscall.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *syscall.SockaddrInet6:
		a := netip.AddrFrom16(sa.Addr).Unmap()
		if sa.ZoneId != 0 && a.Is6() {
			if ifi, err := net.InterfaceByIndex(int(sa.ZoneId)); err == nil {
				a = a.WithZone(ifi.Name)
			}
		}
		return netip.AddrPortFrom(a, uint16(sa.Port))
	}
	return netip.AddrPort{}
}

// ours reports whether a raw socket's datagram is for a port and has a surplus
// area. The filter says so, but the socket was open before it had one.
func ours(r udpopt.Received, port uint16) bool {
	return r.DstPort == port && len(r.Surplus) > 0
}
