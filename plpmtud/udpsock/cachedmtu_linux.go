package udpsock

import (
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// CachedPathMTU returns the path MTU that the kernel currently assumes for a
// destination, in bytes of IP packet: the interface's, or less if some ICMP
// message said so. Anybody may have forged that message: the number is a hint,
// and never the result of a measurement. src may be the zero Addr. Linux only;
// elsewhere the error is an *UnsupportedError.
func CachedPathMTU(dst, src netip.Addr) (int, error) {
	dst, src = dst.Unmap(), src.Unmap()
	c, err := connected(dst, src)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	var mtu int
	err = control(c, func(fd uintptr) (err error) {
		if dst.Is4() {
			mtu, err = unix.GetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MTU)
		} else {
			mtu, err = unix.GetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_MTU)
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("udpsock: cached path MTU to %v: %w", dst, err)
	}
	return mtu, nil
}
