package datapath

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/vishvananda/netlink/nl"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// xdpFeatures asks the kernel what interfaces can do with XDP, through the
// generic netlink family "netdev" (Linux 6.3).
type xdpFeatures struct {
	socket *nl.SocketHandle
	family uint16
}

const (
	// enum netdev_xdp_act.
	xdpActXmit   = 1 << 2
	xdpActXmitSG = 1 << 6

	netdevCmdDevGet      = 1
	netdevAttrIfindex    = 1
	netdevAttrXDPFeature = 3
)

// openXDPFeatures opens the socket in the calling thread's namespace.
func openXDPFeatures() (*xdpFeatures, error) {
	s, err := nl.GetNetlinkSocketAt(netns.None(), netns.None(), unix.NETLINK_GENERIC)
	if err != nil {
		return nil, fmt.Errorf("datapath: generic netlink: %w", err)
	}
	x := &xdpFeatures{socket: &nl.SocketHandle{Socket: s}}
	id, err := x.ask(unix.GENL_ID_CTRL, unix.CTRL_CMD_GETFAMILY, nl.NewRtAttr(unix.CTRL_ATTR_FAMILY_NAME, nl.ZeroTerminated("netdev")), unix.CTRL_ATTR_FAMILY_ID)
	if err != nil || len(id) != 2 {
		x.close()
		return nil, &NotSupportedError{Feature: "XDP fast path", Reason: "the kernel can't say which interfaces send XDP frames (needs Linux 6.3)", Err: err}
	}
	x.family = binary.NativeEndian.Uint16(id)
	return x, nil
}

// ask sends one generic netlink request, and returns one attribute of the
// answer; nil: it lacks that.
func (x *xdpFeatures) ask(family uint16, cmd uint8, about *nl.RtAttr, attribute uint16) (value []byte, err error) {
	r := nl.NewNetlinkRequest(int(family), 0)
	r.Sockets = map[int]*nl.SocketHandle{unix.NETLINK_GENERIC: x.socket}
	r.AddData(&nl.Genlmsg{Command: cmd, Version: 1})
	r.AddData(about)
	msgs, err := r.Execute(unix.NETLINK_GENERIC, 0)
	if err != nil {
		return nil, err
	}
	for _, m := range msgs {
		if len(m) < nl.SizeofGenlmsg {
			return nil, errors.New("short generic netlink message")
		}
		attrs, err := nl.ParseRouteAttr(m[nl.SizeofGenlmsg:])
		if err != nil {
			return nil, err
		}
		for _, a := range attrs {
			if a.Attr.Type == attribute {
				value = a.Value
			}
		}
	}
	return value, nil
}

// canSend reports whether the interface can send XDP frames of any size. A
// veth can while its peer has an XDP program or GRO switched on.
func (x *xdpFeatures) canSend(index int) bool {
	b, err := x.ask(x.family, netdevCmdDevGet, nl.NewRtAttr(netdevAttrIfindex, nl.Uint32Attr(uint32(index))), netdevAttrXDPFeature)
	if err != nil || len(b) != 8 {
		return false
	}
	features := binary.NativeEndian.Uint64(b)
	return features&xdpActXmit != 0 && features&xdpActXmitSG != 0
}

func (x *xdpFeatures) close() {
	if x != nil {
		x.socket.Close()
	}
}
