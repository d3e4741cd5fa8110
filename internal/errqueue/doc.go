// Package errqueue decodes what Linux puts into the error queue of a socket
// (IP_RECVERR, IPV6_RECVERR; ip(7), ipv6(7)). It judges nothing: who claims what
// about which packet is for the caller to believe.
package errqueue
