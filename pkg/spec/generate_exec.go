package spec

import (
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/manager-project/manager/pkg/errdefs"
)

// ExecFacts are what exec asks for, and what was looked up for it.
type ExecFacts struct {
	// Command has at least the program.
	Command []string
	// Env and EnvFile are as the options of the same name.
	Env, EnvFile []string
	// Workdir is absolute inside the container; "" is the container's own.
	Workdir string
	// Privileged gives all capabilities, whatever the container has.
	Privileged bool
	// TTY asks for a terminal.
	TTY bool
	// User is who the process is. UserGiven says that exec named it itself.
	User      UserFacts
	UserGiven bool
	// Environ is the caller's environment, for "K" alone; ReadFile reads env-files.
	Environ  []string
	ReadFile func(path string) ([]byte, error)
	// Rlimits are the hard limits that can be given, by name; a missing name lowers nothing.
	Rlimits map[string]uint64
}

// GenerateExec makes the process of an exec, and a spec that holds what surrounds it. It has
// what the container's first process has, but for what the user asked otherwise.
func GenerateExec(cfg *Config, f ExecFacts) (*specs.Process, *specs.Spec, error) {
	sub := *cfg
	sub.Process.Args, sub.Process.Init = f.Command, false
	sub.Process.Terminal = f.TTY
	if f.Workdir != "" {
		if !strings.HasPrefix(f.Workdir, "/") {
			return nil, nil, errdefs.Invalid("--workdir", f.Workdir, "not absolute").WithHint("write the whole path inside the container")
		}
		sub.Process.Workdir = f.Workdir
	}
	env, err := execEnv(cfg, f)
	if err != nil {
		return nil, nil, err
	}
	sub.Process.Env = env
	if f.Privileged {
		sub.Security.Capabilities, sub.Security.Privileged = Capabilities(), true
		sub.Security.NoNewPrivileges = false
	}
	g := &generator{cfg: &sub, facts: &Facts{User: f.User, Rlimits: f.Rlimits}, spec: &specs.Spec{Version: specs.Version, Linux: &specs.Linux{}}}
	if err := g.process(); err != nil {
		return nil, nil, err
	}
	return g.spec.Process, g.spec, nil
}

// execEnv lays the options over the container's environment.
func execEnv(cfg *Config, f ExecFacts) ([]string, error) {
	d := &decider{host: &Host{Environ: f.Environ, ReadFile: f.ReadFile}, cfg: &Config{}}
	var e envSet
	for _, kv := range cfg.Process.Env {
		if k, v, ok := cutEnv(kv); ok && !(k == "HOME" && f.UserGiven) {
			e.set(k, v)
		}
	}
	if f.TTY && !slices.ContainsFunc(cfg.Process.Env, func(kv string) bool { return strings.HasPrefix(kv, "TERM=") }) {
		e.set("TERM", "xterm")
	}
	if err := d.envFiles(&e, f.EnvFile); err != nil {
		return nil, err
	}
	for _, entry := range f.Env {
		if err := d.setEnv(&e, "--env", entry); err != nil {
			return nil, err
		}
	}
	return e.list(), nil
}
