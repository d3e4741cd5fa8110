package datapath

import (
	"errors"
	"fmt"
	"net/netip"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// proxy makes the kernel answer Neighbor Solicitations for addresses that a
// host in user space owns, without owning them itself: it then neither answers
// nor refuses packets to them.
type proxy struct {
	h       *netlink.Handle
	entries []netlink.Neigh
}

// openProxy adds the addresses to an interface of the calling thread's
// namespace.
func openProxy(h *netlink.Handle, in Info, addrs []netip.Addr) (_ *proxy, err error) {
	p := &proxy{h: h}
	defer func() {
		if err != nil {
			p.close()
		}
	}()
	for file, value := range map[string]string{
		"/proc/sys/net/ipv6/conf/" + in.Name + "/proxy_ndp":    "1",
		"/proc/sys/net/ipv6/neigh/" + in.Name + "/proxy_delay": "0",
	} {
		if err := os.WriteFile(file, []byte(value), 0); err != nil {
			return nil, fmt.Errorf("datapath: proxy for Neighbor Discovery: %w", err)
		}
	}
	for _, a := range addrs {
		n := netlink.Neigh{LinkIndex: in.Index, Family: unix.AF_INET6, Flags: netlink.NTF_PROXY, IP: a.AsSlice()}
		if err := h.NeighAdd(&n); err != nil && !errors.Is(err, unix.EEXIST) {
			return nil, fmt.Errorf("datapath: proxy for %v on %s: %w", a, in.Name, err)
		}
		p.entries = append(p.entries, n)
	}
	return p, nil
}

func (p *proxy) close() {
	for i := range p.entries {
		_ = p.h.NeighDel(&p.entries[i])
	}
	p.entries = nil
}
