package compile

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/manager-project/manager/pkg/apparmor"
	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/libcontainer/launch"
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
	if _, _, err := affinity(c.spec.Process.ExecCPUAffinity); err != nil { // it is for those who join
		return err
	}
	if c.h.CloneFlags&unix.CLONE_NEWUSER == 0 && len(c.h.Enter) == 0 {
		warnings = append(warnings, ungranted(p.Capabilities)...)
	}
	p.ResetAffinity = true
	if p.Seccomp != nil && p.Seccomp.Listener {
		c.h.Notify = c.notify(c.spec.Linux.Seccomp)
	}
	c.h.Warnings = append(c.h.Warnings, warnings...)
	c.p.Process = *p
	c.p.Process.MakeCwd = c.opts.MakeCwd
	c.p.Process.Reaper, c.p.Process.ReaperReports = c.opts.Reaper, c.opts.ReaperReports
	// Whoever has no more than an own group to map has to give up the right to drop groups.
	// A user namespace that denies it leaves no choice either.
	alone := c.h.CloneFlags&unix.CLONE_NEWUSER != 0 && os.Geteuid() != 0 && launch.OwnID(c.h.GIDMap)
	if alone || c.h.CloneFlags&unix.CLONE_NEWUSER == 0 && len(c.h.Enter) == 0 && setgroupsDenied() {
		u := c.spec.Process.User
		if slices.ContainsFunc(u.AdditionalGids, func(gid uint32) bool { return gid != u.GID }) {
			return invalid("process.user.additionalGids", "", "cannot be set without privileges")
		}
		c.p.Process.KeepGroups = true
	}
	if KeepsGroups(c.spec) {
		if err := c.h.keepGroups(c.spec.Process, &c.p.Process); err != nil {
			return err
		}
	}
	if c.opts.ID != "" && !c.opts.KeepKeyring {
		c.p.Process.Keyring = "_ses." + c.opts.ID
	}
	return nil
}

// setgroupsDenied says that in the caller's user namespace nobody may change the supplementary groups.
// Source: user_namespaces(7), /proc/PID/setgroups.
func setgroupsDenied() bool {
	b, err := os.ReadFile("/proc/self/setgroups")
	return err == nil && string(b) == "deny\n"
}

// keepGroupsAnnotation, with "1", leaves the program the supplementary groups of whoever makes the container, which its
// user namespace need not know. Podman sets it for --group-add keep-groups; it is crun's.
const keepGroupsAnnotation = "run.oci.keep_original_groups"

// KeepsGroups says whether the processes of a container keep the groups of their makers.
func KeepsGroups(spec *specs.Spec) bool { return spec.Annotations[keepGroupsAnnotation] == "1" }

func (h *Handles) keepGroups(s *specs.Process, p *plan.Process) error {
	if len(s.User.AdditionalGids) > 0 {
		return invalid("process.user.additionalGids", "", "conflicts with the annotation %s", keepGroupsAnnotation)
	}
	p.KeepGroups, h.KeepGroups = true, true
	return nil
}

// ExecOptions is what Exec cannot know from the process.
type ExecOptions struct {
	// Seccomp is the container's profile (linux.seccomp of its configuration), or nil.
	Seccomp *specs.LinuxSeccomp
	// Personality is the container's, or nil.
	Personality *specs.LinuxPersonality
	// KeepGroups keeps the caller's supplementary groups: see KeepsGroups.
	KeepGroups bool
	// PreserveFDs is how many extra files follow stdio; used for LISTEN_FDS.
	PreserveFDs int
	// State is the container's, for the receiver of a seccomp listener.
	State plan.State
}

// Exec turns a process of an OCI configuration into a plan for a join. Start it with
// launch.Request.Join set. Errors are those of Compile.
func Exec(process *specs.Process, opts ExecOptions) (*plan.Plan, *Handles, error) {
	linux := &specs.Linux{Seccomp: opts.Seccomp, Personality: opts.Personality}
	p, warnings, err := compileProcess(process, linux, opts.PreserveFDs)
	if err != nil {
		return nil, nil, err
	}
	h := &Handles{Warnings: warnings, State: opts.State}
	if opts.KeepGroups {
		if err := h.keepGroups(process, p); err != nil {
			return nil, nil, err
		}
	}
	var final []uint64
	if h.Affinity, final, err = affinity(process.ExecCPUAffinity); err != nil {
		return nil, nil, err
	}
	p.Affinity, p.ResetAffinity = final, process.ExecCPUAffinity == nil
	if p.Seccomp != nil && p.Seccomp.Listener {
		h.Notify = &launch.Notify{Path: opts.Seccomp.ListenerPath, Metadata: opts.Seccomp.ListenerMetadata, State: opts.State}
	}
	return &plan.Plan{Join: true, Process: *p}, h, nil
}

