package udpopt

import (
	"errors"
	"net/netip"
)

// Disposition says what becomes of a received datagram (RFC 9868 section 14).
type Disposition uint8

const (
	// Discard: drop the packet whole, in silence.
	Discard Disposition = iota
	// Deliver: process the options, and hand the user data up whatever comes of
	// that. Also for a datagram without options.
	Deliver
	// Legacy: hand the user data up and ignore the options, as a receiver does
	// that knows none.
	Legacy
	// Fragment: no datagram yet. Hand the FRAG option and its data to a
	// Reassembler.
	Fragment
	// Empty: an UNSAFE option is not supported. The user data is dropped; a
	// datagram of length zero is handed up (sections 12 and 14).
	Empty
)

func (d Disposition) String() string {
	switch d {
	case Discard:
		return "discard"
	case Deliver:
		return "deliver"
	case Legacy:
		return "deliver, options ignored"
	case Fragment:
		return "fragment"
	case Empty:
		return "deliver empty"
	}
	return "BUG"
}

var (
	// ErrChecksum reports a UDP checksum that doesn't match.
	ErrChecksum = errors.New("udpopt: UDP checksum doesn't match")
	// ErrNoChecksum reports a UDP checksum of zero over IPv6 (RFC 8200 section 8.1).
	ErrNoChecksum = errors.New("udpopt: UDP checksum is zero over IPv6")
	// ErrFamily reports addresses of different families, or none.
	ErrFamily = errors.New("udpopt: addresses are not of one family")
)

// Received is a datagram after the checks of section 14. It aliases the packet.
type Received struct {
	Datagram
	Options Options // set for Deliver and Fragment
	Do      Disposition
	// Err says why the options were ignored or the datagram was dropped: a
	// Malformed, a *LengthError, ErrChecksum, ErrNoChecksum or ErrFamily.
	Err error
}

// Receive takes the payload of an IP packet apart and says what to do with it
// (RFC 9868 section 14). src and dst are the addresses of the IP header. The
// UDP checksum is verified first; then options are read, all or none; user data
// is delivered whatever is wrong with SAFE options.
//
// It does not allocate unless UDP Length is out of range, keeps nothing, and may
// be called concurrently.
func Receive(src, dst netip.Addr, payload []byte) Received {
	src, dst = src.Unmap(), dst.Unmap()
	if !src.IsValid() || !dst.IsValid() || src.Is4() != dst.Is4() {
		return Received{Err: ErrFamily}
	}
	d, err := ParseDatagram(payload)
	if err != nil {
		return Received{Err: err}
	}
	r := Received{Datagram: d}
	if d.Checksum != 0 {
		if udpChecksum(src, dst, payload[:d.Length]) != d.Checksum {
			r.Err = ErrChecksum
			return r
		}
	} else if src.Is6() {
		r.Err = ErrNoChecksum
		return r
	}
	r.options()
	return r
}

// options reads the options and decides.
func (r *Received) options() {
	var err error
	r.Options, err = Parse(r.Surplus, int(r.Length), r.Checksum)
	if err == nil && r.Options.Has(FRAG) || err == UnsafeFragment {
		if len(r.UserData) > 0 {
			r.Options, err = Options{}, FragData
		}
	}
	switch {
	case err == nil && r.Options.Has(FRAG):
		r.Do = Fragment
	case err == nil:
		r.Do = Deliver
	case err == UnsafeFragment:
		// The fragment's datagram can never be complete: no part of it is handed
		// up, not even as an empty one (sections 11.4 and 12).
		r.Do, r.Err = Discard, err
	case err == UnsafeOption:
		r.Do, r.Err = Empty, err
	default:
		r.Do, r.Err = Legacy, err
	}
}

// Probe reports whether the datagram is one that DPLPMTUD sent of its own
// accord: no user data, but an echo request or response. The layer above does
// not get to see it (RFC 9869 sections 3 and 4.2).
func (r *Received) Probe() bool {
	return r.Do == Deliver && len(r.UserData) == 0 && (r.Options.Has(REQ) || r.Options.Has(RES))
}
