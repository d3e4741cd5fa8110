package hbh_test

import (
	"fmt"
	"time"

	"pathmtu/hbh"
	"pathmtu/internal/ip6"
	"pathmtu/internal/ip6/ip6test"
)

// A router rewrites the option once it knows the outgoing link.
func ExampleRewrite() {
	p := ip6test.Packet(ip6.ProtoUDP, ip6test.UDP(0), ip6test.Ext{
		Type: ip6.ProtoHopByHop,
		Body: hbh.Option{Min: 9000, R: true}.AppendHeader(nil, 0),
	})
	for _, link := range []int{9000, 4000, 1500, 9000} {
		r := hbh.Rewrite(p, link, ip6.Limits{})
		fmt.Println(link, "lowered:", r.Lowered, "Min-PMTU:", hbh.Observe(p, ip6.Limits{}).Min)
	}
	// Output:
	// 9000 lowered: 0 Min-PMTU: 9000
	// 4000 lowered: 1 Min-PMTU: 4000
	// 1500 lowered: 1 Min-PMTU: 1500
	// 9000 lowered: 0 Min-PMTU: 1500
}

// Two hosts: one asks, the other answers, and the one that asked has a hint.
func ExampleFlow() {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	client, _ := hbh.NewFlow(hbh.FlowConfig{LinkMTU: 9000, Ask: true})
	server, _ := hbh.NewFlow(hbh.FlowConfig{LinkMTU: 9000})
	client.Start(now)

	request, _ := client.Poll(now)
	fmt.Println("request:", request)
	request.Min = 4000 // what the routers make of it
	server.Received(now, hbh.ObserveHeader(request.AppendHeader(nil, 0), ip6.Limits{}))

	reply, _ := server.Poll(now)
	fmt.Println("reply:", reply)
	report := client.Received(now, hbh.ObserveHeader(reply.AppendHeader(nil, 0), ip6.Limits{}))
	fmt.Println("hint:", report.MTU)
	fmt.Println("asks again after:", client.Next().Sub(now))
	// Output:
	// request: Min-PMTU 9000, Rtn-PMTU 0, R
	// reply: Min-PMTU 9000, Rtn-PMTU 4000
	// hint: 4000
	// asks again after: 10m0s
}
