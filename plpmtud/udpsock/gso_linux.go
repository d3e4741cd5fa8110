package udpsock

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// hasGSO says whether the kernel knows UDP_SEGMENT (Linux 4.18).
func hasGSO(c *net.UDPConn) bool {
	return control(c, func(fd uintptr) error {
		_, err := unix.GetsockoptInt(int(fd), unix.IPPROTO_UDP, unix.UDP_SEGMENT)
		return err
	}) == nil
}

// sendGSO sends buf as datagrams of segment bytes in one call.
func sendGSO(c *net.UDPConn, buf []byte, segment int, dst netip.AddrPort) error {
	oob := make([]byte, unix.CmsgSpace(2))
	h := (*unix.Cmsghdr)(unsafe.Pointer(&oob[0]))
	h.Level = unix.IPPROTO_UDP
	h.Type = unix.UDP_SEGMENT
	h.SetLen(unix.CmsgLen(2))
	binary.NativeEndian.PutUint16(oob[unix.CmsgLen(0):], uint16(segment))
	_, _, err := c.WriteMsgUDPAddrPort(buf, oob, dst)
	return err
}

// gsoRefused reads the error of sendGSO: again says that the same datagrams may
// pass one by one, never that offload does not work on this socket at all.
func gsoRefused(err error) (again, never bool) {
	switch {
	case errors.Is(err, unix.EIO), errors.Is(err, unix.ENOPROTOOPT), errors.Is(err, unix.EOPNOTSUPP):
		// EIO: the route or the device can't compute checksums.
		return true, true
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.EMSGSIZE):
		// The segment does not fit the MTU, there are too many, or the kernel
		// has another reason. Old kernels say EINVAL for all of them.
		return true, false
	}
	return false, false
}
