package e2e

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/manager-project/manager/internal/testenv"
	"github.com/manager-project/manager/internal/testenv/evil"
)

// writeText writes a small file.
func writeText(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// measured runs a command and returns, besides, its time and its peak memory in bytes.
func (h *hostile) measured(t *testing.T, args ...string) (testenv.Result, time.Duration, int64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := h.Command(ctx, args...)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	// A child's peak begins with what its parent, this test, had when it was made.
	debug.FreeOSMemory()
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	_ = cmd.Run() // the code tells
	took := time.Since(start)
	h.canary.Check(t)
	usage := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	return testenv.Result{Stdout: out.String(), Stderr: errOut.String(), Code: cmd.ProcessState.ExitCode()}, took, usage.Maxrss * 1024
}

// TestHostileS12UserFiles: passwd and group are no files, or endless ones.
func TestHostileS12UserFiles(t *testing.T) {
	h := newHostile(t)
	million := strings.Repeat("x:x:1000:1000::/:\n", 1_000_000)
	plain := h.image(t, nil)
	_, _, usual := h.measured(t, "run", "--rm", "--network", "none", "--user", "daemon", plain, "true")
	check := func(what string, args ...string) {
		t.Helper()
		r, took, rss := h.measured(t, args...)
		if r.Code != 125 || strings.Count(r.Stderr, "\n") != 1 {
			t.Errorf("%s: %v: code %d, %q", what, args, r.Code, r.Stderr)
		}
		if took > 30*time.Second || rss > usual+32<<20 {
			t.Errorf("%s: %v: %v, %d MiB (usually %d)", what, args, took, rss>>20, usual>>20)
		}
	}
	for _, file := range []string{"etc/passwd", "etc/group"} {
		for what, entry := range map[string]evil.Entry{
			"pipe": fifo(file), "link to pipe": evil.Symlink(file, h.canary.Dir+"/pipe"),
			"zero": evil.Device(file, '3', 1, 5), "million entries": evil.File(file, million, 0o644), "directory": evil.Dir(file, 0o755),
		} {
			entries := []evil.Entry{entry}
			if what == "link to pipe" { // inside the image there is one too
				entries = append(entries, evil.Dir(h.canary.Dir[1:], 0o755), fifo(h.canary.Dir[1:]+"/pipe"))
			}
			image := h.image(t, nil, entries...)
			check(file+" is a "+what, "run", "--rm", "--network", "none", "--user", "daemon:nosuch", image, "true")
		}
	}
	for what, script := range map[string]string{
		"pipe": "mkfifo F", "zero": "mknod F c 1 5", "sparse": "truncate -s 4G F", "long line": "truncate -s 1G F; printf 'x:' | dd of=F conv=notrunc",
		"link": "ln -s /proc/self/fd/0 F", "host": "ln -s " + h.canary.Dir + "/pipe F",
	} {
		if what == "zero" && os.Geteuid() != 0 {
			continue // only the host's root makes devices
		}
		for _, file := range []string{"/etc/passwd", "/etc/group"} {
			h.MustRun(t, "run", "-d", "--network", "none", "--cap-add", "MKNOD", "--name", "c", plain, "sleep", "1000")
			h.MustRun(t, "exec", "-u", "0", "c", "sh", "-c", strings.ReplaceAll("mv F F.old; "+script+" 2>/dev/null", "F", file))
			check(file+" is a "+what, "exec", "-u", "daemon:nosuch", "c", "true")
			h.MustRun(t, "rm", "-f", "c")
		}
	}
}

// TestHostileS13WorkingDirectoryOfDescriptors: no descriptor of ours can be the working
// directory, and none reaches the program.
func TestHostileS13WorkingDirectoryOfDescriptors(t *testing.T) {
	h := newHostile(t)
	plain := h.image(t, nil, evil.Symlink("l5", "/proc/self/fd/5"), evil.Symlink("l7", "/proc/self/fd/7"), evil.Symlink("l9", "../proc/1/fd/9"))
	h.MustRun(t, "run", "-d", "--network", "none", "--name", "c", plain, "sleep", "1000")
	outside := func(r testenv.Result) bool {
		return strings.Contains(r.Stdout, "unreachable") || strings.Contains(r.Stdout, h.Dir)
	}
	// The parent of a descriptor, by name, is the container's own /proc/self/fd.
	within := func(dir string) bool { return strings.Contains(dir, "/fd/") && !strings.HasSuffix(dir, "/..") }
	dirs := []string{"/l5", "/l7", "/l9", "/proc/1/cwd/../../..", "/proc/self/root/.."}
	for n := 3; n <= 64; n++ {
		dirs = append(dirs, fmt.Sprintf("/proc/self/fd/%d", n), fmt.Sprintf("/proc/self/fd/%d/..", n))
	}
	for i, dir := range dirs {
		if i < 16 || i%8 == 0 { // a container each is slower
			r := h.run(t, "run", "--rm", "--network", "none", "-w", dir, plain, "sh", "-c", "pwd; cat "+h.canary.Dir+"/secret ../../../../"+h.canary.Dir+"/secret 2>/dev/null; true")
			if within(dir) && r.Code == 0 || outside(r) {
				t.Errorf("run -w %s: code %d %q", dir, r.Code, r.Stdout)
			}
		}
		r := h.run(t, "exec", "-w", dir, "c", "sh", "-c", "pwd; cat ../../../../"+h.canary.Dir+"/secret 2>/dev/null; true")
		if within(dir) && r.Code == 0 || outside(r) {
			t.Errorf("exec -w %s: code %d %q", dir, r.Code, r.Stdout)
		}
	}
	image := h.image(t, map[string]any{"WorkingDir": "/proc/self/fd/8"})
	if r := h.run(t, "run", "--rm", "--network", "none", image, "pwd"); r.Code != 125 {
		t.Errorf("image's WorkingDir: %d %q", r.Code, r.Stdout)
	}
	for _, args := range [][]string{{"run", "--rm", "--network", "none", plain}, {"exec", "c"}, {"run", "-t", "--rm", "--network", "none", plain}, {"exec", "-t", "c"}} {
		r := h.run(t, append(args, "ls", "/proc/self/fd")...)
		if got := strings.Join(strings.Fields(r.Stdout), " "); got != "0 1 2 3" { // 3 is ls's own
			t.Errorf("%v: descriptors %s", args, got)
		}
	}
}

// programHashes are the digests of the programs that run containers.
func (h *hostile) programHashes(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	installed, _ := filepath.Glob(filepath.Join(filepath.Dir(h.Program), "*"))
	unpacked, _ := filepath.Glob(filepath.Join(h.TmpDir, "programs", "*"))
	for _, path := range append(installed, unpacked...) {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%s %x\n", path, sha256.Sum256(raw))
	}
	return b.String()
}

// TestHostileS14OwnProgram: containers execute and write to the program that made them.
func TestHostileS14OwnProgram(t *testing.T) {
	h := newHostile(t)
	self := h.image(t, map[string]any{"Entrypoint": []string{"/evil"}}, evil.File("evil", "#!/proc/self/exe\n", 0o755))
	h.run(t, "run", "--rm", "--network", "none", self)
	before := h.programHashes(t)
	h.run(t, "run", "--rm", "--network", "none", self)
	h.run(t, "run", "--rm", "--network", "none", "--entrypoint", "/proc/self/exe", self, "init")
	// S15 as well: whatever new process appears is searched for ways to the host.
	h.MustRun(t, "run", "-d", "--network", "none", "--cap-add", "SYS_PTRACE", "--name", "c", "--entrypoint", "sh", self, "-c",
		`while :; do for p in /proc/[0-9]*; do
			[ $p = /proc/1 ] || [ $p = /proc/$$ ] && continue
			cat $p/root`+h.canary.Dir+`/secret $p/cwd`+h.canary.Dir+`/secret $p/fd/*/secret 2>/dev/null
			( : >>$p/exe ) 2>/dev/null && echo wrote $p/exe
			for f in $p/fd/*; do [ -d $f/ ] && echo directory $f "$(readlink $f)"; done 2>/dev/null
		done; done >/found 2>/dev/null`)
	times := 100
	if os.Getenv("MANAGER_SOAK") != "" {
		times = 1000
	}
	for range times {
		h.run(t, "exec", "c", "/evil")
		h.run(t, "exec", "c", "true")
	}
	r := h.run(t, "exec", "c", "sh", "-c", "cat /found; ls -l /proc/1/exe")
	if !strings.HasSuffix(strings.TrimSpace(r.Stdout), "/bin/busybox") || strings.Count(r.Stdout, "\n") != 1 {
		t.Errorf("found %q", r.Stdout)
	}
	if after := h.programHashes(t); after != before || after == "" {
		t.Errorf("the programs changed:\n%s\nbefore\n%s", after, before)
	}
}

// TestHostileS17LongMessages: much is said to the process that makes the container; it works, or
// is refused in one line, and nothing of it is cut off.
func TestHostileS17LongMessages(t *testing.T) {
	h := newHostile(t)
	plain := h.image(t, nil)
	deep := t.TempDir()
	for range 3 {
		deep = filepath.Join(deep, strings.Repeat("d", 200))
	}
	if err := os.MkdirAll(deep, 0o755); err != nil {
		t.Fatal(err)
	}
	writeText(t, filepath.Join(deep, "mark"), "bound")
	for _, tc := range []struct{ n, length int }{{120, len(deep)}, {2000, 20}} {
		args := []string{"run", "--rm", "--network", "none"}
		source := deep
		if tc.length < len(deep) {
			source = filepath.Dir(filepath.Dir(filepath.Dir(deep)))
		}
		for i := range tc.n {
			args = append(args, "-v", fmt.Sprintf("%s:/m/%d", source, i))
		}
		args = append(args, "-e", "LONG="+strings.Repeat("x", 100_000), plain, "sh", "-c", "grep -c ' /m/' /proc/self/mounts; echo ${#LONG}; ls /m/0 /m/"+fmt.Sprint(tc.n-1))
		r := h.run(t, args...)
		if want := fmt.Sprintf("%d\n100000\n", tc.n); r.Code != 0 || !strings.HasPrefix(r.Stdout, want) {
			t.Errorf("%d mounts: code %d, %.100q %.300q", tc.n, r.Code, r.Stdout, r.Stderr)
		}
	}
}
