//go:build !linux

package rawsock

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// errUnsupported is what every way to open something returns here: a measurement
// needs Linux's error queue and its sockets that never fragment.
var errUnsupported = fmt.Errorf("measuring needs Linux's sockets: %w", errors.ErrUnsupported)

// A Flow can't be opened on this system.
type Flow struct{}

// A Hub can't be opened on this system.
type Hub struct{}

// A Wire can't be opened on this system.
type Wire struct{}

// OpenUDP returns an error that wraps [errors.ErrUnsupported].
func OpenUDP(*Hub, netip.Addr, netip.AddrPort) (*Flow, error) { return nil, errUnsupported }

// OpenICMP returns an error that wraps [errors.ErrUnsupported].
func OpenICMP(*Hub, netip.Addr, netip.Addr, uint16) (*Flow, error) { return nil, errUnsupported }

// OpenTCP returns an error that wraps [errors.ErrUnsupported].
func OpenTCP(*Hub, netip.Addr, netip.AddrPort) (*Flow, error) { return nil, errUnsupported }

// OpenIP returns an error that wraps [errors.ErrUnsupported].
func OpenIP(*Hub, netip.Addr, netip.Addr) (*Flow, error) { return nil, errUnsupported }

// ConnectTCP returns an error that wraps [errors.ErrUnsupported].
func ConnectTCP(context.Context, *Hub, netip.Addr, netip.AddrPort) (*Flow, Handshake, error) {
	return nil, Handshake{}, errUnsupported
}

// OpenHub returns an error that wraps [errors.ErrUnsupported].
func OpenHub() (*Hub, error) { return nil, errUnsupported }

// OpenWire returns an error that wraps [errors.ErrUnsupported].
func OpenWire(netip.Addr, netip.Addr) (*Wire, error) { return nil, errUnsupported }

// LinkTo returns an error that wraps [errors.ErrUnsupported].
func LinkTo(netip.Addr, netip.Addr) (Link, error) { return Link{}, errUnsupported }

// DropPrivileges has nothing to give up: nothing was opened with a privilege.
func DropPrivileges() error { return nil }

// CarryIP returns an error that wraps [errors.ErrUnsupported].
func (*Hub) CarryIP() error { return errUnsupported }

// Local returns the zero address.
func (*Flow) Local() netip.AddrPort { return netip.AddrPort{} }

// Send returns an error that wraps [errors.ErrUnsupported].
func (*Flow) Send([]byte) error { return errUnsupported }

// SendLimited returns an error that wraps [errors.ErrUnsupported].
func (*Flow) SendLimited([]byte, int) error { return errUnsupported }

// Receive returns an error that wraps [errors.ErrUnsupported].
func (*Flow) Receive(context.Context) (Message, error) { return Message{}, errUnsupported }

// Heard returns no channel.
func (*Flow) Heard() <-chan Message { return nil }

// Close does nothing.
func (*Flow) Close() error { return nil }

// Close does nothing.
func (*Hub) Close() error { return nil }

// UDPPort returns 0.
func (*Wire) UDPPort() uint16 { return 0 }

// TCPPort returns 0.
func (*Wire) TCPPort() uint16 { return 0 }

// Send returns an error that wraps [errors.ErrUnsupported].
func (*Wire) Send([]byte) error { return errUnsupported }

// Receive returns an error that wraps [errors.ErrUnsupported].
func (*Wire) Receive(context.Context) ([]byte, time.Time, error) {
	return nil, time.Time{}, errUnsupported
}

// Close does nothing.
func (*Wire) Close() error { return nil }
