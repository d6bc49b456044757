package compile

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/libcontainer/plan"
	"github.com/manager-project/manager/pkg/libcontainer/seccomp"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// process compiles the container's own process.
func (c *compiler) process() error {
	p, warnings, err := compileProcess(c.spec.Process, c.spec.Linux, c.opts.PreserveFDs)
	if err != nil {
		return err
	}
	c.h.Warnings = append(c.h.Warnings, warnings...)
	c.p.Process = *p
	c.p.Process.MakeCwd = c.opts.MakeCwd
	c.p.Process.Reaper = c.opts.Reaper
	if c.opts.ID != "" {
		c.p.Process.Keyring = "_ses." + c.opts.ID
	}
	return nil
}

// ExecOptions is what Exec cannot know from the process.
type ExecOptions struct {
	// Seccomp is the container's profile (linux.seccomp of its configuration), or nil.
	Seccomp *specs.LinuxSeccomp
	// Personality is the container's, or nil.
	Personality *specs.LinuxPersonality
	// PreserveFDs is how many extra files follow stdio; used for LISTEN_FDS.
	PreserveFDs int
}

// Exec turns a process of an OCI configuration into a plan for a join. Start it with
// launch.Request.Join set. Errors are those of Compile.
func Exec(process *specs.Process, opts ExecOptions) (*plan.Plan, *Handles, error) {
	linux := &specs.Linux{Seccomp: opts.Seccomp, Personality: opts.Personality}
	p, warnings, err := compileProcess(process, linux, opts.PreserveFDs)
	if err != nil {
		return nil, nil, err
	}
	return &plan.Plan{Join: true, Process: *p}, &Handles{Warnings: warnings}, nil
}

func compileProcess(s *specs.Process, linux *specs.Linux, preserve int) (*plan.Process, []string, error) {
	if len(s.Args) == 0 {
		return nil, nil, invalid("process.args", "", "is empty")
	}
	if !filepath.IsAbs(s.Cwd) {
		return nil, nil, invalid("process.cwd", s.Cwd, "is not absolute")
	}
	env, err := environment(s.Env, preserve)
	if err != nil {
		return nil, nil, err
	}
	for _, a := range s.Args {
		if strings.IndexByte(a, 0) >= 0 {
			return nil, nil, invalid("process.args", a, "has a NUL byte")
		}
	}
	caps, warnings := capabilities(s.Capabilities)
	p := &plan.Process{
		Args: s.Args, Env: env, Cwd: s.Cwd, UID: s.User.UID, GID: s.User.GID, Groups: groups(&s.User), Umask: s.User.Umask,
		Capabilities: caps, NoNewPrivs: s.NoNewPrivileges, OOMScoreAdj: s.OOMScoreAdj,
		Terminal: s.Terminal,
	}
	if s.Terminal && s.ConsoleSize != nil {
		p.ConsoleRows, p.ConsoleColumns = uint16(s.ConsoleSize.Height), uint16(s.ConsoleSize.Width)
	}
	for _, step := range []func() error{
		func() (err error) { p.Rlimits, err = rlimits(s.Rlimits); return },
		func() (err error) { p.Personality, err = personality(linux.Personality); return },
		func() error { return scheduling(s, p) },
		func() error { return labels(s, p) },
		func() error {
			w, err := filter(linux.Seccomp, p)
			warnings = append(warnings, w...)
			return err
		},
	} {
		if err := step(); err != nil {
			return nil, nil, err
		}
	}
	return p, warnings, nil
}

// environment checks and completes the environment: the last of equal names wins.
func environment(env []string, preserve int) ([]string, error) {
	last := make(map[string]int, len(env))
	for i, e := range env {
		name, _, ok := strings.Cut(e, "=")
		if !ok || name == "" || strings.IndexByte(e, 0) >= 0 {
			return nil, invalid("process.env", e, "want NAME=VALUE without NUL")
		}
		last[name] = i
	}
	out := make([]string, 0, len(last))
	for i, e := range env {
		name, _, _ := strings.Cut(e, "=")
		if last[name] != i {
			continue
		}
		if name == "LISTEN_PID" && preserve > 0 {
			e = "LISTEN_PID=1" // the pid inside the container
		}
		out = append(out, e)
	}
	return out, nil
}

