// Package cgroups makes, limits, watches and removes the cgroups of containers.
//
// Three layouts of the host are served: the unified hierarchy (version 2), version 1
// hierarchies, and both side by side (hybrid), where version 1 has the controllers and
// an empty version 2 tree may exist. A cgroup here is one path that exists in every hierarchy.
// Where version 2 has controllers free beside version 1, they are used too. Limits are translated to writes by
// pure functions (setting*.go), which name the JSON field in every error. A scope of systemd is asked for
// over D-Bus (unit.go), and then treated as any other cgroup.
//
// Processes enter in two ways that need no lock on whole thread groups: a version 2 directory is
// cloned into (CLONE_INTO_CGROUP), and a version 1 hierarchy is entered by the thread that clones.
package cgroups

import (
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/manager-project/manager/pkg/libcontainer/plan"
)

// ModeKind is the host's layout.
type ModeKind string

// The layouts.
const (
	// Unified has version 2 alone.
	Unified ModeKind = "unified"
	// Legacy has version 1 hierarchies alone.
	Legacy ModeKind = "legacy"
	// Hybrid has controllers in version 1 and a version 2 tree beside them.
	Hybrid ModeKind = "hybrid"
	// Disabled has no usable cgroup file system.
	Disabled ModeKind = "disabled"
)

// Layout is what is mounted below /sys/fs/cgroup.
type Layout struct {
	// Unified is the version 2 tree's directory, or "".
	Unified string
	// V1 are the version 1 hierarchies in the order of their mounting.
	V1 []Hierarchy
}

// Hierarchy is one version 1 tree.
type Hierarchy struct {
	// Dir is its mount point.
	Dir string
	// Name is the base name of Dir.
	Name string
	// Controllers are those it has; a named hierarchy without any has "name=…".
	Controllers []string
}

// Options are the mount options that name the hierarchy.
func (h Hierarchy) Options() []plan.Pair {
	var out []plan.Pair
	for _, c := range h.Controllers {
		if name, ok := strings.CutPrefix(c, "name="); ok {
			out = append(out, plan.Pair{Key: "none"}, plan.Pair{Key: "name", Value: name})
			continue
		}
		out = append(out, plan.Pair{Key: c})
	}
	return out
}

// Aliases are the controllers whose name is not the directory's ("cpu" for "cpu,cpuacct").
func (h Hierarchy) Aliases() []string {
	var out []string
	for _, c := range h.Controllers {
		if c != h.Name && !strings.HasPrefix(c, "name=") {
			out = append(out, c)
		}
	}
	return out
}

// Mode is the host's layout.
func Mode() ModeKind {
	l, err := ReadLayout()
	if err != nil {
		return Disabled
	}
	return l.Mode()
}

// Mode names the layout.
func (l *Layout) Mode() ModeKind {
	switch {
	case len(l.V1) > 0 && l.Unified != "":
		return Hybrid
	case len(l.V1) > 0:
		return Legacy
	case l.Unified != "":
		return Unified
	default:
		return Disabled
	}
}

// Systemd are the directories of the hierarchies that systemd manages where the controllers are
// on version 1: the one called name=systemd, and the version 2 tree beside it.
func (l *Layout) Systemd() []string {
	var out []string
	for _, h := range l.V1 {
		if slices.Contains(h.Controllers, "name=systemd") {
			out = append(out, h.Dir)
		}
	}
	if len(out) > 0 && l.Unified != "" {
		out = append(out, l.Unified)
	}
	return out
}

// ReadLayout reads the mount table, once in a process: where the hierarchies are is settled when a
// machine boots, and a command asks half a dozen times. The result is shared; it must not be changed.
func ReadLayout() (*Layout, error) {
	reading.Lock()
	defer reading.Unlock()
	if known != nil {
		return known, nil
	}
	l, err := readLayout()
	if err == nil {
		known = l
	}
	return l, err
}

// known is what ReadLayout has read; reading guards it.
var (
	reading sync.Mutex
	known   *Layout
)

func readLayout() (*Layout, error) {
	const room = 16 << 10 // the kernel takes longer to go on in it than to write it
	table, err := readInto("/proc/self/mountinfo", maxControlFile, make([]byte, 0, room))
	if err != nil {
		return nil, err
	}
	l := &Layout{}
	for line := range strings.Lines(table) {
		l.addMount(strings.TrimSuffix(line, "\n"))
	}
	return l, nil
}

// mountOptionsV1 are options of a version 1 mount that are not controllers.
var mountOptionsV1 = map[string]bool{
	"rw": true, "ro": true, "xattr": true, "clone_children": true, "noprefix": true, "none": true,
	"cpuset_v2_mode": true, "seclabel": true,
}

// addMount takes a line of mountinfo. A later mount covers an earlier one at the same place.
func (l *Layout) addMount(line string) {
	before, after, ok := strings.Cut(line, " - ")
	f, g := strings.Fields(before), strings.Fields(after)
	if !ok || len(f) < 5 || len(g) < 3 {
		return
	}
	dir := f[4]
	if dir != root && !strings.HasPrefix(dir, root+"/") {
		return
	}
	if dir == root {
		*l = Layout{}
	}
	switch g[0] {
	case "cgroup2":
		l.Unified = dir
	case "cgroup":
		h := Hierarchy{Dir: dir, Name: path.Base(dir)}
		for _, o := range strings.Split(g[2], ",") {
			if !mountOptionsV1[o] && !strings.HasPrefix(o, "release_agent=") {
				h.Controllers = append(h.Controllers, o)
			}
		}
		l.V1 = append(l.V1, h)
	}
}

// root is where cgroup file systems are mounted on every distribution.
const root = "/sys/fs/cgroup"
