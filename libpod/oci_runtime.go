package libpod

import (
	"context"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/manager-project/manager/libpod/oci"
	"github.com/manager-project/manager/libpod/oci/embedded"
	"github.com/manager-project/manager/libpod/oci/external"
	"github.com/manager-project/manager/libpod/oci/program"
	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/spec"
)

// runtimes are the OCI runtimes of this process. The small program is opened when first needed and
// shared by all.
type runtimes struct {
	once     sync.Once
	program  *program.Program
	embedded oci.Runtime
	err      error
}

// chooseRuntime decides which runtime new containers get: --runtime, then containers.conf, then the
// embedded one.
func (r *Runtime) chooseRuntime() (spec.Runtime, error) {
	origin, name := "--runtime", r.options.Runtime
	if name == "" {
		origin, name = "containers.conf: [engine] runtime", stringOf(r.conf.Engine.Runtime)
	}
	if _, listed := r.conf.Engine.Runtimes[name]; !listed && (name == "" || name == embedded.Name) {
		if len(r.options.RuntimeFlags) > 0 {
			return spec.Runtime{}, errdefs.Unsupported("--runtime-flag", "the embedded runtime is called as a library and takes no flags").
				WithHint("leave it out, or choose another --runtime")
		}
		return spec.Runtime{}, nil
	}
	path, err := r.findRuntime(origin, name)
	if err != nil {
		return spec.Runtime{}, err
	}
	choice := spec.Runtime{Name: name, Path: path}
	for _, flag := range r.options.RuntimeFlags {
		choice.Flags = append(choice.Flags, "--"+strings.TrimLeft(flag, "-"))
	}
	return choice, nil
}

func (r *Runtime) findRuntime(origin, name string) (string, error) {
	return external.Search{Table: r.conf.Engine.Runtimes, Path: os.Getenv("PATH"), Origin: origin}.Find(name)
}

// runtime returns the runtime that new containers get.
func (r *Runtime) runtime() (oci.Runtime, error) {
	choice, err := r.chooseRuntime()
	if err != nil {
		return nil, err
	}
	return r.runtimeOf(choice)
}

// runtimeOf returns a container's own runtime, whatever the options and files say today. A program
// that has gone from its place is looked for by its name; when there is none, what needs it says so.
func (r *Runtime) runtimeOf(choice spec.Runtime) (oci.Runtime, error) {
	r.runtimes.once.Do(func() {
		if r.runtimes.program, r.runtimes.err = program.Open(r.paths.programs); r.runtimes.err == nil {
			r.runtimes.embedded = embedded.New(r.runtimes.program)
		}
	})
	if r.runtimes.err != nil {
		return nil, r.runtimes.err
	}
	if choice.Path == "" {
		return r.runtimes.embedded, nil
	}
	if !exists(choice.Path) {
		if path, err := r.findRuntime("", choice.Name); err == nil {
			choice.Path = path
		}
	}
	return external.New(r.runtimes.program, external.Options{
		Name: choice.Name, Path: choice.Path, Flags: choice.Flags, NoCgroups: r.knowsNoCgroups(choice),
	}), nil
}

// runtime returns the container's runtime.
func (c *container) runtime() (oci.Runtime, error) { return c.rt.runtimeOf(c.cfg.Runtime) }

// noCgroups are the runtimes that know containers without cgroups where containers.conf says nothing.
var noCgroups = []string{"crun", "krun"}

// knowsNoCgroups says whether a runtime, by its name or its program's, can do without cgroups.
func (r *Runtime) knowsNoCgroups(choice spec.Runtime) bool {
	names := noCgroups
	if l := r.conf.Engine.RuntimesNoCgroups; l.Set {
		names = l.Values
	}
	base := choice.Path[strings.LastIndexByte(choice.Path, '/')+1:]
	return slices.Contains(names, choice.Name) || slices.Contains(names, base)
}

// decideRuntime notes the runtime in a new container's configuration, if it can do what the container needs.
func (r *Runtime) decideRuntime(ctx context.Context, cfg *spec.Config) error {
	var err error
	if cfg.Runtime, err = r.chooseRuntime(); err != nil {
		return err
	}
	rt, err := r.runtimeOf(cfg.Runtime)
	if err != nil {
		return err
	}
	return rt.Check(ctx, needs(cfg)...)
}

// needs are the abilities that a container asks of its runtime.
func needs(cfg *spec.Config) []oci.Ability {
	var all []oci.Ability
	if cfg.Limits.Disabled {
		all = append(all, oci.NoCgroups)
	}
	if cfg.Process.Personality != "" {
		all = append(all, oci.Personality)
	}
	if slices.ContainsFunc(cfg.Mounts, func(m spec.Mount) bool { return m.AsContainer || len(m.UIDMappings) > 0 }) {
		all = append(all, oci.IDMappedMounts)
	}
	if cfg.Process.KeepGroups {
		all = append(all, oci.KeepGroups)
	}
	return all
}

// runtimeName is what inspect prints.
func runtimeName(cfg *spec.Config) string { return first(cfg.Runtime.Name, embedded.Name) }
