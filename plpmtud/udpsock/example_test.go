//go:build linux

package udpsock_test

import (
	"fmt"
	"net"
	"net/netip"
	"time"

	"pathmtu/plpmtud/udpsock"
)

// A socket that is ready to probe: don't-fragment is confirmed, the first hop's
// MTU is known, and ICMP messages are matched with what was sent.
func Example() {
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		panic(err)
	}
	defer c.Close()
	dst := c.LocalAddr().(*net.UDPAddr).AddrPort()

	df, err := udpsock.SetDF(c)
	if err != nil {
		panic(err)
	}
	fmt.Println("don't fragment:", df, "may probe:", df.MayProbe(dst.Addr()))

	ring := udpsock.NewRing(64)
	queue, err := udpsock.NewErrorQueue(c, udpsock.QueueConfig{Match: ring.Match})
	if err != nil {
		panic(err)
	}

	probe := make([]byte, 1200)
	size := len(probe) + udpsock.FamilyOf(dst.Addr()).Overhead()
	ring.Add(time.Now(), udpsock.Sent{ID: 1, Dst: dst, Size: size}, probe)
	if err := udpsock.NewSender(c).SendAlone(probe, dst); udpsock.IsMessageTooLong(err) {
		fmt.Println("larger than the interface allows")
	}
	err = queue.Read(time.Now(), func(n udpsock.Notice) {
		fmt.Println(n.Kind, n.MTU, "from", n.Offender)
	})
	fmt.Println(err, queue.Stats().Accepted)

	hop, err := udpsock.FirstHop(netip.MustParseAddr("127.0.0.1"), netip.Addr{})
	fmt.Println(hop.Interface, hop.MTU > 1500, err)
	// Output:
	// don't fragment: IPv4 confirmed, IPv6 none may probe: true
	// <nil> 0
	// lo true <nil>
}
