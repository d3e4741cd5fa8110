package plpmtud_test

import (
	"fmt"
	"time"

	"pathmtu/plpmtud"
)

// A protocol with acknowledgements of its own, over UDP and IPv4, on a path
// that carries IP packets of up to 1420 bytes.
func Example() {
	const pathMTU = 1420
	path, err := plpmtud.New(plpmtud.Config{Overhead: 28})
	if err != nil {
		fmt.Println(err)
		return
	}
	now := time.Unix(0, 0)    // the caller's clock
	path.Start(now, 1200)     // a handshake of 1200 bytes was answered
	path.SetMax(now, 1500-28) // the interface's MTU
	for range 20 {
		now = now.Add(50 * time.Millisecond) // a round trip
		probe, due := path.Poll(now)
		switch {
		case !due:
		case probe.Size+28 <= pathMTU:
			path.Acked(now, probe.ID)
		default:
			path.Lost(now, probe.ID)
		}
	}
	fmt.Println(path.State(), path.MTU() > pathMTU*998/1000 && path.MTU() <= pathMTU)
	// Output: SEARCH_COMPLETE true
}

// A router's Packet Too Big, validated by the caller, shortens the search: the
// size that it names is probed next, and used once that probe is acknowledged.
func ExamplePath_Hint() {
	path, _ := plpmtud.New(plpmtud.Config{Overhead: 48, Max: 9000 - 48})
	now := time.Unix(0, 0)
	path.Start(now, 1200)
	path.Poll(now)
	path.Hint(now, plpmtud.Hint{Source: plpmtud.PacketTooBig, MTU: 1492})
	fmt.Println("in use:", path.MTU())
	probe, _ := path.Poll(now)
	path.Acked(now, probe.ID)
	fmt.Println("in use:", path.MTU())
	// Output:
	// in use: 1248
	// in use: 1492
}
