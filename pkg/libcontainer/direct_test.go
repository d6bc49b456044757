package libcontainer_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/cgroups"
	"github.com/manager-project/manager/pkg/libcontainer"
	"github.com/manager-project/manager/pkg/libcontainer/launch"
)

// joined runs a process in a box: by an image of its own, or by the small program. The result is what it
// printed, or the failure. small says that it is one of those that an image cannot start.
func joined(t *testing.T, b *box, spec *specs.Spec, q libcontainer.Join, image, small bool) (string, error) {
	t.Helper()
	prog, err := os.Open(program)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = prog.Close() }()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	q.PID, q.PIDFD, q.Spec, q.Program, q.Stdio = b.PID(), b.PIDFD(), spec, prog, [3]*os.File{nil, w, w}
	j, err := q.Compile()
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	var child *launch.Child
	if image {
		child, err = j.Start(ctx)
		if os.Getenv(envProgram) == "" && (j.Image == nil) != small {
			t.Fatalf("the small program was used: %v, want %v", j.Image == nil, small)
		}
	} else {
		req, err := j.Encode()
		if err != nil {
			t.Fatal(err)
		}
		child, err = launch.Start(ctx, req)
		if err != nil {
			return "", err
		}
	}
	_ = w.Close()
	if err != nil {
		return "", err
	}
	defer func() { _ = child.Close() }()
	console, err := child.Ready(ctx)
	if err == nil {
		err = child.Exec()
	}
	if err != nil {
		return "", err
	}
	var out []byte
	if console != nil {
		out, _ = io.ReadAll(console) // ends with EIO
		_ = console.Close()
	} else if out, err = io.ReadAll(r); err != nil {
		t.Fatal(err)
	}
	st, err := child.Wait()
	if err != nil || st.Code != 0 {
		t.Errorf("%v: code %d, %v: %s", q.Process.Args, st.Code, err, out)
	}
	return string(out), nil
}

// everything prints what a process is, without what differs from one to the next.
const everything = `
grep -E '^(Umask|Uid|Gid|Groups|NoNewPrivs|Seccomp|Cap|Sig(Blk|Ign|Cgt)|Cpus_allowed|Mems_allowed|CoreDumping|THP|Tracer)' /proc/$$/status
cat /proc/$$/limits /proc/$$/oom_score_adj /proc/$$/personality /proc/$$/cgroup /proc/$$/timens_offsets /proc/$$/uid_map
for n in /proc/$$/ns/*; do readlink $n; done
busybox cut -d' ' -f7,18,19,40,41 /proc/$$/stat
busybox tail -n +1 /proc/$$/attr/current 2>&1
busybox tr '\0' ' ' </proc/$$/environ
busybox tr '\0' ' ' </proc/$$/cmdline
for f in /proc/$$/fd/*; do busybox basename $f; done
stat -c %a%u /proc/$$
readlink /proc/$$/exe
pwd; umask; id; tty; busybox stty size; env; busybox ionice; busybox chrt -p $$ 2>&1 | busybox sed s/^.*:// ; busybox taskset -p $$ | busybox sed s/^.*://
busybox grep -v '[0-9a-f]-[0-9a-f]' /proc/keys 2>/dev/null | busybox wc -l
test $$ = "$(busybox cut -d' ' -f6 /proc/$$/stat)" && echo leads a session
true`

