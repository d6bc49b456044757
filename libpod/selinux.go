package libpod

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/manager-project/manager/libpod/lock"
	"github.com/manager-project/manager/pkg/selinux"
	"github.com/manager-project/manager/pkg/spec"
)

// labelOptions are those of a container's labels.
func labelOptions(cfg *spec.Config) selinux.Options {
	s := &cfg.Security
	return selinux.Options{Words: s.LabelOpts, Disabled: s.LabelDisabled, Init: cfg.Process.Systemd}
}

// decideLabels makes a container's SELinux labels, so that words which the policy does not know make nothing, and says
// which mounts it will not be able to use. reserveLabels sees to it that nobody else has the level.
func (r *Runtime) decideLabels(ctx context.Context, cfg *spec.Config) (warnings []string, err error) {
	if !selinux.Enabled() {
		return nil, nil
	}
	labels, err := selinux.New(labelOptions(cfg), func(string) bool { return false })
	if err != nil {
		return nil, err
	}
	cfg.Security.ProcessLabel, cfg.Security.MountLabel = labels.Process, labels.Mount
	if cfg.Rootfs.Path == "" {
		if warnings, err = r.deniedStore(ctx, labels.Process); err != nil {
			return nil, err
		}
	} else if w := deniedRootfs(labels, cfg.Rootfs.Path); w != "" {
		warnings = append(warnings, w)
	}
	for i := range cfg.Mounts {
		m := &cfg.Mounts[i]
		if m.Kind != spec.MountBind || labels.Mount == "" {
			continue
		}
		if m.Relabel != "" {
			if err := selinux.CheckRelabel(m.Source); err != nil {
				return nil, err
			}
			continue
		}
		if w := deniedMount(labels.Process, m); w != "" {
			warnings = append(warnings, w)
		}
	}
	return warnings, nil
}

// deniedStore says in words that the policy keeps a label from the layers of the store.
func (r *Runtime) deniedStore(ctx context.Context, process string) ([]string, error) {
	if process == "" || !selinux.Enforcing() {
		return nil, nil
	}
	images, err := r.Images(ctx)
	if err != nil {
		return nil, err
	}
	dir, err := images.LayersDir()
	if err != nil {
		return nil, err
	}
	label := selinux.Label(dir)
	if ok, err := selinux.Allowed(process, label, "file", "read"); err != nil || ok {
		//lint:ignore nilerr without an answer there is nothing to warn of
		return nil, nil
	}
	return []string{fmt.Sprintf("SELinux keeps the container (%s) from the layers in %s (%s), so programs may fail: label them with \"chcon --recursive --type %s %s\"",
		selinux.TypeOf(process), dir, label, selinux.TypeOf(selinux.ReadOnlyFiles()), dir)}, nil
}

// deniedRootfs says in words that the policy keeps a container from the directory of --rootfs, or "". An overlay over it
// helps with reading and writing only.
func deniedRootfs(labels selinux.Labels, dir string) string {
	if labels.Process == "" || !selinux.Enforcing() {
		return ""
	}
	label := selinux.Label(dir)
	if ok, err := selinux.Allowed(labels.Process, label, "dir", "read"); label == "" || err != nil || ok {
		return ""
	}
	return fmt.Sprintf("SELinux keeps the container (%s) from %s (%s), so programs may fail: label it with \"chcon --recursive --type %s %s\", or give --security-opt label=disable",
		selinux.TypeOf(labels.Process), dir, label, selinux.TypeOf(labels.Mount), dir)
}

// deniedMount says in words that the policy keeps a label from the source of a mount, or "".
func deniedMount(process string, m *spec.Mount) string {
	if process == "" || m.Overlay || !selinux.Enforcing() {
		return ""
	}
	info, err := os.Stat(m.Source)
	label := selinux.Label(m.Source)
	if err != nil || label == "" {
		return ""
	}
	class := "file"
	switch mode := info.Mode(); {
	case mode.IsDir():
		class = "dir"
	case !mode.IsRegular():
		return ""
	}
	if ok, err := selinux.Allowed(process, label, class, "read"); err != nil || ok {
		return ""
	}
	return fmt.Sprintf("SELinux keeps the container (%s) from %s (%s): add :z to the mount to share it with all containers, :Z for this one alone, or give --security-opt label=disable",
		selinux.TypeOf(process), m.Source, label)
}

// reserveLabels makes sure that no other container of the store has the level, and keeps others from taking it until
// done is called, when the container has been stored. A level that the user gave, or that of a container whose
// namespaces are shared, is meant to be the same.
func (r *Runtime) reserveLabels(ctx context.Context, cfg *spec.Config) (done func(), err error) {
	s := &cfg.Security
	if s.ProcessLabel == "" || slices.ContainsFunc(s.LabelOpts, func(w string) bool { return strings.HasPrefix(w, "level:") }) {
		return func() {}, nil
	}
	l, err := lock.Acquire(ctx, filepath.Join(r.paths.static, "labels.lock"), true)
	if err != nil {
		return nil, err
	}
	taken, err := r.levels(ctx)
	if err == nil && taken[selinux.LevelOf(s.ProcessLabel)] {
		var labels selinux.Labels
		labels, err = selinux.New(labelOptions(cfg), func(level string) bool { return taken[level] })
		s.ProcessLabel, s.MountLabel = labels.Process, labels.Mount
	}
	if err != nil {
		l.Release()
		return nil, err
	}
	return l.Release, nil
}

// levels are those of all containers of the store: ours, and what other programs mount with labels.
func (r *Runtime) levels(ctx context.Context) (map[string]bool, error) {
	taken := map[string]bool{}
	rows, err := r.state.Containers(ctx)
	if err != nil {
		return nil, err
	}
	for i := range rows {
		var b brief
		if err := json.Unmarshal(rows[i].Brief, &b); err == nil && b.Level != "" {
			taken[b.Level] = true
		}
	}
	images, err := r.Images(ctx)
	if err != nil {
		return nil, err
	}
	labels, err := images.MountLabels()
	for _, label := range labels {
		taken[selinux.LevelOf(label)] = true
	}
	return taken, err
}

// unlabelled are the security options without the labels that each container has of its own.
func unlabelled(s spec.Security) spec.Security {
	s.ProcessLabel, s.MountLabel = "", ""
	return s
}
