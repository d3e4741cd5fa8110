// Package wiretap observes the packets of one interface of a lab, so that what a
// stack says about itself can be held against what it sends.
package wiretap
