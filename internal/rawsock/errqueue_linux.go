package rawsock

import (
	"time"

	"golang.org/x/sys/unix"

	"pathmtu/internal/errqueue"
)

// readErrorQueue returns the next ICMP error from the error queue, or EAGAIN.
// Errors of this host are passed over: sending reports them.
func readErrorQueue(fd int, buf, oob []byte) (Message, error) {
	for {
		n, oobn, _, _, err := unix.Recvmsg(fd, buf, oob, unix.MSG_ERRQUEUE)
		if err != nil {
			return Message{}, err
		}
		e, ok := errqueue.Parse(oob[:oobn])
		if !ok || e.Origin != unix.SO_EE_ORIGIN_ICMP && e.Origin != unix.SO_EE_ORIGIN_ICMP6 {
			continue
		}
		m := &ICMPError{Type: e.Type, Code: e.Code, MTU: int(min(e.Info, 1<<31-1))}
		m.Quote.Payload = append([]byte(nil), buf[:n]...)
		return Message{At: time.Now(), From: e.Offender, Error: m}, nil
	}
}
