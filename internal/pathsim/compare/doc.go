// Package compare measures path MTU searches and black-hole detectors against
// one another: those of other implementations (packages stacks and detectors)
// and package plpmtud, which is driven through its public methods on simulated
// paths.
package compare
