// Program first sends numbered datagrams, as large as the path carries.
//
//	first serve ADDRESS:PORT    acknowledges each by its number
//	first ADDRESS:PORT          sends, and says how much fits
package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log"
	"net"
	"net/netip"
	"os"
	"time"

	"pathmtu/plpmtud"
	"pathmtu/plpmtud/udppath"
	"pathmtu/plpmtud/udpsock"
)

const header = 8 // of this protocol: the number

type packet struct {
	sent  time.Time
	size  int
	probe plpmtud.ProbeID // 0: data
}

func main() {
	switch {
	case len(os.Args) == 3 && os.Args[1] == "serve":
		serve(netip.MustParseAddrPort(os.Args[2]))
	case len(os.Args) == 2:
		send(netip.MustParseAddrPort(os.Args[1]))
	default:
		log.Fatal("usage: first [serve] ADDRESS:PORT")
	}
}

func serve(at netip.AddrPort) {
	u, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
	check(err)
	b := make([]byte, 65535)
	for {
		n, from, err := u.ReadFromUDPAddrPort(b)
		check(err)
		if n >= header {
			_, err = u.WriteToUDPAddrPort(b[:header], from)
			check(err)
		}
	}
}

func send(to netip.AddrPort) {
	u, err := net.ListenUDP("udp", nil)
	check(err)
	c, err := udppath.New(u, to, udppath.Config{}) // (1) nothing is fragmented, ICMP messages are checked
	check(err)
	most, err := c.Max() // (2) the interface bounds the search
	check(err)
	path, err := plpmtud.New(plpmtud.Config{ // (3)
		Overhead:      c.Overhead(),
		Max:           min(most, 9000-c.Overhead()),
		Header:        header,
		RaiseInterval: 10 * time.Second,
		Trace: func(e plpmtud.Event) {
			if e.Kind == plpmtud.SizeChange {
				fmt.Printf("%5d bytes fit (%v)\n", e.New, e.Cause)
			}
		},
	})
	check(err)
	path.Start(time.Now(), 0) // (4) the peer is there; no size is confirmed yet

	flight := map[uint64]packet{}
	number, acked := uint64(0), uint64(0)
	in, out := make([]byte, 65535), make([]byte, 65535)
	transmit := func(p packet) {
		number++
		binary.BigEndian.PutUint64(out, number)
		flight[number] = p
		if _, err := c.Write(out[:p.size]); udpsock.IsMessageTooLong(err) {
			path.SetMax(time.Now(), c.MaxBelow(p.size)) // (5) the interface has become smaller
		}
	}
	for {
		now := time.Now()
		hints, err := c.Hints()
		check(err)
		for _, h := range hints {
			path.Hint(now, h) // (6) a router said that something was too big
		}
		if probe, due := path.Poll(now); due { // (7) a probe is a datagram like others
			transmit(packet{now, probe.Size, probe.ID})
		}
		transmit(packet{sent: now, size: header + path.MPS()}) // (8) data, as much as fits
		transmit(packet{sent: now, size: 100})                 // and a small message

		check(c.SetReadDeadline(now.Add(10 * time.Millisecond)))
		for {
			n, err := c.Read(in)
			if errors.Is(err, os.ErrDeadlineExceeded) {
				break
			}
			check(err)
			if n < header {
				continue
			}
			i := binary.BigEndian.Uint64(in)
			p, ok := flight[i]
			switch {
			case !ok:
				continue
			case p.probe != 0:
				path.Acked(time.Now(), p.probe) // (9)
			default:
				path.PacketAcked(time.Now(), p.size, p.sent)
			}
			delete(flight, i)
			acked = max(acked, i)
		}
		for i, p := range flight { // lost: three later ones are acknowledged, or half a second is over
			switch {
			case i+3 > acked && time.Since(p.sent) < 500*time.Millisecond:
				continue
			case p.probe != 0:
				path.Lost(time.Now(), p.probe) // (10)
			default:
				path.PacketLost(time.Now(), p.size, p.sent)
			}
			delete(flight, i)
		}
	}
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
