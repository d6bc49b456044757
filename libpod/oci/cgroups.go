package oci

import (
	"context"
	"errors"
	"os"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/manager-project/manager/internal/fault"
	"github.com/manager-project/manager/pkg/cgroups"
	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/rootless"
)

// Cgroups has the roles that need nothing but the container's cgroup: Freezer, Limiter, Lister, Counter
// and Tidier. The cgroup is made by us whichever runtime fills it, so both implementations have these.
type Cgroups struct{}

// locate reads the form in which a container's cgroup is written down: its path below the hierarchies' mount
// points, which ends in ".scope" where systemd made it, or "slice:prefix:name" for a scope that is yet to be
// made. Source: OCI runtime-spec, config-linux.md, "Cgroups Path".
func locate(p string) (cgroups.Config, error) {
	cfg, err := cgroups.Config{Path: p, Systemd: strings.HasSuffix(p, ".scope")}, error(nil)
	if strings.Count(p, ":") == 2 {
		cfg, err = cgroups.Place(p, "", true)
	}
	cfg.Rootless = rootless.Active()
	cfg.UserBus = cfg.Systemd && cfg.Rootless
	return cfg, err
}

// MakeCgroup makes a container's cgroup, with the limits that leave its init room, or none for nil.
func (Cgroups) MakeCgroup(p string, limits *specs.LinuxResources) (*cgroups.Cgroup, error) {
	cfg, err := locate(p)
	if err != nil {
		return nil, err
	}
	cfg.Resources = limits
	return cgroups.Create(cfg)
}

// Freeze implements Freezer.
func (Cgroups) Freeze(_ context.Context, path string) error {
	cg, err := Cgroup(path)
	if err != nil {
		return err
	}
	return cg.Freeze()
}

// Thaw implements Freezer.
func (Cgroups) Thaw(_ context.Context, path string) error {
	cg, err := Cgroup(path)
	if err != nil {
		return err
	}
	return cg.Thaw()
}

// PIDs implements Lister.
func (Cgroups) PIDs(_ context.Context, path string) ([]int, error) {
	cg, err := Cgroup(path)
	if err != nil {
		return nil, err
	}
	return cg.PIDs()
}

// KillAll implements Lister.
func (Cgroups) KillAll(_ context.Context, path string) error {
	cg, err := load(path)
	if err != nil || cg == nil {
		return err
	}
	return cg.KillAll()
}

// SetLimits implements Limiter.
func (Cgroups) SetLimits(_ context.Context, q LimitRequest) (restore func() error, err error) {
	cg, err := Cgroup(q.Cgroup)
	if err != nil {
		return nil, err
	}
	if restore, err = cg.Remember(q.Change); err != nil {
		return nil, err
	}
	return restore, cg.Set(q.Change)
}

// Stats implements Counter.
func (Cgroups) Stats(_ context.Context, path string) (*cgroups.Stats, error) {
	cg, err := Cgroup(path)
	if err != nil {
		return nil, err
	}
	return cg.Stats()
}

// RemoveEmpty implements Tidier.
func (Cgroups) RemoveEmpty(path string) { cgroups.RemoveEmpty(path) }

// RemoveCgroup kills what is left in a cgroup and removes it. "", and one that is not there, are no error.
func (Cgroups) RemoveCgroup(path string) error {
	if path == "" {
		return nil
	}
	cfg, err := locate(path)
	if err != nil {
		return err
	}
	if cfg.Path == "" {
		return cgroups.StopScope(cfg) // its start was cut short; where it would be is not known
	}
	cg, err := load(path)
	if err != nil || cg == nil {
		return err
	}
	if err := cg.KillAll(); err != nil {
		return err
	}
	fault.Point("cgroup: killed")
	err = cg.Remove()
	fault.Point("cgroup: removed")
	return err
}

// Cgroup finds a container's cgroup that was made. ErrNotFound when there is none.
func Cgroup(p string) (*cgroups.Cgroup, error) {
	cfg, err := locate(p)
	if err != nil {
		return nil, err
	}
	return cgroups.LoadConfig(cfg)
}

// load is Cgroup, with nil for a cgroup that is not there.
func load(path string) (*cgroups.Cgroup, error) {
	cg, err := Cgroup(path)
	if errors.Is(err, errdefs.ErrNotFound) || errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	return cg, err
}
