package udpopt_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"pathmtu/plpmtud/udpopt"
)

// seeded stands for crypto/rand.Reader, so that the output is the same each time.
type seeded struct{ *rand.ChaCha8 }

// A program decodes what it received, user data and options apart.
func ExampleReceive() {
	a, b := netip.MustParseAddrPort("192.0.2.1:5001"), netip.MustParseAddrPort("192.0.2.2:5002")
	packet, err := udpopt.AppendDatagram(nil, a, b, []byte("hello"), udpopt.AppendREQ(nil, 0xcafef00d), 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("% x\n", packet)

	r := udpopt.Receive(a.Addr(), b.Addr(), packet)
	fmt.Printf("%v: %q\n", r.Do, r.UserData)
	for o := range r.Options.All() {
		fmt.Printf("%v % x\n", o.Kind, o.Data)
	}
	// Output:
	// 13 89 13 8a 00 0d 10 eb 68 65 6c 6c 6f 00 3e e4 06 06 ca fe f0 0d
	// deliver: "hello"
	// REQ ca fe f0 0d
}

// Two engines and a path between them that carries IP packets of 1400 bytes and
// drops larger ones without a word.
func ExampleEngine() {
	a, b := netip.MustParseAddrPort("[2001:db8::a]:5001"), netip.MustParseAddrPort("[2001:db8::b]:5002")
	newEngine := func(local, remote netip.AddrPort) *udpopt.Engine {
		e, err := udpopt.New(udpopt.Config{Enabled: true, Local: local, Remote: remote, Random: seeded{rand.NewChaCha8([32]byte{})}})
		if err != nil {
			panic(err)
		}
		return e
	}
	prober, peer := newEngine(a, b), newEngine(b, a)

	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	prober.Start(now)
	for range 1000 {
		if p, ok := prober.Poll(now, nil); ok && 40+len(p) <= 1400 {
			peer.Receive(now, udpopt.Receive(a.Addr(), b.Addr(), p).Options)
		}
		if p, ok := peer.Poll(now, nil); ok {
			prober.Receive(now, udpopt.Receive(b.Addr(), a.Addr(), p).Options)
		}
		now = now.Add(time.Second)
	}
	fmt.Printf("%v, IP packets of %d bytes, %d bytes of user data\n", prober.State(), prober.MTU(), prober.MPS())
	// Output:
	// SEARCH_COMPLETE, IP packets of 1400 bytes, 1352 bytes of user data
}
