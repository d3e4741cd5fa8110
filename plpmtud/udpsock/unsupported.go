package udpsock

import (
	"errors"
	"runtime"
)

// Feature names something that not every operating system can do: its text is
// for people.
type Feature string

const (
	FeatureDF         Feature = "don't-fragment without the cached path MTU's veto" // SetDF, ReadDF
	FeatureErrorQueue Feature = "socket error queue"                                // NewErrorQueue
	FeatureCachedMTU  Feature = "cached path MTU"                                   // CachedPathMTU
)

// UnsupportedError reports a feature that this operating system, or this kind
// of socket, does not have. errors.Is(err, errors.ErrUnsupported) holds.
type UnsupportedError struct {
	Feature Feature
	OS      string // as runtime.GOOS
}

func (e *UnsupportedError) Error() string {
	return "udpsock: " + string(e.Feature) + ": not supported on " + e.OS
}

// Is makes errors.Is(err, errors.ErrUnsupported) true.
func (e *UnsupportedError) Is(target error) bool { return target == errors.ErrUnsupported }

func unsupported(f Feature) error {
	return &UnsupportedError{Feature: f, OS: runtime.GOOS}
}