// groups are the supplementary groups, the primary one always among them: without it a
// set-group-id program would escape permissions that exclude that group.
func groups(u *specs.User) []uint32 {
	out := []uint32{u.GID}
	seen := map[uint32]bool{u.GID: true}
	for _, g := range u.AdditionalGids {
		if !seen[g] {
			seen[g] = true
			out = append(out, g)
		}
	}
	return out
}

// rlimitNumbers by name. Source: getrlimit(2).
var rlimitNumbers = map[string]int{
	"RLIMIT_CPU": unix.RLIMIT_CPU, "RLIMIT_FSIZE": unix.RLIMIT_FSIZE, "RLIMIT_DATA": unix.RLIMIT_DATA,
	"RLIMIT_STACK": unix.RLIMIT_STACK, "RLIMIT_CORE": unix.RLIMIT_CORE, "RLIMIT_RSS": unix.RLIMIT_RSS,
	"RLIMIT_NPROC": unix.RLIMIT_NPROC, "RLIMIT_NOFILE": unix.RLIMIT_NOFILE, "RLIMIT_MEMLOCK": unix.RLIMIT_MEMLOCK,
	"RLIMIT_AS": unix.RLIMIT_AS, "RLIMIT_LOCKS": unix.RLIMIT_LOCKS, "RLIMIT_SIGPENDING": unix.RLIMIT_SIGPENDING,
	"RLIMIT_MSGQUEUE": unix.RLIMIT_MSGQUEUE, "RLIMIT_NICE": unix.RLIMIT_NICE, "RLIMIT_RTPRIO": unix.RLIMIT_RTPRIO,
	"RLIMIT_RTTIME": unix.RLIMIT_RTTIME,
}

func rlimits(in []specs.POSIXRlimit) ([]plan.Rlimit, error) {
	seen := map[string]bool{}
	var out []plan.Rlimit
	for _, r := range in {
		n, ok := rlimitNumbers[r.Type]
		if !ok {
			return nil, invalid("process.rlimits", r.Type, "unknown limit")
		}
		if seen[r.Type] {
			return nil, invalid("process.rlimits", r.Type, "is listed twice")
		}
		if r.Soft > r.Hard {
			return nil, invalid("process.rlimits", r.Type, "the soft limit is above the hard one")
		}
		seen[r.Type] = true
		out = append(out, plan.Rlimit{Resource: n, Soft: r.Soft, Hard: r.Hard})
	}
	return out, nil
}

func personality(p *specs.LinuxPersonality) (*uint32, error) {
	if p == nil {
		return nil, nil
	}
	if len(p.Flags) > 0 {
		return nil, errdefs.Unsupported("linux.personality.flags", "no flag is defined")
	}
	domains := map[specs.LinuxPersonalityDomain]uint32{specs.PerLinux: 0, specs.PerLinux32: 8}
	v, ok := domains[p.Domain]
	if !ok {
		return nil, invalid("linux.personality.domain", string(p.Domain), "want LINUX or LINUX32")
	}
	return &v, nil
}

// labels refuses what the kernel could not carry out: a container never starts without a label
// that was asked for.
func labels(s *specs.Process, p *plan.Process) error {
	if s.ApparmorProfile != "" && s.ApparmorProfile != "unconfined" {
		if b, err := os.ReadFile("/sys/module/apparmor/parameters/enabled"); err != nil || !strings.HasPrefix(string(b), "Y") {
			return errdefs.Unsupported("process.apparmorProfile", "AppArmor is not enabled in this kernel")
		}
	}
	if s.SelinuxLabel != "" {
		if err := needSELinux("process.selinuxLabel"); err != nil {
			return err
		}
	}
	p.AppArmor, p.SELinux = s.ApparmorProfile, s.SelinuxLabel
	return nil
}

// needSELinux refuses a label where there is no SELinux.
func needSELinux(field string) error {
	if _, err := os.Stat("/sys/fs/selinux/enforce"); err != nil {
		return errdefs.Unsupported(field, "SELinux is not enabled in this kernel")
	}
	return nil
}

func filter(profile *specs.LinuxSeccomp, p *plan.Process) ([]string, error) {
	if profile == nil {
		return nil, nil
	}
	f, err := seccomp.Compile(profile)
	if err != nil {
		return nil, fmt.Errorf("seccomp: %w", err)
	}
	if f == nil {
		return nil, nil
	}
	p.Seccomp = &plan.Seccomp{Filter: f.Program, Flags: f.Flags}
	return f.Warnings, nil
}

func itoa(n int) string { return strconv.Itoa(n) }
