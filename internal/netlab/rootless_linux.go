package netlab

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// needed are the capabilities that building a lab takes.
const needed = "CAP_NET_ADMIN and CAP_SYS_ADMIN"

// reexecMark is set in the environment of a program that Reexec started.
const reexecMark = "PMTU_LAB_REEXEC"

// PrivilegeError says which privilege is missing and what to do instead.
type PrivilegeError struct {
	Need        string // the capabilities
	Alternative string
	Err         error
}

// Error names the cause, the capabilities and the alternative.
func (e *PrivilegeError) Error() string {
	return fmt.Sprintf("%v (needs %s; %s)", e.Err, e.Need, e.Alternative)
}

// Unwrap returns the cause.
func (e *PrivilegeError) Unwrap() error { return e.Err }

// privilege wraps an error that is a lack of privilege, and no other.
func privilege(err error) error {
	var already *PrivilegeError
	if !errors.Is(err, fs.ErrPermission) || errors.As(err, &already) {
		return err
	}
	return &PrivilegeError{
		Need:        needed,
		Alternative: "run as root, or as a user who may create user namespaces",
		Err:         err,
	}
}

// Capable reports whether this process holds the capabilities that Build needs.
func Capable() bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return false
	}
	const need = 1<<unix.CAP_NET_ADMIN | 1<<unix.CAP_SYS_ADMIN
	return data[0].Effective&need == need
}

// Reexecuted reports whether this process was started by Reexec.
func Reexecuted() bool { return os.Getenv(reexecMark) != "" }

// Reexec runs this program again with the same arguments and standard files, in
// a user, network and mount namespace of its own, in which it is root; it is
// for a process that is not Capable. It returns the exit code. When ctx ends
// the program is interrupted.
func Reexec(ctx context.Context) (exitCode int, err error) {
	if Reexecuted() {
		return 0, privilege(fmt.Errorf("a user namespace that grants no capabilities: %w", unix.EPERM))
	}
	cmd := Command(ctx, "/proc/self/exe", os.Args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), reexecMark+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNET | unix.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}},
		Pdeathsig:   unix.SIGKILL,
	}
	// The death signal follows the thread that started the child.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); err != nil {
		return 0, &PrivilegeError{
			Need:        needed,
			Alternative: "run as root, or allow user namespaces: sysctl user.max_user_namespaces and your distribution's limits on unprivileged ones",
			Err:         fmt.Errorf("create user namespace: %w", err),
		}
	}
	err = cmd.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Exited() {
		return exit.ExitCode(), nil
	}
	return 0, err
}