// TestJoinBothWays: a process that an image starts is the same as one that the small program starts.
func TestJoinBothWays(t *testing.T) {
	errno := uint(99)
	filter := &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{
		{Names: []string{"mkdir", "mkdirat", "capset"}, Action: specs.ActErrno, ErrnoRet: &errno},
	}}
	umask, score := uint32(0o27), 321
	all := []string{"CAP_CHOWN", "CAP_KILL", "CAP_NET_BIND_SERVICE", "CAP_SETUID"}
	cases := map[string]func(*specs.Spec, *libcontainer.Join){
		"plain":        func(*specs.Spec, *libcontainer.Join) {},
		"container's":  func(s *specs.Spec, q *libcontainer.Join) { p := *s.Process; p.Args = q.Process.Args; q.Process = &p },
		"empty home":   func(_ *specs.Spec, q *libcontainer.Join) { q.Process.Env = []string{"HOME=", "PATH=/bin", "A=b"} },
		"own home":     func(_ *specs.Spec, q *libcontainer.Join) { q.Process.Env = []string{"PATH=/bin", "HOME=/else"} },
		"second home":  func(_ *specs.Spec, q *libcontainer.Join) { q.Process.User.UID = 7 },
		"no such user": func(_ *specs.Spec, q *libcontainer.Join) { q.Process.User.UID = 8 },
		"search": func(_ *specs.Spec, q *libcontainer.Join) {
			q.Process.Env = []string{"PATH=/nothing:/etc:/dirs::/bin:/tmp"}
		},
		"by its path": func(_ *specs.Spec, q *libcontainer.Join) { q.Process.Args[0] = "/bin/sh" },
		"last PATH":   func(_ *specs.Spec, q *libcontainer.Join) { q.Process.Env = []string{"PATH=/nothing", "PATH=/bin"} },
		"no PATH":     func(_ *specs.Spec, q *libcontainer.Join) { q.Process.Env = nil },
		"keyring":     func(_ *specs.Spec, q *libcontainer.Join) { q.Keyring = "_ses.box" },
		"cwd":         func(_ *specs.Spec, q *libcontainer.Join) { q.Process.Cwd = "/tmp" },
		"closed cwd":  func(_ *specs.Spec, q *libcontainer.Join) { q.Process.Cwd, q.Process.User.UID = "/closed", 7 },
		"umask":       func(_ *specs.Spec, q *libcontainer.Join) { q.Process.User.Umask = &umask },
		"oom":         func(_ *specs.Spec, q *libcontainer.Join) { q.Process.OOMScoreAdj = &score },
		"ambient": func(_ *specs.Spec, q *libcontainer.Join) {
			q.Process.User = specs.User{UID: 1000, GID: 1001, AdditionalGids: []uint32{5, 6}}
			q.Process.Capabilities = &specs.LinuxCapabilities{Bounding: all, Effective: all[:3], Permitted: all, Inheritable: all[1:], Ambient: all[1:3]}
		},
		"filter":            func(s *specs.Spec, q *libcontainer.Join) { s.Linux.Seccomp, q.Process.NoNewPrivileges = filter, true },
		"filter by a right": func(s *specs.Spec, q *libcontainer.Join) { s.Linux.Seccomp = filter },
		"filter with a flag": func(s *specs.Spec, q *libcontainer.Join) {
			f := *filter
			f.Flags = []specs.LinuxSeccompFlag{specs.LinuxSeccompFlagLog}
			s.Linux.Seccomp = &f
		},
		"limits": func(_ *specs.Spec, q *libcontainer.Join) {
			q.Process.Rlimits = []specs.POSIXRlimit{
				{Type: "RLIMIT_NOFILE", Soft: 77, Hard: 99}, {Type: "RLIMIT_CORE", Soft: 0, Hard: 0}, {Type: "RLIMIT_MEMLOCK", Soft: 1 << 40, Hard: 1 << 41},
			}
		},
		"scheduling": func(s *specs.Spec, q *libcontainer.Join) {
			q.Process.Scheduler = &specs.Scheduler{Policy: specs.SchedBatch, Nice: 7}
			q.Process.IOPriority = &specs.LinuxIOPriority{Class: specs.IOPRIO_CLASS_BE, Priority: 6}
			q.Process.ExecCPUAffinity = &specs.CPUAffinity{Initial: "0", Final: "0"}
			s.Linux.Personality = &specs.LinuxPersonality{Domain: specs.PerLinux32}
		},
		"terminal": func(_ *specs.Spec, q *libcontainer.Join) {
			q.Process.Terminal, q.Process.ConsoleSize = true, &specs.Box{Height: 33, Width: 99}
		},
		"descriptors": func(_ *specs.Spec, q *libcontainer.Join) { q.ExtraFiles = []*os.File{os.Stdin, nil, os.Stdin} },
	}
	for _, user := range []bool{false, true} {
		for name, change := range cases {
			small := name == "oom" && user
			if user {
				name += " in a user namespace"
			}
			t.Run(name, func(t *testing.T) {
				b, spec := sleeper(t, user)
				q := libcontainer.Join{Process: &specs.Process{Args: []string{"sh", "-c", everything}, Cwd: "/", Env: []string{"PATH=/bin"}}}
				change(spec, &q)
				want, err := joined(t, b, spec, q, false, false)
				if err != nil {
					t.Fatal(err)
				}
				got, err := joined(t, b, spec, q, true, small)
				if err != nil {
					t.Fatal(err)
				}
				if got != want {
					t.Errorf("%s", differing(got, want))
				}
				if len(got) < 1000 {
					t.Errorf("little was seen: %s", got)
				}
			})
		}
	}
}

