//go:build !linux

package hbhsock

import (
	"net"
	"net/netip"
	"time"

	"pathmtu/hbh"
)

// UDP is not available on this system.
type UDP struct{}

// NewUDP returns ErrUnsupported.
func NewUDP(*net.UDPConn) (*UDP, error) { return nil, ErrUnsupported }

// WriteTo returns ErrUnsupported.
func (*UDP) WriteTo([]byte, *hbh.Option, netip.AddrPort) error { return ErrUnsupported }

// ReadFrom returns ErrUnsupported.
func (*UDP) ReadFrom([]byte) (int, hbh.Observed, netip.AddrPort, error) {
	return 0, hbh.Observed{}, netip.AddrPort{}, ErrUnsupported
}

// Raw is not available on this system.
type Raw struct{}

// OpenRaw returns ErrUnsupported.
func OpenRaw(int, netip.Addr) (*Raw, error) { return nil, ErrUnsupported }

// Close returns ErrUnsupported.
func (*Raw) Close() error { return ErrUnsupported }

// SetReadDeadline returns ErrUnsupported.
func (*Raw) SetReadDeadline(time.Time) error { return ErrUnsupported }

// WriteTo returns ErrUnsupported.
func (*Raw) WriteTo([]byte, *hbh.Option, netip.Addr) error { return ErrUnsupported }

// ReadFrom returns ErrUnsupported.
func (*Raw) ReadFrom([]byte) (int, hbh.Observed, netip.Addr, error) {
	return 0, hbh.Observed{}, netip.Addr{}, ErrUnsupported
}
