package internet

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"pathmtu/internal/netlab"
)

// Device is the name of the interface that leads into the simulated Internet.
const Device = "internet"

// Lab is a namespace whose only way out is a simulated Internet. Its methods
// may be called concurrently, except Close.
type Lab struct {
	*netlab.LiveNode

	lab  *netlab.Lab
	loop *loop
}

// Build makes the namespace and starts to answer. It needs what netlab.Build
// needs, and /dev/net/tun.
func Build(ctx context.Context, w *World) (*Lab, error) {
	const node = "scanner"
	lab, err := netlab.Build(ctx, netlab.Topology{Name: "internet", Nodes: []netlab.Node{{Name: node}}})
	if err != nil {
		return nil, err
	}
	l := &Lab{LiveNode: lab.Node(node), lab: lab}
	var tap *os.File
	err = l.Do(func() (err error) {
		tap, err = openTAP(Device)
		return err
	})
	if err == nil {
		err = configure(l.Namespace, w.cfg.Edge)
	}
	if err == nil {
		l.loop, err = start(w, tap)
	}
	if err != nil {
		if tap != nil {
			err = errors.Join(err, tap.Close())
		}
		return nil, errors.Join(fmt.Errorf("build a simulated internet: %w", err), lab.Close())
	}
	return l, nil
}

func configure(ns *netlab.Namespace, mtu int) error {
	nl, err := netlink.NewHandleAt(netns.NsHandle(ns.Fd()), unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer nl.Close()
	link, err := nl.LinkByName(Device)
	if err != nil {
		return err
	}
	const queue = 20000 // packets; what a scanner sends at once must not be lost here
	err = errors.Join(nl.LinkSetHardwareAddr(link, scannerMAC[:]), nl.LinkSetMTU(link, mtu), nl.LinkSetTxQLen(link, queue), nl.LinkSetUp(link))
	if err != nil {
		return err
	}
	for a, gateway := range map[netip.Addr]netip.Addr{Source4: Gateway4, Source6: Gateway6} {
		bits := 24
		if a.Is6() {
			bits = 64
		}
		addr := &netlink.Addr{IPNet: &net.IPNet{IP: a.AsSlice(), Mask: net.CIDRMask(bits, a.BitLen())}}
		everywhere := &net.IPNet{IP: make(net.IP, a.BitLen()/8), Mask: net.CIDRMask(0, a.BitLen())}
		if a.Is6() {
			addr.Flags = unix.IFA_F_NODAD
		}
		if err := nl.AddrAdd(link, addr); err != nil {
			return fmt.Errorf("address %v: %w", a, err)
		}
		err := nl.NeighSet(&netlink.Neigh{LinkIndex: link.Attrs().Index, State: netlink.NUD_PERMANENT, IP: gateway.AsSlice(), HardwareAddr: gatewayMAC[:]})
		if err != nil {
			return fmt.Errorf("neighbour %v: %w", gateway, err)
		}
		if err := nl.RouteReplace(&netlink.Route{LinkIndex: link.Attrs().Index, Dst: everywhere, Gw: gateway.AsSlice()}); err != nil {
			return fmt.Errorf("route of %v: %w", a, err)
		}
	}
	return nil
}

// Usage is what a Lab has done, and what it took.
type Usage struct {
	Stats
	NoRoom uint64        `json:"no_room"` // answers dropped because too many were on their way
	CPU    time.Duration `json:"cpu_ns"`
}

// Usage returns what was counted so far.
func (l *Lab) Usage() Usage { return l.loop.snapshot() }

// Close ends the simulation and removes the namespace.
func (l *Lab) Close() error {
	return errors.Join(l.loop.close(), l.lab.Close())
}
