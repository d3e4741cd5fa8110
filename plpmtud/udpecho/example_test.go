package udpecho_test

import (
	"fmt"
	"net"
	"time"

	"pathmtu/plpmtud/udpecho"
)

// Two applications that talk over UDP. Nothing changes for them but that they
// learn how large a datagram may be.
func Example() {
	listen := func() *udpecho.Conn {
		u, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			panic(err)
		}
		c, err := udpecho.Wrap(u, udpecho.Config{
			Key: []byte("a secret that both ends know"),
			Max: 9000, // the loopback carries even more
		})
		if err != nil {
			panic(err)
		}
		return c
	}
	server, client := listen(), listen()
	defer server.Close()
	defer client.Close()

	go func() { // a service that answers
		buf := make([]byte, 65535)
		for {
			n, from, err := server.ReadFrom(buf)
			if err != nil {
				return
			}
			server.WriteTo([]byte("got "+string(buf[:n])), from)
		}
	}()

	to := server.LocalAddr().(*net.UDPAddr)
	fmt.Println("assumed:", client.MaxPayload(to.AddrPort()), "bytes")
	buf := make([]byte, 65535)
	var reply string
	client.SetReadDeadline(time.Now().Add(10 * time.Second))
	for end := time.Now().Add(10 * time.Second); client.MaxPayload(to.AddrPort()) < 8972 && time.Now().Before(end); {
		client.WriteTo([]byte("a question"), to)
		n, _, err := client.ReadFrom(buf)
		if err != nil {
			panic(err)
		}
		reply = string(buf[:n])
	}
	fmt.Println("reply:", reply)
	fmt.Println("found:", client.MaxPayload(to.AddrPort()), "bytes")
	// Output:
	// assumed: 1200 bytes
	// reply: got a question
	// found: 8972 bytes
}