// TestJoinIntoACgroup: both ways a process is born in the container's cgroup.
func TestJoinIntoACgroup(t *testing.T) {
	b, spec := sleeper(t, false)
	if cgroups.Mode() == cgroups.Disabled {
		t.Skip("needs a cgroup file system")
	}
	path := fmt.Sprintf("/manager-test-join-%d", os.Getpid())
	cg, err := cgroups.Create(cgroups.Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := errors.Join(cg.KillAll(), cg.Remove()); err != nil {
			t.Error(err)
		}
	}()
	for _, image := range []bool{false, true} {
		q := libcontainer.Join{
			Cgroup: cg, Process: &specs.Process{Args: []string{"cat", "/proc/self/cgroup"}, Cwd: "/", Env: []string{"PATH=/bin"}, User: specs.User{UID: 7}},
		}
		out, err := joined(t, b, spec, q, image, false)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(out) {
			line = strings.TrimSpace(line)
			if mounted(t, strings.SplitN(line, ":", 3)[1]) && !strings.HasSuffix(line, path) {
				t.Errorf("image %v: outside: %s", image, line)
			}
		}
	}
}

// TestJoinFailsBothWays: and so are the failures.
func TestJoinFailsBothWays(t *testing.T) {
	refuse := &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{{Names: []string{"execve"}, Action: specs.ActErrno}}}
	cases := map[string]func(*specs.Spec, *libcontainer.Join){
		"missing":             func(_ *specs.Spec, q *libcontainer.Join) { q.Process.Args = []string{"nothing"} },
		"empty":               func(_ *specs.Spec, q *libcontainer.Join) { q.Process.Args = []string{""} },
		"missing path":        func(_ *specs.Spec, q *libcontainer.Join) { q.Process.Args = []string{"/nothing"} },
		"directory":           func(_ *specs.Spec, q *libcontainer.Join) { q.Process.Args = []string{"/tmp"} },
		"file as a directory": func(_ *specs.Spec, q *libcontainer.Join) { q.Process.Args = []string{"/etc/passwd/x"} },
		"not executable":      func(_ *specs.Spec, q *libcontainer.Join) { q.Process.Args = []string{"/etc/passwd"} },
		"refused in a search": func(_ *specs.Spec, q *libcontainer.Join) {
			q.Process.Args, q.Process.Env = []string{"passwd"}, []string{"PATH=/bin:/etc:/dirs"}
		},
		"directory in a search": func(_ *specs.Spec, q *libcontainer.Join) {
			q.Process.Args, q.Process.Env = []string{"sh"}, []string{"PATH=/nothing:/dirs:/etc"}
		},
		"no interpreter": func(_ *specs.Spec, q *libcontainer.Join) { q.Process.Args = []string{"/tmp/script"} },
		"no format":      func(_ *specs.Spec, q *libcontainer.Join) { q.Process.Args = []string{"/tmp/text"} },
		"cwd":            func(_ *specs.Spec, q *libcontainer.Join) { q.Process.Cwd = "/nothing" },
		"cwd as a file":  func(_ *specs.Spec, q *libcontainer.Join) { q.Process.Cwd = "/etc/passwd" },
		"host's cwd":     func(_ *specs.Spec, q *libcontainer.Join) { q.Process.Cwd = "/proc/self/fd/3" },
		"refused":        func(s *specs.Spec, _ *libcontainer.Join) { s.Linux.Seccomp = refuse },
		"limit": func(_ *specs.Spec, q *libcontainer.Join) {
			q.Process.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_NOFILE", Soft: 1 << 40, Hard: 1 << 40}}
		},
	}
	host, err := os.Open("/")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = host.Close() }()
	for name, change := range cases {
		t.Run(name, func(t *testing.T) {
			b, spec := sleeper(t, false)
			q := libcontainer.Join{Process: &specs.Process{Args: []string{"true"}, Cwd: "/", Env: []string{"PATH=/bin"}}, ExtraFiles: []*os.File{host}}
			change(spec, &q)
			_, want := joined(t, b, spec, q, false, false)
			_, got := joined(t, b, spec, q, true, false)
			var f, g *launch.Failure
			if name == "limit" && want == nil && got == nil {
				t.Skip("the kernel takes it")
			}
			if !errors.As(want, &f) || !errors.As(got, &g) {
				t.Fatalf("%v and %v, want failures", got, want)
			}
			if *f != *g {
				t.Errorf("%#v, want %#v", g, f)
			}
		})
	}
}

