package udpsock

// IsMessageTooLong says whether a socket call failed because of a datagram's
// size: EMSGSIZE, or WSAEMSGSIZE on Windows.
//
// On a send it is a certain local answer only if no ICMP error was pending on
// the socket: Sender.SendAlone sees to that. On a receive it says nothing about
// the call: an ICMP message about an earlier send is reported there, or, on
// Windows, the datagram was longer than the buffer. See IsPending.
func IsMessageTooLong(err error) bool { return isMessageTooLong(err) }

// IsPending says whether an error that a receive or a send returned is one that
// systems report because of an earlier send: an ICMP message came back. The
// socket is alive and the call can be repeated; a receive loop must not end
// because of it.
func IsPending(err error) bool { return isPending(err) }

// IsRefused says whether an error means that nobody listens at the peer's port:
// an ICMP message said so. IsPending holds for it as well.
func IsRefused(err error) bool { return isRefused(err) }
