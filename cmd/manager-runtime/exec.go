package main

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/manager-project/manager/pkg/catch"
	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/libcontainer"
	"github.com/manager-project/manager/pkg/libcontainer/compile"
)

type execOptions struct {
	attachOptions
	process, cwd, user, apparmor, label   string
	env, gids, caps, cgroup               []string
	tty, detach, noNewPrivs, ignorePaused bool
}

// execFailure is the exit code of a failure that is not the program's.
const execFailure = 255

func execCommand() *command {
	o := &execOptions{}
	return &command{
		name: "exec", args: "ID COMMAND [ARG...]", summary: "run another program in a container", least: 1, most: -1,
		inOrder: true, failure: execFailure,
		about: `The program gets the container's environment, user, capabilities and labels where no option says
otherwise. The exit status is the program's.`,
		flags: append(o.attachOptions.flags(),
			option{name: "cwd", to: &o.cwd, value: "DIR", usage: "working directory in the container"},
			option{name: "env", short: "e", to: &o.env, value: "NAME=VALUE", usage: "set an environment variable"},
			option{name: "tty", short: "t", to: &o.tty, usage: "give it a pseudo-terminal"},
			option{name: "user", short: "u", to: &o.user, value: "UID[:GID]", usage: "user and group, as numbers"},
			option{name: "additional-gids", short: "g", to: &o.gids, value: "GID", usage: "another supplementary group"},
			option{name: "process", short: "p", to: &o.process, value: "FILE", usage: "process.json with all of the process; other options about it are then refused"},
			option{name: "detach", short: "d", to: &o.detach, usage: "return when the program runs"},
			option{name: "process-label", to: &o.label, value: "LABEL", usage: "SELinux label"},
			option{name: "apparmor", to: &o.apparmor, value: "PROFILE", usage: "AppArmor profile"},
			option{name: "no-new-privs", to: &o.noNewPrivs, usage: "let it gain no privileges"},
			option{name: "cap", short: "c", to: &o.caps, value: "CAP", usage: "add a capability to the bounding, effective and permitted sets"},
			option{name: "cgroup", to: &o.cgroup, value: "[CONTROLLER:]PATH", usage: "run it in an existing cgroup below the container's; a controller of version 1 alone may be named"},
			option{name: "ignore-paused", to: &o.ignorePaused, usage: "also in a paused container; it then waits for the resume"},
		),
		run: func(a *app, args []string) (int, error) { return o.exec(a, args[0], args[1:]) },
	}
}

func (o *execOptions) exec(a *app, id string, words []string) (code int, err error) {
	if len(words) > 0 && words[0] == "--" {
		words = words[1:]
	}
	f, done, err := a.starter()
	if err != nil {
		return 0, err
	}
	defer done()
	c, err := f.Load(id)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	cfg, err := o.configure(c, words)
	if err != nil {
		return 0, err
	}
	var signals *catch.Signals
	if !o.detach {
		if signals, err = catchSignals(); err != nil {
			return 0, err
		}
	}
	p, err := c.Exec(context.Background(), cfg)
	if err != nil {
		return 0, err
	}
	if o.detach {
		a.leaveStderr()
	}
	a.warn(p.Warnings)
	if o.detach {
		return 0, p.Close()
	}
	code, err = follow(p, signals)
	return code, errors.Join(err, p.Close())
}

func (o *execOptions) configure(c *libcontainer.Container, words []string) (cfg libcontainer.ExecConfig, err error) {
	cfg.Cgroups = o.cgroup
	if o.process != "" {
		cfg.Process, err = readProcess(o.process, words)
	} else {
		cfg.Process, err = o.compose(c, words)
	}
	if err != nil {
		return cfg, err
	}
	if err := o.checkTerminal(cfg.Process.Terminal, o.detach); err != nil {
		return cfg, err
	}
	if !o.detach {
		ownSize(cfg.Process)
	}
	cfg.Attachment, err = o.attachment()
	cfg.IgnorePaused = o.ignorePaused
	return cfg, err
}

// readProcess reads process.json. An argument list on the command line would contradict it.
func readProcess(path string, words []string) (*specs.Process, error) {
	if len(words) > 0 {
		return nil, errdefs.Invalid("--process", path, "the file has the arguments; give no command")
	}
	return compile.ReadProcess(path)
}

// compose makes the process out of the container's own and the options.
func (o *execOptions) compose(c *libcontainer.Container, words []string) (*specs.Process, error) {
	if len(words) == 0 {
		return nil, errdefs.Invalid("exec", "", "process args cannot be empty").WithHint("name a command")
	}
	spec, err := c.Config()
	if err != nil {
		return nil, err
	}
	if spec.Process == nil {
		return nil, errdefs.Invalid("process", "", "is missing from the container's configuration").WithHint("use --process")
	}
	own := *spec.Process
	p := &own
	p.Args, p.Terminal = words, o.tty
	p.Env = append(slices.Clip(p.Env), o.env...)
	for to, value := range map[*string]string{&p.Cwd: o.cwd, &p.ApparmorProfile: o.apparmor, &p.SelinuxLabel: o.label} {
		if value != "" {
			*to = value
		}
	}
	if o.noNewPrivs {
		p.NoNewPrivileges = true
	}
	o.addCaps(p)
	return p, o.setUser(&p.User)
}

// addCaps adds to the sets that a program starts with. Inheritable and ambient stay as they are: with
// them a program could pass more on than it was given.
func (o *execOptions) addCaps(p *specs.Process) {
	if len(o.caps) == 0 {
		return
	}
	var caps specs.LinuxCapabilities
	if p.Capabilities != nil {
		caps = *p.Capabilities
	}
	p.Capabilities = &caps
	for _, name := range o.caps {
		for _, set := range []*[]string{&p.Capabilities.Bounding, &p.Capabilities.Effective, &p.Capabilities.Permitted} {
			*set = append(slices.Clip(*set), name)
		}
	}
}

func (o *execOptions) setUser(u *specs.User) (err error) {
	if o.user != "" {
		uid, gid, both := strings.Cut(o.user, ":")
		if u.UID, err = parseID("--user", uid); err != nil {
			return err
		}
		if both {
			if u.GID, err = parseID("--user", gid); err != nil {
				return err
			}
		}
		u.Username = ""
	}
	for _, s := range o.gids {
		gid, err := parseID("--additional-gids", s)
		if err != nil {
			return err
		}
		u.AdditionalGids = append(slices.Clip(u.AdditionalGids), gid)
	}
	return nil
}

// parseID takes a decimal id and nothing else: a number out of range is never something other.
func parseID(option, s string) (uint32, error) {
	const most = 1<<32 - 2 // the last one means "none" to the kernel
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, errdefs.Invalid(option, s, "want a number")
	}
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil || n > most {
		return 0, errdefs.Invalid(option, s, "is out of range")
	}
	return uint32(n), nil
}
