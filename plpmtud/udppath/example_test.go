//go:build linux

package udppath_test

import (
	"encoding/binary"
	"fmt"
	"net"
	"time"

	"pathmtu/plpmtud"
	"pathmtu/plpmtud/udppath"
)

// A protocol whose peer acknowledges each datagram by its first four bytes.
func Example() {
	peer, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		panic(err)
	}
	defer peer.Close()
	go func() {
		b := make([]byte, 65535)
		for {
			n, from, err := peer.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			_, _ = peer.WriteToUDPAddrPort(b[:min(n, 4)], from)
		}
	}()

	u, err := net.ListenUDP("udp4", nil)
	if err != nil {
		panic(err)
	}
	c, err := udppath.New(u, peer.LocalAddr().(*net.UDPAddr).AddrPort(), udppath.Config{})
	if err != nil {
		panic(err)
	}
	defer c.Close()
	most, err := c.Max()
	if err != nil {
		panic(err)
	}
	path, err := plpmtud.New(plpmtud.Config{Overhead: c.Overhead(), Max: min(most, 9000-c.Overhead())})
	if err != nil {
		panic(err)
	}
	path.Start(time.Now(), 0)
	in, out := make([]byte, 65535), make([]byte, 65535)
	for path.State() != plpmtud.SearchComplete {
		now := time.Now()
		hints, err := c.Hints()
		if err != nil {
			panic(err)
		}
		for _, h := range hints {
			path.Hint(now, h)
		}
		probe, due := path.Poll(now)
		if !due { // a real protocol has something else to do until then
			time.Sleep(time.Until(path.Next()))
			continue
		}
		binary.BigEndian.PutUint32(out, uint32(probe.ID))
		if _, err := c.Write(out[:probe.Size]); err != nil {
			panic(err)
		}
		if err := c.SetReadDeadline(now.Add(time.Second)); err != nil {
			panic(err)
		}
		if n, err := c.Read(in); err != nil || n < 4 {
			path.Lost(time.Now(), probe.ID)
			continue
		}
		path.Acked(time.Now(), plpmtud.ProbeID(binary.BigEndian.Uint32(in)))
	}
	fmt.Println(path.State(), path.PLPMTU(), "bytes of UDP payload")
	// Output: SEARCH_COMPLETE 8972 bytes of UDP payload
}
