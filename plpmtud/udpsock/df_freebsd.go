package udpsock

// v6CoversMapped: a dual-stack socket's IPv4 datagrams follow IP_DONTFRAG,
// which can't be set on it.
func v6CoversMapped() bool { return false }
