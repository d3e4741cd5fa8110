//go:build !linux

package udpsock

import (
	"errors"
	"net"
	"net/netip"
)

func hasGSO(*net.UDPConn) bool { return false }

func sendGSO(*net.UDPConn, []byte, int, netip.AddrPort) error { return errors.ErrUnsupported }

func gsoRefused(error) (again, never bool) { return true, true }
