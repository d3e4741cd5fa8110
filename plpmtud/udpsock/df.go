package udpsock

import (
	"errors"
	"fmt"
	"net/netip"
	"syscall"
)

// Family is an IP version.
type Family uint8

const (
	IPv4 Family = 4 // RFC 791
	IPv6 Family = 6 // RFC 8200
)

func (f Family) String() string {
	switch f {
	case IPv4:
		return "IPv4"
	case IPv6:
		return "IPv6"
	}
	return "BUG"
}

// FamilyOf returns the family of the packets that go to an address: IPv4 also
// for an IPv4-mapped IPv6 address.
func FamilyOf(addr netip.Addr) Family {
	if addr.Unmap().Is4() {
		return IPv4
	}
	return IPv6
}

// MinMTU is the smallest path MTU that a router of the family may claim, in
// bytes of IP packet: 68 (RFC 791) or 1280 (RFC 8200).
func (f Family) MinMTU() int {
	if f == IPv4 {
		return 68
	}
	return 1280
}

// Overhead is the size of the IP and UDP headers below a UDP payload, without
// options or extension headers: 28 or 48 bytes.
func (f Family) Overhead() int {
	if f == IPv4 {
		return 28
	}
	return 48
}

// DFState says what is known about fragmentation of one family's datagrams.
type DFState uint8

const (
	// DFNone: the socket does not carry this family.
	DFNone DFState = iota
	// DFOff: datagrams may be fragmented by the sender or by routers.
	DFOff
	// DFVetoed: datagrams are not fragmented, but the kernel refuses or
	// fragments whatever exceeds the path MTU that it has cached. Probes can't
	// exceed it (RFC 8899 section 4.5).
	DFVetoed
	// DFUnread: the system took the setting, but doesn't let it be read back.
	DFUnread
	// DFConfirmed: the setting was read back. Datagrams up to the interface MTU
	// leave whole, with DF set if the family is IPv4.
	DFConfirmed
)

func (s DFState) String() string {
	switch s {
	case DFNone:
		return "none"
	case DFOff:
		return "off"
	case DFVetoed:
		return "vetoed"
	case DFUnread:
		return "unread"
	case DFConfirmed:
		return "confirmed"
	}
	return "BUG"
}

// DF is what a socket does with datagrams of each family.
type DF struct {
	IPv4, IPv6 DFState
}

// For returns the state for datagrams to an address.
func (d DF) For(dst netip.Addr) DFState {
	if FamilyOf(dst) == IPv4 {
		return d.IPv4
	}
	return d.IPv6
}

// MayProbe says whether a probe of path MTU may go to an address: only if it is
// certain that nothing fragments it on its way (RFC 8899 section 3, item 2).
func (d DF) MayProbe(dst netip.Addr) bool { return d.For(dst) == DFConfirmed }

func (d DF) String() string { return fmt.Sprintf("IPv4 %v, IPv6 %v", d.IPv4, d.IPv6) }

func (d *DF) set(f Family, s DFState) {
	if f == IPv4 {
		d.IPv4 = s
	} else {
		d.IPv6 = s
	}
}

// SetDF tells a socket that its datagrams must not be fragmented, and that the
// kernel's cached path MTU must not limit them, for each family that the socket
// carries: a dual-stack socket needs both. It reads the settings back.
//
// The result is meaningful beside an error: a family that could not be set is
// DFOff there, while the other may be confirmed. On a system without the
// feature the error is an *UnsupportedError.
//
// Linux uses IP_MTU_DISCOVER and IPV6_MTU_DISCOVER with PROBE; Windows the
// same, or IP_DONTFRAGMENT and IPV6_DONTFRAG before version 1803; macOS and
// FreeBSD use IP_DONTFRAG and IPV6_DONTFRAG. On a dual-stack socket of macOS
// before version 15, and of FreeBSD, IPv4 datagrams can't be protected: they
// stay DFOff, and an IPv4 socket of its own helps.
func SetDF(c syscall.Conn) (DF, error) { return eachFamily(c, dfSet) }

// ReadDF asks a socket for what SetDF sets, and changes nothing.
func ReadDF(c syscall.Conn) (DF, error) { return eachFamily(c, nil) }

// eachFamily calls set, unless it is nil, and dfGet for each family of a socket.
func eachFamily(c syscall.Conn, set func(fd uintptr, f Family, dual bool) error) (DF, error) {
	var df DF
	var errs []error
	err := control(c, func(fd uintptr) error {
		v4, v6, err := families(fd)
		if err != nil {
			return err
		}
		var carried []Family
		if v6 {
			carried = append(carried, IPv6)
		}
		if v4 {
			carried = append(carried, IPv4)
		}
		dual := v4 && v6
		for _, f := range carried {
			df.set(f, DFOff)
			if set == nil {
				continue
			}
			if err := set(fd, f, dual); err != nil {
				errs = append(errs, fmt.Errorf("udpsock: don't-fragment for %v: %w", f, err))
			}
		}
		for _, f := range carried {
			s, err := dfGet(fd, f, dual)
			if err != nil {
				errs = append(errs, fmt.Errorf("udpsock: reading don't-fragment back for %v: %w", f, err))
				continue
			}
			df.set(f, s)
		}
		return nil
	})
	return df, errors.Join(append(errs, err)...)
}

// control runs f with the descriptor of a socket.
func control(c syscall.Conn, f func(fd uintptr) error) error {
	rc, err := c.SyscallConn()
	if err != nil {
		return fmt.Errorf("udpsock: no access to the socket: %w", err)
	}
	var ferr error
	if err := rc.Control(func(fd uintptr) { ferr = f(fd) }); err != nil {
		return fmt.Errorf("udpsock: no access to the socket: %w", err)
	}
	return ferr
}
