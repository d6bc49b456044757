package libcontainer

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/libcontainer/criu"
)

// What lies outside of a container, CRIU is told by name: at the dump the name of what is there, at the
// restore what has the name now. The names are runc's, so that each can read the other's images.

// nullName is the name of the host's null device, which lies over masked files.
const nullName = os.DevNull

// externalNamespaces are those that may be joined by path: CRIU neither dumps nor makes them then.
var externalNamespaces = map[specs.LinuxNamespaceType]struct{ kind, name string }{
	specs.NetworkNamespace: {"net", "extRootNetNS"}, specs.PIDNamespace: {"pid", "extRootPidNS"},
}

// bind is a bind mount: a path on the host, absolute, and where it is in the container.
type bind struct{ source, target string }

// binds are the bind mounts of a configuration.
func binds(spec *specs.Spec, bundle string) []bind {
	var out []bind
	for i := range spec.Mounts {
		m := &spec.Mounts[i]
		if !isBind(m) {
			continue
		}
		source := m.Source
		if !filepath.IsAbs(source) {
			source = filepath.Join(bundle, source)
		}
		out = append(out, bind{source, filepath.Clean("/" + m.Destination)})
	}
	return out
}

func isBind(m *specs.Mount) bool {
	for _, o := range m.Options {
		if o == "bind" || o == "rbind" {
			return true
		}
	}
	return m.Type == "bind"
}

// nameOutside tells a dump what lies outside of the container.
func (t *Tree) nameOutside(opts *criu.Options) error {
	spec := t.Spec
	for _, b := range binds(spec, t.Bundle) {
		opts.External = append(opts.External, fmt.Sprintf("mnt[%s]:%s", b.target, b.target))
	}
	if t.notify {
		opts.External = append(opts.External, fmt.Sprintf("mnt[%s]:%s", notifyTarget, notifyTarget))
	}
	if spec.Linux == nil {
		return nil
	}
	over, err := os.ReadFile(fmt.Sprintf("/proc/%d/mountinfo", t.PID))
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	masked := nullMounts(string(over))
	for _, p := range spec.Linux.MaskedPaths {
		if p = filepath.Clean("/" + p); masked[p] {
			opts.External = append(opts.External, fmt.Sprintf("mnt[%s]:%s", p, nullName))
		}
	}
	for _, ns := range spec.Linux.Namespaces {
		name, ok := externalNamespaces[ns.Type]
		if !ok || ns.Path == "" {
			continue
		}
		var st unix.Stat_t
		if err := unix.Stat(fmt.Sprintf("/proc/%d/ns/%s", t.PID, name.kind), &st); err != nil {
			return fmt.Errorf("checkpoint: %s namespace: %w", ns.Type, err)
		}
		opts.External = append(opts.External, fmt.Sprintf("%s[%d]:%s", name.kind, st.Ino, name.name))
	}
	return nil
}

// nullMounts are the mount points over which a null device is bound. Source: proc_pid_mountinfo(5).
func nullMounts(table string) map[string]bool {
	out := map[string]bool{}
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		const root, point = 3, 4
		if len(f) > point && f[root] == "/null" {
			out[f[point]] = true
		}
	}
	return out
}

// placeOutside tells a restore what has those names now. The caller closes the files.
func placeOutside(opts *criu.Options, spec *specs.Spec, bundle string) ([]*os.File, error) {
	for _, b := range binds(spec, bundle) {
		opts.External = append(opts.External, fmt.Sprintf("mnt[%s]:%s", b.target, b.source))
	}
	if spec.Linux == nil {
		return nil, nil
	}
	if len(spec.Linux.MaskedPaths) > 0 {
		opts.External = append(opts.External, fmt.Sprintf("mnt[%s]:%s", nullName, nullName))
	}
	var files []*os.File
	for _, ns := range spec.Linux.Namespaces {
		name, ok := externalNamespaces[ns.Type]
		if !ok || ns.Path == "" {
			continue
		}
		f, err := os.Open(ns.Path)
		if err != nil {
			closeAll(files)
			return nil, fmt.Errorf("restore: %s namespace: %w", ns.Type, err)
		}
		files = append(files, f)
		opts.Inherit = append(opts.Inherit, criu.InheritFD{Key: name.name, File: f})
	}
	return files, nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		_ = f.Close()
	}
}
