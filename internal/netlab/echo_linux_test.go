package netlab

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// answer is what became of one echo request.
type answer struct {
	Replied bool
	Refused bool // by the own interface: EMSGSIZE
	PTB     bool
	PTBMTU  int
	PTBFrom netip.Addr
}

// echo sends one ICMP echo request that is size bytes as an IP packet, never
// fragmented, and waits for what comes back. It must run inside a namespace.
// It is deliberately independent of the program's own probing.
func echo(dst netip.Addr, size int, wait time.Duration) (answer, error) {
	family, proto, headers := unix.AF_INET, unix.IPPROTO_ICMP, 20
	if dst.Is6() {
		family, proto, headers = unix.AF_INET6, unix.IPPROTO_ICMPV6, 40
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, proto)
	if err != nil {
		return answer{}, fmt.Errorf("ping socket: %w", err)
	}
	defer unix.Close(fd)
	var to unix.Sockaddr
	packet := make([]byte, size-headers)
	if dst.Is6() {
		to = &unix.SockaddrInet6{Addr: dst.As16()}
		packet[0] = 128
		err = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_PROBE)
		if err == nil {
			err = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_RECVERR, 1)
		}
	} else {
		to = &unix.SockaddrInet4{Addr: dst.As4()}
		packet[0] = 8
		err = unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_PROBE)
		if err == nil {
			err = unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_RECVERR, 1)
		}
	}
	if err != nil {
		return answer{}, err
	}
	if err := unix.Sendto(fd, packet, 0, to); err == unix.EMSGSIZE {
		return answer{Refused: true}, nil
	} else if err != nil {
		return answer{}, err
	}
	deadline := time.Now().Add(wait)
	buf, oob := make([]byte, 65536), make([]byte, 512)
	for {
		left := time.Until(deadline)
		if left <= 0 {
			return answer{}, nil
		}
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		if _, err := unix.Poll(fds, int(left.Milliseconds())+1); err != nil && err != unix.EINTR {
			return answer{}, err
		}
		if fds[0].Revents&unix.POLLERR != 0 {
			_, oobn, _, _, err := unix.Recvmsg(fd, buf, oob, unix.MSG_ERRQUEUE|unix.MSG_DONTWAIT)
			if err != nil {
				return answer{}, err
			}
			return parseError(oob[:oobn])
		}
		if fds[0].Revents&unix.POLLIN != 0 {
			n, _, err := unix.Recvfrom(fd, buf, unix.MSG_DONTWAIT)
			if err != nil {
				return answer{}, err
			}
			if n+headers != size {
				return answer{}, fmt.Errorf("asked with %d bytes, answered with %d", size, n+headers)
			}
			return answer{Replied: true}, nil
		}
	}
}

// parseError reads struct sock_extended_err and the offender's address.
func parseError(oob []byte) (answer, error) {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return answer{}, err
	}
	for _, m := range messages {
		if len(m.Data) < 16+8 {
			continue
		}
		errno := binary.NativeEndian.Uint32(m.Data)
		a := answer{PTBMTU: int(binary.NativeEndian.Uint32(m.Data[8:]))}
		a.PTB = errno == uint32(unix.EMSGSIZE)
		switch m.Header.Level {
		case unix.IPPROTO_IP:
			a.PTBFrom = netip.AddrFrom4([4]byte(m.Data[16+4:]))
		case unix.IPPROTO_IPV6:
			a.PTBFrom = netip.AddrFrom16([16]byte(m.Data[16+8:]))
		}
		if !a.PTB {
			return a, fmt.Errorf("socket error %w", unix.Errno(errno))
		}
		return a, nil
	}
	return answer{}, fmt.Errorf("error queue without an error")
}
