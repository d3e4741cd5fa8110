package netlab

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Lab is a topology that stands. Its methods may be called concurrently,
// except Close.
type Lab struct {
	Topology Topology
	ID       string // the topology's name and a random suffix

	nodes  map[string]*LiveNode
	delays []*delayLink
}

// LiveNode is a node of a lab that stands.
type LiveNode struct {
	*Namespace
	Node Node

	nl *netlink.Handle
}

// Build makes the namespaces, links, routes and filters of a topology and
// returns when all of them carry packets. Nothing remains when it fails. It
// needs CAP_NET_ADMIN and CAP_SYS_ADMIN: see [Capable] and [Reexec].
func Build(ctx context.Context, t Topology) (*Lab, error) {
	if err := t.Validate(); err != nil {
		return nil, err
	}
	var suffix [3]byte
	if _, err := rand.Read(suffix[:]); err != nil {
		return nil, err
	}
	lab := &Lab{Topology: t, ID: t.Name + "-" + hex.EncodeToString(suffix[:]), nodes: map[string]*LiveNode{}}
	if err := lab.build(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("build topology %q: %w", t.Name, err), lab.Close())
	}
	return lab, nil
}

func (lab *Lab) build(ctx context.Context) error {
	for _, n := range lab.Topology.Nodes {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := lab.addNode(n); err != nil {
			return fmt.Errorf("node %q: %w", n.Name, err)
		}
	}
	for i, l := range lab.Topology.Links {
		if err := lab.addLink(i, l); err != nil {
			return fmt.Errorf("link %d (%s-%s): %w", i, l.A.Node, l.B.Node, err)
		}
	}
	for i, r := range lab.Topology.Routes {
		if err := lab.addRoute(r); err != nil {
			return fmt.Errorf("route %d (%s: %v via %v): %w", i, r.Node, r.Dst, r.Via, err)
		}
	}
	for _, n := range lab.nodes {
		if err := lab.applyFilters(n); err != nil {
			return fmt.Errorf("filters of node %q: %w", n.Node.Name, err)
		}
	}
	return lab.waitReady(ctx)
}

func (lab *Lab) addNode(n Node) error {
	ns, err := newNamespace()
	if err != nil {
		return err
	}
	live := &LiveNode{Namespace: ns, Node: n}
	lab.nodes[n.Name] = live
	if live.nl, err = netlink.NewHandleAt(netns.NsHandle(ns.Fd()), unix.NETLINK_ROUTE); err != nil {
		return fmt.Errorf("netlink: %w", err)
	}
	if err := ns.Do(func() error { return applySysctls(n) }); err != nil {
		return err
	}
	lo, err := live.nl.LinkByName("lo")
	if err != nil {
		return err
	}
	return live.nl.LinkSetUp(lo)
}

func (lab *Lab) addRoute(r Route) error {
	n := lab.nodes[r.Node]
	dst := &net.IPNet{IP: r.Dst.Addr().AsSlice(), Mask: cidrMask(r.Dst)}
	return n.nl.RouteReplace(&netlink.Route{Dst: dst, Gw: r.Via.AsSlice()})
}

// Node returns a node by name, nil if there is none.
func (lab *Lab) Node(name string) *LiveNode { return lab.nodes[name] }

// Addr returns the first address of a node in one family: 4 or 6.
func (lab *Lab) Addr(node string, family int) (netip.Addr, bool) {
	return lab.Topology.Addr(node, family)
}

// SetMTU changes the MTU of what one node sends to a neighbour, in bytes, while
// the lab stands.
func (lab *Lab) SetMTU(node, neighbour string, mtu int) error {
	n := lab.nodes[node]
	if n == nil {
		return fmt.Errorf("set MTU: unknown node %q", node)
	}
	for i, l := range lab.Topology.Links {
		near, far := l.sides(node)
		if near.Node != node || far.Node != neighbour {
			continue
		}
		link, err := n.nl.LinkByName(lab.ifname(node, i))
		if err != nil {
			return err
		}
		if err := n.nl.LinkSetMTU(link, mtu); err != nil {
			return fmt.Errorf("set MTU %d of %s towards %s: %w", mtu, node, neighbour, err)
		}
		return nil
	}
	return fmt.Errorf("set MTU: no link from %q to %q", node, neighbour)
}

// Close takes the lab down. It may be called more than once. A lab that was
// given a name stays, without this process: see [Remove].
func (lab *Lab) Close() error {
	var errs []error
	for _, d := range lab.delays {
		errs = append(errs, d.Close())
	}
	lab.delays = nil
	for _, n := range lab.nodes {
		if n.nl != nil {
			n.nl.Close()
			n.nl = nil
		}
		errs = append(errs, n.Namespace.Close())
	}
	return errors.Join(errs...)
}
