package udpoptsock_test

import (
	"crypto/rand"
	"fmt"
	"net/netip"
	"time"

	"pathmtu/plpmtud"
	"pathmtu/plpmtud/udpopt"
	"pathmtu/plpmtud/udpopt/udpoptsock"
)

// A Conn is used like any connected UDP socket; the path MTU is discovered beside
// the data. It needs CAP_NET_RAW.
func ExampleDial() {
	loopback := netip.MustParseAddrPort("127.0.0.1:0")
	server, err := udpoptsock.Listen(udpoptsock.ListenConfig{Local: loopback, Respond: udpopt.ResponderConfig{Enabled: true, Interval: time.Millisecond}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()

	cfg := udpopt.Config{Enabled: true, Random: rand.Reader}
	cfg.Remote, _ = netip.ParseAddrPort(server.LocalAddr().String())
	cfg.Path.Max = 9000 - 28
	conn, err := udpoptsock.Dial(cfg)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()

	if _, err := conn.Write([]byte("hello")); err != nil {
		fmt.Println(err)
		return
	}
	b := make([]byte, 100)
	n, _, err := server.ReadFrom(b)
	fmt.Printf("%q %v\n", b[:n], err)

	for conn.Status().State != plpmtud.SearchComplete {
		time.Sleep(time.Millisecond)
	}
	fmt.Println("IP packets of", conn.Status().MTU, "bytes")
	// Output:
	// "hello" <nil>
	// IP packets of 9000 bytes
}
