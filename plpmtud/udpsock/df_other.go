//go:build !linux && !darwin && !freebsd && !windows

package udpsock

func families(uintptr) (v4, v6 bool, err error) { return false, false, unsupported(FeatureDF) }

func dfSet(uintptr, Family, bool) error { return unsupported(FeatureDF) }

func dfGet(uintptr, Family, bool) (DFState, error) { return DFOff, unsupported(FeatureDF) }