// sleeper is a container that does nothing.
func sleeper(t *testing.T, user bool) (*box, *specs.Spec) {
	t.Helper()
	root := testRoot(t)
	for name, text := range map[string]string{
		"etc/passwd": "root:x:0:0::/root:\nseven:x:7:7::/seven:\n", "tmp/script": "#!/nothing\n", "tmp/text": "text\n",
	} {
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(filepath.Join(root, name), map[bool]os.FileMode{true: 0o755, false: 0o644}[strings.HasPrefix(name, "tmp/")]); err != nil {
			t.Fatal(err)
		}
	}
	for name, mode := range map[string]os.FileMode{"closed": 0o700, "dirs": 0o755, "dirs/sh": 0o755} {
		if err := os.MkdirAll(filepath.Join(root, name), mode); err != nil {
			t.Fatal(err)
		}
	}
	spec := testSpec(root, "sleep", "1000")
	if user {
		withUserNamespace(t, spec)
	}
	b, err := start(t, spec)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Exec(); err != nil {
		t.Fatal(err)
	}
	return b, spec
}

// differing are the lines of two texts that are not the same.
func differing(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	var out strings.Builder
	for i := range max(len(g), len(w)) {
		var a, b string
		if i < len(g) {
			a = g[i]
		}
		if i < len(w) {
			b = w[i]
		}
		if a != b {
			out.WriteString("\n got  " + a + "\n want " + b)
		}
	}
	return out.String()
}

// TestImageIsNoneOfTheHosts: while it waits, the process inside is a sealed file in memory with nothing of ours:
// no program of the host that could be written to, no descriptor but its own, and no memory but the plan.
func TestImageIsNoneOfTheHosts(t *testing.T) {
	t.Setenv("SECRET_OF_THE_CALLER", "canary-of-the-environment")
	secret := strings.Repeat("canary-of-the-heap", 1+len(t.Name())) // made at run time
	b, spec := sleeper(t, false)
	prog, err := os.Open(program)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = prog.Close() }()
	// What the caller did not mark as its own.
	stray, err := unix.Open("/", unix.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(stray) }()
	name := filepath.Join(t.TempDir(), "stray")
	writable, err := unix.Open(name, unix.O_RDWR|unix.O_CREAT, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(writable) }()
	q := libcontainer.Join{
		PID: b.PID(), PIDFD: b.PIDFD(), Spec: spec, Program: prog,
		Process: &specs.Process{Args: []string{"sleep", "1000"}, Cwd: "/", Env: []string{"PATH=/bin", "X=canary-of-the-plan"}, User: specs.User{UID: 7}},
	}
	j, err := q.Compile()
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	child, err := j.Start(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = child.Signal(unix.SIGKILL); _, _ = child.Wait(); _ = child.Close() }()
	if _, err := child.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	proc := func(name string) string { return fmt.Sprintf("/proc/%d/%s", child.PID(), name) }
	if exe, err := os.Readlink(proc("exe")); err != nil || !strings.HasPrefix(exe, "/memfd:exec") {
		t.Errorf("executes %s, %v", exe, err)
	}
	for _, flags := range []int{unix.O_WRONLY, unix.O_RDWR | unix.O_TRUNC} {
		fd, err := unix.Open(proc("exe"), flags, 0)
		if err == nil {
			if _, err = unix.Write(fd, []byte("x")); err == nil {
				t.Error("its program was written to")
			}
			_ = unix.Close(fd)
		}
	}
	memory := memoryOf(t, child.PID())
	if !strings.Contains(memory, "canary-of-the-plan") {
		t.Error("its memory was not read")
	}
	for _, s := range []string{secret, "canary-of-the-environment"} {
		if strings.Contains(memory, s) {
			t.Errorf("%s is in its memory", s)
		}
	}
	// It closes the passwd file when it has sent it, which is when it is ready.
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		fds, err := os.ReadDir(proc("fd"))
		if err != nil {
			t.Fatal(err)
		}
		if len(fds) == 4 { // stdio and the socket
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d descriptors: %v", len(fds), fds)
		}
	}
	if b, err := os.ReadFile(name); err != nil || len(b) > 0 {
		t.Errorf("the caller's file has %q, %v", b, err)
	}
	// What cannot be looked into belongs to root and not to the process's user.
	var st unix.Stat_t
	if err := unix.Stat(proc("status"), &st); err != nil || st.Uid != 0 {
		t.Errorf("it can be dumped: owner %d, %v", st.Uid, err)
	}
}

// memoryOf is all that can be read of a process's memory.
func memoryOf(t *testing.T, pid int) string {
	t.Helper()
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		t.Fatal(err)
	}
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = mem.Close() }()
	var all strings.Builder
	for line := range strings.Lines(string(maps)) {
		var from, to uint64
		if _, err := fmt.Sscanf(line, "%x-%x", &from, &to); err != nil || strings.Contains(line, "[v") {
			continue
		}
		part := make([]byte, to-from)
		n, _ := mem.ReadAt(part, int64(from))
		all.Write(part[:n])
	}
	return all.String()
}
