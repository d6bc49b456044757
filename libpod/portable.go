package libpod

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/manager-project/manager/libpod/define"
	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/spec"
)

// portable is what an archive says of a container: words of harmless options, out of which a container is decided
// anew where the archive is imported. So an archive can ask for nothing that gives rights: no host directory, no
// device, capability, namespace or profile, and no path outside of the container.
type portable struct {
	Version int    `json:"version"`
	ID      string `json:"id"`
	Name    string `json:"name"`
	// Image is the image it was made from, by id; it has to be where the archive is imported.
	Image    spec.ImageRef `json:"image"`
	Previous bool          `json:"previous,omitempty"` // the images need a pre-checkpoint
	Pre      bool          `json:"pre,omitempty"`      // the images are a pre-checkpoint

	Args        []string          `json:"args"`
	Env         []string          `json:"env,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
	Workdir     string            `json:"workdir,omitempty"`
	User        string            `json:"user,omitempty"`
	Umask       string            `json:"umask,omitempty"`
	TTY         bool              `json:"tty,omitempty"`
	Interactive bool              `json:"interactive,omitempty"`
	Init        bool              `json:"init,omitempty"`
	Hostname    string            `json:"hostname,omitempty"`
	Network     string            `json:"network,omitempty"`
	ReadOnly    bool              `json:"read_only,omitempty"`
	ShmSize     int64             `json:"shm_size,omitempty"`
	StopSignal  int               `json:"stop_signal,omitempty"`
	StopTimeout uint              `json:"stop_timeout,omitempty"`
	CapDrop     []string          `json:"cap_drop,omitempty"`
	Memory      int64             `json:"memory,omitempty"`
	MemorySwap  int64             `json:"memory_swap,omitempty"`
	CPUs        float64           `json:"cpus,omitempty"`
	PidsLimit   int64             `json:"pids_limit,omitempty"`
	// Volumes are all of the container's, VolumesIn says that the archive has their content.
	Volumes   []portableVolume `json:"volumes,omitempty"`
	VolumesIn bool             `json:"volumes_in,omitempty"`
}

const portableVersion = 1

// newPortable describes a container.
func newPortable(cfg *spec.Config) *portable {
	p := &portable{
		Version: portableVersion, ID: cfg.ID, Name: cfg.Name, Image: cfg.Image, Args: cfg.Process.Args, Env: cfg.Process.Env, Labels: cfg.Labels,
		Workdir: cfg.Process.Workdir, User: cfg.Process.User, Umask: cfg.Process.Umask, TTY: cfg.Process.Terminal, Interactive: cfg.Process.Stdin,
		Init: cfg.Process.Init, Hostname: cfg.Net.Hostname, Network: cfg.Net.ModeText(), ReadOnly: cfg.Rootfs.ReadOnly, ShmSize: cfg.ShmSize,
		StopSignal: cfg.Life.StopSignal, StopTimeout: cfg.Life.StopTimeout, CapDrop: cfg.Security.CapDrop, CPUs: cfg.Limits.CPUs, PidsLimit: -1,
		Volumes: portableVolumes(cfg.Mounts),
	}
	if r := cfg.Limits.Resources; r != nil {
		if r.Memory != nil {
			setFrom(&p.Memory, r.Memory.Limit)
			setFrom(&p.MemorySwap, r.Memory.Swap)
		}
		if r.Pids != nil {
			setFrom(&p.PidsLimit, r.Pids.Limit)
		}
	}
	return p
}

// request is a create of the same container.
func (p *portable) request() *spec.Request {
	none := "[]"
	r := &spec.Request{Image: p.Image.ID, Command: p.Args, Changed: map[string]bool{}}
	r.Process = spec.ProcessRequest{
		Entrypoint: &none, UnsetEnvAll: true, Env: p.Env, Workdir: p.Workdir, User: p.User, Umask: p.Umask, TTY: p.TTY, Interactive: p.Interactive,
		Init: p.Init, Hostname: p.Hostname, Passwd: true,
	}
	r.Mounts.ReadOnly, r.Mounts.ReadOnlyTmpfs, r.Mounts.ImageVolume = p.ReadOnly, true, "ignore"
	for i := range p.Volumes {
		r.Mounts.Volume = append(r.Mounts.Volume, p.Volumes[i].words())
	}
	if p.ShmSize > 0 {
		r.Mounts.ShmSize = strconv.FormatInt(p.ShmSize, 10)
	}
	r.Net.Network = []string{p.Network}
	r.Security.CapDrop = p.CapDrop
	r.Limits.MemorySwappiness = -1
	r.Limits.PidsLimit = &p.PidsLimit
	r.Limits.CPUs = p.CPUs
	if p.Memory > 0 {
		r.Limits.Memory = strconv.FormatInt(p.Memory, 10)
	}
	if p.MemorySwap != 0 {
		r.Limits.MemorySwap = strconv.FormatInt(p.MemorySwap, 10)
	}
	for _, k := range slices.Sorted(maps.Keys(p.Labels)) {
		r.Life.Label = append(r.Life.Label, k+"="+p.Labels[k])
	}
	r.Life.Name, r.Life.Pull = p.Name, "never"
	if p.StopSignal != 0 {
		r.Life.StopSignal = strconv.Itoa(p.StopSignal)
	}
	r.Life.StopTimeout = &p.StopTimeout
	return r
}

// check refuses what no export writes, before anything is made of it.
func (p *portable) check(archive string) error {
	bad := func(format string, args ...any) error {
		return errdefs.New(errdefs.ErrCorrupt, "archive", archive, format, args...).WithHint("export the checkpoint again with this version")
	}
	switch {
	case p.Version != portableVersion:
		return bad("it is of version %d, and this program knows %d", p.Version, portableVersion)
	case !define.ValidName(p.Name):
		return bad("%q is no name of a container", p.Name)
	case len(p.ID) != 64 || strings.Trim(p.ID, "0123456789abcdef") != "":
		return bad("%q is no id of a container", p.ID)
	case p.Network != string(spec.NSNone) && p.Network != string(spec.NSPrivate) && !spec.IsDriver(p.Network):
		return bad("the network mode %q cannot be imported", p.Network)
	case len(p.Args) == 0:
		return bad("it has no command")
	}
	if err := p.checkVolumes(); err != nil {
		return bad("%w", err)
	}
	return nil
}

// exportable describes a container if what is decided of that is the same container. Otherwise it uses something that
// an archive must not ask for, and the error says what.
func (r *Runtime) exportable(ctx context.Context, cfg *spec.Config) (*portable, error) {
	p := newPortable(cfg)
	img, _, err := r.prepareImage(ctx, p.request(), nil)
	if err != nil {
		return nil, err
	}
	again, _, err := r.decide(ctx, p.request(), img)
	if err != nil {
		return nil, err
	}
	for _, part := range []struct {
		words string
		of    func(*spec.Config) any
	}{
		{"mounts (--volume, --mount)", func(c *spec.Config) any { return mountsApart(c.Mounts) }},
		{"root filesystem (--rootfs)", func(c *spec.Config) any { return c.Rootfs }},
		{"namespaces (--pid, --ipc, --uts, --cgroupns, --userns)", func(c *spec.Config) any { return []any{c.Namespaces, c.UserNS} }},
		{"network (--network, --publish)", func(c *spec.Config) any {
			return []any{c.Net.Namespace, c.Net.Driver, c.Net.DriverOptions, c.Net.Ports}
		}},
		{"security options and devices", func(c *spec.Config) any { return unlabelled(c.Security) }},
		{"limits", func(c *spec.Config) any { return limitsApart(c.Limits) }},
		{"annotations", func(c *spec.Config) any { return c.Annotations }},
		{"dependencies (--requires)", func(c *spec.Config) any { return c.Dependencies }},
		{"options of its process", func(c *spec.Config) any { return processApart(c.Process) }},
	} {
		was, err1 := json.Marshal(part.of(cfg))
		is, err2 := json.Marshal(part.of(again))
		if err1 != nil || err2 != nil || !bytes.Equal(was, is) {
			return nil, errdefs.Unsupported("--export", "the %s of %s cannot be put into an archive, which could ask for anything otherwise", part.words, cfg.Name).
				WithHint("leave --export out, and restore on this machine")
		}
	}
	return p, nil
}

// limitsApart are limits without the place of the cgroup, which is the importing machine's own.
func limitsApart(l spec.Limits) spec.Limits {
	l.CgroupParent, l.Systemd, l.Split = "", false, false
	return l
}

// mountsApart are mounts without the made-up names of anonymous volumes.
func mountsApart(list []spec.Mount) []spec.Mount {
	list = slices.Clone(list)
	for i := range list {
		if list[i].Anonymous {
			list[i].Source = ""
		}
	}
	return list
}

// processApart is a process without what the archive says in other words.
func processApart(p spec.Process) spec.Process {
	p.Entrypoint, p.Command = nil, nil
	return p
}
