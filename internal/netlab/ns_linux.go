package netlab

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"

	"golang.org/x/sys/unix"
)

const ownNetNS = "/proc/thread-self/ns/net"

// Namespace is a network namespace, held open by a file descriptor. It is safe
// for concurrent use until Close.
type Namespace struct {
	f *os.File
}

// newNamespace makes an anonymous namespace. It exists as long as the
// descriptor, or a process or bind mount in it, does.
func newNamespace() (*Namespace, error) {
	var ns *Namespace
	err := onOwnThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("create network namespace: %w", privilege(err))
		}
		f, err := os.Open(ownNetNS)
		if err != nil {
			return err
		}
		ns = &Namespace{f: f}
		return nil
	})
	return ns, err
}

// Fd returns the descriptor, for sockets and netlink handles that are made in
// the namespace from outside.
func (ns *Namespace) Fd() int { return int(ns.f.Fd()) }

// Path returns a path that names the namespace for as long as this process
// holds it: for nsenter --net=PATH.
func (ns *Namespace) Path() string { return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), ns.Fd()) }

// Do runs f with the calling goroutine's thread inside the namespace. Sockets
// that f makes belong to the namespace and stay usable after it. Goroutines
// that f starts run outside, so f must not leave dialing or listening to one.
func (ns *Namespace) Do(f func() error) error {
	return onOwnThread(func() error {
		if err := unix.Setns(ns.Fd(), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("enter network namespace: %w", err)
		}
		return f()
	})
}

// Start starts cmd as a child in the namespace, as cmd.Start does.
func (ns *Namespace) Start(cmd *exec.Cmd) error { return ns.Do(cmd.Start) }

// Run runs a program in the namespace to its end and returns its output. When
// ctx ends first the program is interrupted, then killed.
func (ns *Namespace) Run(ctx context.Context, name string, args ...string) (stdout, stderr []byte, err error) {
	cmd := Command(ctx, name, args...)
	var out, errOut limitedBuffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := ns.Start(cmd); err != nil {
		return nil, nil, err
	}
	err = cmd.Wait()
	return out.Bytes(), errOut.Bytes(), err
}

// Close lets go of the namespace. It may be called more than once.
func (ns *Namespace) Close() error {
	if ns.f == nil {
		return nil
	}
	err := ns.f.Close()
	ns.f = nil
	return err
}

// onOwnThread runs f with its thread locked and puts the thread back into the
// network namespace it came from. A thread that can't be put back stays locked:
// the runtime then ends it with its goroutine, so that no other goroutine ever
// runs in the wrong namespace.
func onOwnThread(f func() error) (err error) {
	runtime.LockOSThread()
	home, err := os.Open(ownNetNS)
	if err != nil {
		runtime.UnlockOSThread()
		return err
	}
	defer func() {
		if back := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); back != nil {
			if err == nil {
				err = fmt.Errorf("leave network namespace: %w", back)
			}
		} else {
			runtime.UnlockOSThread()
		}
		home.Close()
	}()
	return f()
}
