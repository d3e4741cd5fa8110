// Package repotest holds the rules of this repository as tests: which package
// may import which, that protocol cores neither read a clock nor draw
// randomness nor start goroutines, that every requirement of the
// specifications is traced to a test or to a written exception, and what no
// file may contain.
package repotest
