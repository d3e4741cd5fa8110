package rawsock

import (
	"fmt"
	"net/netip"

	"github.com/mdlayher/socket"
	"golang.org/x/sys/unix"
)

// openRaw opens a raw socket of a protocol, and finishes it by more, unless that
// is nil. What it sends is neither fragmented nor held to the MTU that the kernel
// believes in.
func openRaw(v6 bool, proto int, name string, more func(c *socket.Conn, v6 bool) error) (*socket.Conn, error) {
	family := unix.AF_INET
	if v6 {
		family = unix.AF_INET6
	}
	c, err := socket.Socket(family, unix.SOCK_RAW, proto, name, nil)
	if err != nil {
		return nil, err
	}
	buffers(c)
	err = setOptions(c, probing(v6))
	if err == nil && more != nil {
		err = more(c, v6)
	}
	if err != nil {
		_ = c.Close()
		return nil, err
	}
	return c, nil
}

// hold binds a socket to any port of an address, so that nobody else uses it.
func hold(typ int, src netip.Addr) (*socket.Conn, uint16, error) {
	c, err := socket.Socket(domain(src), typ, 0, "port", nil)
	if err != nil {
		return nil, 0, err
	}
	sa, err := sockaddr(src, 0)
	if err == nil {
		err = c.Bind(sa)
	}
	if err != nil {
		_ = c.Close()
		return nil, 0, fmt.Errorf("source address %v: %w", src, err)
	}
	name, err := c.Getsockname()
	if err != nil {
		_ = c.Close()
		return nil, 0, err
	}
	return c, addrPort(name).Port(), nil
}
