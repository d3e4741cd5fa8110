package netlab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// readyWithin bounds the wait for links to carry packets.
const readyWithin = 10 * time.Second

// ifname names the interface of a node on a link after the neighbour; further
// links to the same neighbour get a number.
func (lab *Lab) ifname(node string, link int) string {
	_, far := lab.Topology.Links[link].sides(node)
	before := 0
	for _, l := range lab.Topology.Links[:link] {
		if near, other := l.sides(node); near.Node == node && other.Node == far.Node {
			before++
		}
	}
	if before == 0 {
		return "to-" + far.Node
	}
	return fmt.Sprintf("to-%s-%d", far.Node, before+1)
}

func (lab *Lab) addLink(i int, l Link) error {
	if l.Delay != nil {
		if err := lab.addDelayLink(i, l); err != nil {
			return err
		}
	} else if err := lab.addVeth(i, l); err != nil {
		return err
	}
	for _, e := range []End{l.A, l.B} {
		if err := lab.configureEnd(i, e); err != nil {
			return fmt.Errorf("end at %q: %w", e.Node, err)
		}
	}
	if l.Delay != nil {
		return nil
	}
	return lab.introduce(i, l)
}

// addVeth creates both interfaces in place: neither is ever seen in the
// namespace of this process.
func (lab *Lab) addVeth(i int, l Link) error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU = lab.ifname(l.A.Node, i), l.A.MTU
	veth := netlink.NewVeth(attrs)
	veth.PeerName, veth.PeerMTU = lab.ifname(l.B.Node, i), uint32(l.B.MTU)
	veth.PeerNamespace = netlink.NsFd(lab.nodes[l.B.Node].Fd())
	if err := lab.nodes[l.A.Node].nl.LinkAdd(veth); err != nil {
		return fmt.Errorf("create veth: %w", err)
	}
	for _, e := range []End{l.A, l.B} {
		name := lab.ifname(e.Node, i)
		if err := lab.nodes[e.Node].Do(func() error { return offloadsOff(name) }); err != nil {
			return err
		}
	}
	return nil
}

func (lab *Lab) configureEnd(i int, e End) error {
	n := lab.nodes[e.Node]
	link, err := n.nl.LinkByName(lab.ifname(e.Node, i))
	if err != nil {
		return err
	}
	if err := n.nl.LinkSetMTU(link, e.MTU); err != nil {
		return fmt.Errorf("MTU %d: %w", e.MTU, err)
	}
	if err := n.nl.LinkSetUp(link); err != nil {
		return err
	}
	for _, p := range e.Addrs {
		addr := &netlink.Addr{IPNet: &net.IPNet{IP: p.Addr().AsSlice(), Mask: cidrMask(p)}}
		if p.Addr().Is6() {
			addr.Flags = unix.IFA_F_NODAD
		}
		if err := n.nl.AddrAdd(link, addr); err != nil {
			return fmt.Errorf("address %v: %w", p, err)
		}
	}
	return nil
}

// introduce tells each end the other's link-layer address, so that no packet
// waits for, or is lost to, neighbour discovery.
func (lab *Lab) introduce(i int, l Link) error {
	for _, pair := range [][2]End{{l.A, l.B}, {l.B, l.A}} {
		near, far := pair[0], pair[1]
		there, err := lab.nodes[far.Node].nl.LinkByName(lab.ifname(far.Node, i))
		if err != nil {
			return err
		}
		here, err := lab.nodes[near.Node].nl.LinkByName(lab.ifname(near.Node, i))
		if err != nil {
			return err
		}
		for _, p := range far.Addrs {
			err := lab.nodes[near.Node].nl.NeighSet(&netlink.Neigh{
				LinkIndex:    here.Attrs().Index,
				State:        netlink.NUD_PERMANENT,
				IP:           p.Addr().AsSlice(),
				HardwareAddr: there.Attrs().HardwareAddr,
			})
			if err != nil {
				return fmt.Errorf("neighbour %v of %q: %w", p.Addr(), near.Node, err)
			}
		}
	}
	return nil
}

// waitReady polls until every link is up, which the kernel decides after the
// call that asked for it, and no address is tentative.
func (lab *Lab) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	for {
		waiting, err := lab.notReady()
		if err != nil || waiting == "" {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not ready, %s: %w", waiting, context.Cause(ctx))
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// notReady says what there is to wait for, "" for nothing.
func (lab *Lab) notReady() (string, error) {
	for i, l := range lab.Topology.Links {
		for _, e := range []End{l.A, l.B} {
			n, name := lab.nodes[e.Node], lab.ifname(e.Node, i)
			link, err := n.nl.LinkByName(name)
			if err != nil {
				return "", err
			}
			// A TUN device reports no operational state, only a carrier.
			if s := link.Attrs().OperState; s != netlink.OperUp && !(l.Delay != nil && s == netlink.OperUnknown) {
				return fmt.Sprintf("%s of %s is %s", name, e.Node, s), nil
			}
			addrs, err := n.nl.AddrList(link, netlink.FAMILY_V6)
			if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
				return "", err
			}
			for _, a := range addrs {
				if a.Flags&unix.IFA_F_TENTATIVE != 0 {
					return fmt.Sprintf("%v of %s is tentative", a.IP, e.Node), nil
				}
			}
		}
	}
	return "", nil
}

func cidrMask(p netip.Prefix) net.IPMask { return net.CIDRMask(p.Bits(), p.Addr().BitLen()) }
