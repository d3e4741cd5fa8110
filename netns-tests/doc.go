// Package netnstests measures across network namespaces, with the real program,
// kernel routers and independent peers.
//
//	cli ==edge== r1 --bottleneck-- r2 ==edge== srv
//	             `- packet-too-big: delivered, filtered or lying
//
// It holds tests only. They need root and, as the oracle, scamper (Debian
// package scamper):
//
//	go test ./netns-tests/
//
// With -v every path shows the ground truth, what the program found and what
// the oracle found side by side. With CI=true in the environment a test that
// lacks something fails instead of being skipped.
package netnstests
