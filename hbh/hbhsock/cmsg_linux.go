package hbhsock

import (
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"

	"pathmtu/hbh"
	"pathmtu/internal/ip6"
)

// maxControl holds the largest Hop-by-Hop header, 2048 bytes, and some other
// control messages.
const maxControl = 2048 + 256

// receiveOptions makes the kernel deliver Hop-by-Hop headers.
func receiveOptions(c syscall.RawConn) error {
	var err error
	if e := c.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_RECVHOPOPTS, 1)
	}); e != nil {
		return e
	}
	if err != nil {
		return fmt.Errorf("hbhsock: setting IPV6_RECVHOPOPTS: %w", err)
	}
	return nil
}

// appendOption appends the control message that attaches o to one packet. The
// kernel fills in the Next Header.
func appendOption(b []byte, o hbh.Option) []byte {
	// struct cmsghdr: length as size_t, level and type as int.
	b = appendWord(b, uint64(unix.CmsgLen(hbh.HeaderLen)))
	b = appendInt(b, unix.IPPROTO_IPV6)
	b = appendInt(b, unix.IPV6_HOPOPTS)
	for range unix.CmsgLen(0) - unix.SizeofCmsghdr {
		b = append(b, 0)
	}
	b = o.AppendHeader(b, 0)
	for range unix.CmsgSpace(hbh.HeaderLen) - unix.CmsgLen(hbh.HeaderLen) {
		b = append(b, 0)
	}
	return b
}

// observe reads the Hop-by-Hop header out of received control messages.
func observe(oob []byte, truncated bool) hbh.Observed {
	if truncated {
		return hbh.Observed{Problem: ip6.Problem{Reason: ip6.HeaderTruncated}}
	}
	for len(oob) > 0 {
		hdr, data, rest, err := unix.ParseOneSocketControlMessage(oob)
		if err != nil {
			return hbh.Observed{Problem: ip6.Problem{Reason: ip6.HeaderTruncated}}
		}
		if hdr.Level == unix.IPPROTO_IPV6 && hdr.Type == unix.IPV6_HOPOPTS {
			return hbh.ObserveHeader(data, ip6.Limits{})
		}
		oob = rest
	}
	return hbh.Observed{}
}

// explain names the missing capability.
func explain(err error, withOption bool) error {
	if err == nil || !withOption {
		return err
	}
	if e, ok := errno(err); ok && (e == unix.EPERM || e == unix.EACCES) {
		return fmt.Errorf("%w: %w", ErrPrivilege, err)
	}
	return err
}
