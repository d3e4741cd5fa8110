// Package compare runs ways of path MTU discovery against each other over one
// set of networks: classic PMTUD (RFC 8201), DPLPMTUD (RFC 8899), the Minimum
// Path MTU option (RFC 9268), packet truncation (draft-leddy-6man-truncate), and
// combinations of them.
//
//	source == router == router == router == router == destination
//
// The instrument is a simulation on virtual time of the real protocol cores:
// every packet is an IPv6 packet in bytes, built and checked by packages ip6,
// hbh and truncate; every router is an internal/router.Router; the sender's
// state machine is a plpmtud.Path. Only links, clock and application are
// simulated. So a run of many minutes takes milliseconds, and the same seed gives
// the same result on every machine. That the same cores behave so behind real
// sockets and kernels is what the tests in netns-tests are for.
//
// Sizes are whole IP packets in bytes.
package compare
