package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"
)

// target is one address to measure; or why there is none.
type target struct {
	name string
	addr netip.Addr
	err  error
}

// lookupTimeout bounds a name lookup.
const lookupTimeout = 10 * time.Second

// targets returns what to measure for one host: a literal address itself; of a
// name the first address, or the first of each family that was asked for.
func (m *measurer) targets(ctx context.Context, host string) []target {
	fail := func(format string, args ...any) []target {
		return []target{{name: host, err: fmt.Errorf(format, args...)}}
	}
	if err := checkHost(host); err != nil {
		return []target{{name: host, err: err}}
	}
	if a, err := netip.ParseAddr(host); err == nil {
		a = a.Unmap()
		switch {
		case !m.wants(a):
			return fail("host %q: is not of the address family asked for", host)
		case a.IsLinkLocalUnicast() && !a.Is4() && a.Zone() == "":
			return fail("host %q: a link-local address needs a zone, as in %s%%eth0", host, host)
		}
		return []target{{name: host, addr: a}}
	}
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return fail("host %q: %s", host, lookupProblem(err))
	}
	var out []target
	both := m.options.v4 && m.options.v6
	seen := map[bool]bool{}
	for _, a := range found {
		a = a.Unmap()
		if !m.wants(a) || seen[a.Is4()] || !both && len(out) > 0 {
			continue
		}
		seen[a.Is4()] = true
		out = append(out, target{name: host, addr: a})
	}
	if len(out) == 0 {
		return fail("host %q: has no address of the family asked for", host)
	}
	return out
}

// checkHost refuses what can't be a host, whatever the network is.
func checkHost(host string) error {
	if host == "" {
		return usagef("host \"\": is empty")
	}
	a, err := netip.ParseAddr(host)
	if a = a.Unmap(); err == nil && (a.IsMulticast() || a.IsUnspecified() || a == netip.AddrFrom4([4]byte{255, 255, 255, 255})) {
		return usagef("host %q: is not the address of one host", host)
	}
	return nil
}

// wants says whether the address's family was asked for.
func (m *measurer) wants(a netip.Addr) bool {
	o := m.options
	if o.src.IsValid() && o.src.Is4() != a.Is4() {
		return false
	}
	if o.v4 == o.v6 {
		return true
	}
	return o.v4 == a.Is4()
}

func lookupProblem(err error) string {
	var dns *net.DNSError
	if errors.As(err, &dns) {
		switch {
		case dns.IsNotFound:
			return "unknown host"
		case dns.IsTimeout:
			return "name lookup timed out"
		}
		return "name lookup failed: " + dns.Err
	}
	if errors.Is(err, context.Canceled) {
		return "interrupted"
	}
	return err.Error()
}