func compileProcess(s *specs.Process, linux *specs.Linux, preserve int) (*plan.Process, []string, error) {
	if err := checkProcess(s); err != nil {
		return nil, nil, err
	}
	env, err := environment(s.Env, preserve)
	if err != nil {
		return nil, nil, err
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
		func() error { return memoryPolicy(linux.MemoryPolicy, p) },
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

// checkProcess refuses what no process can be made of.
func checkProcess(s *specs.Process) error {
	if len(s.Args) == 0 {
		return invalid("process.args", "", "is empty")
	}
	for i, a := range s.Args {
		if strings.IndexByte(a, 0) >= 0 {
			return invalid(fmt.Sprintf("process.args[%d]", i), a, "has a NUL byte")
		}
	}
	const none = 1<<32 - 1 // the number that means "no user" to the kernel
	switch {
	case s.Cwd == "":
		return invalid("process.cwd", "", "is missing")
	case !filepath.IsAbs(s.Cwd):
		return invalid("process.cwd", s.Cwd, "is not absolute")
	case strings.IndexByte(s.Cwd, 0) >= 0:
		return invalid("process.cwd", s.Cwd, "has a NUL byte")
	case s.User.UID == none:
		return invalid("process.user.uid", "4294967295", "is no user")
	case s.User.GID == none:
		return invalid("process.user.gid", "4294967295", "is no group")
	case s.User.Umask != nil && *s.User.Umask > 0o777:
		return invalid("process.user.umask", strconv.FormatUint(uint64(*s.User.Umask), 10), "want at most 511 (octal 777)")
	case s.OOMScoreAdj != nil && (*s.OOMScoreAdj < -1000 || *s.OOMScoreAdj > 1000):
		return invalid("process.oomScoreAdj", itoa(*s.OOMScoreAdj), "want -1000 to 1000")
	case s.Terminal && s.ConsoleSize != nil && s.ConsoleSize.Height > 65535:
		return invalid("process.consoleSize.height", strconv.FormatUint(uint64(s.ConsoleSize.Height), 10), "want at most 65535")
	case s.Terminal && s.ConsoleSize != nil && s.ConsoleSize.Width > 65535:
		return invalid("process.consoleSize.width", strconv.FormatUint(uint64(s.ConsoleSize.Width), 10), "want at most 65535")
	}
	for i, g := range s.User.AdditionalGids {
		if g == none {
			return invalid(fmt.Sprintf("process.user.additionalGids[%d]", i), "4294967295", "is no group")
		}
	}
	return nil
}

// environment checks and completes the environment: the last of equal names wins.
func environment(env []string, preserve int) ([]string, error) {
	last := make(map[string]int, len(env))
	for i, e := range env {
		name, _, ok := strings.Cut(e, "=")
		if !ok || name == "" || strings.IndexByte(e, 0) >= 0 {
			return nil, invalid(fmt.Sprintf("process.env[%d]", i), e, "want NAME=VALUE without NUL")
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
	for i, r := range in {
		at := fmt.Sprintf("process.rlimits[%d]", i)
		n, ok := rlimitNumbers[r.Type]
		if !ok {
			return nil, invalid(at+".type", r.Type, "unknown limit")
		}
		if seen[r.Type] {
			return nil, invalid(at+".type", r.Type, "is listed twice")
		}
		if r.Soft > r.Hard {
			return nil, invalid(at+".soft", strconv.FormatUint(r.Soft, 10), "is above the hard limit %d", r.Hard)
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
	profile := s.ApparmorProfile
	switch enabled := appArmor.Enabled(); {
	case profile == "":
	case !enabled && profile == apparmor.Unconfined:
		profile = "" // there is nothing to be free of
	case !enabled:
		return errdefs.Unsupported("process.apparmorProfile", "AppArmor is not enabled in this kernel")
	case appArmor.Lacks(profile):
		return errdefs.NotFound("AppArmor profile", profile).WithHint("load it with apparmor_parser, or name one that aa-status lists")
	}
	if s.SelinuxLabel != "" {
		if err := needSELinux("process.selinuxLabel"); err != nil {
			return err
		}
	}
	p.AppArmor, p.SELinux = profile, s.SelinuxLabel
	return nil
}

// appArmor is where the kernel shows AppArmor; tests set another.
var appArmor apparmor.Kernel

// selinuxFS is where the kernel shows SELinux; tests set another.
var selinuxFS = "/sys/fs/selinux"

// needSELinux refuses a label where there is no SELinux.
func needSELinux(field string) error {
	if _, err := os.Stat(filepath.Join(selinuxFS, "enforce")); err != nil {
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
		return nil, err
	}
	if f == nil {
		return nil, nil
	}
	p.Seccomp = &plan.Seccomp{Filter: f.Program, Flags: f.Flags, Listener: f.Listener}
	return f.Warnings, nil
}

func itoa(n int) string { return strconv.Itoa(n) }
