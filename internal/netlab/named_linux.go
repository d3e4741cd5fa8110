package netlab

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// namedDir is where ip(8) looks for named namespaces.
const namedDir = "/run/netns"

// namedPrefix starts the name of every namespace that Name makes.
const namedPrefix = "pmtulab-"

// ErrNotStanding is the error of Remove for a name that no lab has.
var ErrNotStanding = errors.New("no such lab")

// NamespaceName returns the name of a node of a named lab, as in
// "ip netns exec NAME command".
func NamespaceName(labID, node string) string { return namedPrefix + labID + "-" + node }

// Name makes the lab outlive this process, under its ID: each namespace gets a
// name of its own that ip(8) knows. A lab with a delayed link can't, since that
// link is carried by this process.
func (lab *Lab) Name() error {
	if len(lab.delays) > 0 {
		return fmt.Errorf("lab %s: a link with a delay can't outlive its process", lab.ID)
	}
	if err := prepareNamedDir(); err != nil {
		return fmt.Errorf("prepare %s: %w", namedDir, privilege(err))
	}
	for _, n := range lab.Topology.Nodes {
		path := filepath.Join(namedDir, NamespaceName(lab.ID, n.Name))
		if err := bindName(path, lab.nodes[n.Name]); err != nil {
			return errors.Join(fmt.Errorf("name %s: %w", path, privilege(err)), Remove(lab.ID))
		}
	}
	return nil
}

func bindName(path string, n *LiveNode) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	f.Close()
	return unix.Mount(fmt.Sprintf("/proc/self/fd/%d", n.Fd()), path, "none", unix.MS_BIND, "")
}

// prepareNamedDir makes the directory a shared mount, as ip(8) does, so that
// names made and removed in one mount namespace are so in all.
func prepareNamedDir() error {
	if err := os.MkdirAll(namedDir, 0o755); err != nil {
		return err
	}
	err := unix.Mount("", namedDir, "none", unix.MS_SHARED|unix.MS_REC, "")
	if !errors.Is(err, unix.EINVAL) {
		return err
	}
	if err := unix.Mount(namedDir, namedDir, "none", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return err
	}
	return unix.Mount("", namedDir, "none", unix.MS_SHARED|unix.MS_REC, "")
}

// Standing returns the IDs of the named labs, sorted.
func Standing() ([]string, error) {
	files, err := namedFiles()
	var ids []string
	for _, f := range files {
		if id, _, ok := splitName(f); ok && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids, err
}

// Remove takes the names of a lab away. Its namespaces and links go with the
// last process in them. It returns ErrNotStanding if there is no such lab.
func Remove(id string) error {
	files, err := namedFiles()
	if err != nil {
		return err
	}
	var errs []error
	found := false
	for _, f := range files {
		if owner, _, ok := splitName(f); !ok || owner != id {
			continue
		}
		found = true
		path := filepath.Join(namedDir, f)
		// A name whose mount failed, or was undone, is a plain file: EINVAL.
		if err := unix.Unmount(path, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) {
			errs = append(errs, fmt.Errorf("unmount %s: %w", path, privilege(err)))
			continue
		}
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, privilege(err))
		}
	}
	if !found {
		return fmt.Errorf("%w: %q", ErrNotStanding, id)
	}
	return errors.Join(errs...)
}

func namedFiles() ([]string, error) {
	entries, err := os.ReadDir(namedDir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, err
}

// splitName takes a namespace's name apart: node names have no dash.
func splitName(name string) (labID, node string, ok bool) {
	rest, ok := strings.CutPrefix(name, namedPrefix)
	if !ok {
		return "", "", false
	}
	i := strings.LastIndexByte(rest, '-')
	if i <= 0 {
		return "", "", false
	}
	return rest[:i], rest[i+1:], true
}
