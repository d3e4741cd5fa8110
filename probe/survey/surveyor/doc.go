// Package surveyor runs surveys: it owns the clock, the sockets and the files
// around an Engine of package survey.
//
// A run can be killed at any moment. Results are appended to a file; every few
// seconds a checkpoint names the targets that are finished and the length that
// the file had then. A run that goes on from the checkpoint cuts the file to that
// length and measures what is missing, so that each target has exactly one
// result in the end.
package surveyor
