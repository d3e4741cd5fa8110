//go:build !linux

package udpoptsock

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"

	"pathmtu/plpmtud"
	"pathmtu/plpmtud/udpopt"
)

var errUnsupported = fmt.Errorf("udpoptsock: UDP Options over raw sockets on %s: %w", runtime.GOOS, errors.ErrUnsupported)

// Conn needs Linux.
type Conn struct{ net.Conn }

// Dial needs Linux: the error is one for which errors.Is with
// errors.ErrUnsupported holds.
func Dial(udpopt.Config) (*Conn, error) { return nil, errUnsupported }

// MPS needs Linux.
func (*Conn) MPS() int { return 0 }

// Status is what a Conn knows of its path.
type Status struct {
	State      plpmtud.State
	PLPMTU     int
	MTU        int
	Answered   bool
	SendErrors uint64
	udpopt.Counters
}

// Status needs Linux.
func (*Conn) Status() Status { return Status{} }

// ListenConfig says what a Listener does.
type ListenConfig struct {
	Local      netip.AddrPort
	Respond    udpopt.ResponderConfig
	MDS        uint16
	Reassembly udpopt.ReassemblyLimits
}

// Listener needs Linux.
type Listener struct{ net.PacketConn }

// Listen needs Linux: the error is one for which errors.Is with
// errors.ErrUnsupported holds.
func Listen(ListenConfig) (*Listener, error) { return nil, errUnsupported }

// Answers needs Linux.
func (*Listener) Answers() uint64 { return 0 }
