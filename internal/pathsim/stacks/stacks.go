package stacks

// All returns every stack, in the order of the tables.
func All() []Stack {
	udp := func(name string, f func(Setting) Search) Stack {
		return Stack{Name: name, Transport: udpHeader, New: f}
	}
	return []Stack{
		udp("quic-go", newQuicGo),
		udp("quinn", newQuinn),
		udp("s2n-quic", newS2N),
		udp("quiche(cf)", newQuiche),
		udp("neqo", newNeqo),
		udp("msquic", newMsquic),
		udp("lsquic", newLsquic),
		udp("tquic", newTquic),
		udp("picoquic", newPicoquic),
		udp("ngtcp2", newNgtcp2),
		udp("google-quiche", newGoogle),
		udp("nginx", newNginx),
		{Name: "linux-sctp", New: newSCTP},
		udp("binary(g=1)", func(s Setting) Search { return newBinary(s, 1, false) }),
		udp("binary(g=4)", func(s Setting) Search { return newBinary(s, 4, false) }),
		udp("binary(g=20)", func(s Setting) Search { return newBinary(s, 20, false) }),
		udp("opt-binary(g=4)", func(s Setting) Search { return newBinary(s, 4, true) }),
		udp("Voelker-OptBinary", func(s Setting) Search { return newVoelker(s, true) }),
		udp("Voelker-Binary", func(s Setting) Search { return newVoelker(s, false) }),
	}
}

// ByName returns the stack of that name, and whether there is one.
func ByName(name string) (Stack, bool) {
	for _, s := range All() {
		if s.Name == name {
			return s, true
		}
	}
	return Stack{}, false
}

// Jumbo returns the setting that lets the named stack look for 9000-byte
// packets, where it can, over IPv4 on an interface of that MTU.
func Jumbo(name string) Setting {
	s := Setting{IPHeader: 20, Interface: 9000}
	switch name {
	case "quic-go", "neqo", "linux-sctp", "nginx":
	default:
		s.Max = 8972
	}
	return s
}
