package rawsock

import (
	"context"
	"encoding/binary"
	"errors"
	"unsafe"

	"golang.org/x/sys/unix"
)

// errNoSocket is for flows that send through a hub.
var errNoSocket = errors.New("the flow has no socket of its own")

// SendLimited is Send with another TTL or hop limit, 1 to 255, for this packet
// only. The flow has to have a socket of its own, as those of UDP do.
func (f *Flow) SendLimited(b []byte, hopLimit int) error {
	if f.conn == nil {
		return sendError(errNoSocket)
	}
	control := hopLimitControl(f.dst.Is4(), hopLimit)
	var err error
	for range 3 { // see Send
		_, _ = f.conn.GetsockoptInt(unix.SOL_SOCKET, unix.SO_ERROR)
		if _, err = f.conn.Sendmsg(context.Background(), b, control, nil, 0); err == nil {
			return nil
		}
	}
	return sendError(err)
}

// hopLimitControl is the control message that sets the hop limit of one packet.
func hopLimitControl(v4 bool, hopLimit int) []byte {
	const length = 4
	b := make([]byte, unix.CmsgSpace(length))
	h := (*unix.Cmsghdr)(unsafe.Pointer(&b[0]))
	h.Level, h.Type = unix.IPPROTO_IPV6, unix.IPV6_HOPLIMIT
	if v4 {
		h.Level, h.Type = unix.IPPROTO_IP, unix.IP_TTL
	}
	h.SetLen(unix.CmsgLen(length))
	binary.NativeEndian.PutUint32(b[unix.CmsgLen(0):], uint32(hopLimit))
	return b
}
