package e2e

import (
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/manager-project/manager/internal/testenv/evil"
)

// TestHostileS31Digests: a digest is 64 small hexadecimal digits, or nothing is fetched.
// Those inside manifests are in libpod/image, TestEvilConfigs.
func TestHostileS31Digests(t *testing.T) {
	h := newHostile(t)
	for _, digest := range []string{"sha256:../../canary", "sha256:", "md5:d41d8cd98f00b204e9800998ecf8427e", "sha256:" + strings.Repeat("A", 64), "sha256:" + strings.Repeat("a", 63)} {
		for _, verb := range [][]string{{"run", "--rm"}, {"pull"}, {"rmi"}, {"image", "inspect"}} {
			r := h.run(t, append(verb, "localhost/x@"+digest)...)
			if r.Code == 0 || strings.Count(r.Stderr, "\n") != 1 || !strings.Contains(r.Stderr, "@sha256:DIGEST") {
				t.Errorf("%v %s: %d %q", verb, digest, r.Code, r.Stderr)
			}
		}
	}
}

// TestHostileS42CopyUp: an image's files never replace those of a volume.
func TestHostileS42CopyUp(t *testing.T) {
	h := newHostile(t)
	image := h.image(t, nil, evil.Dir("data", 0o755), evil.File("data/a", "image", 0o644), evil.File("data/b", "image", 0o644),
		evil.Symlink("data/l", h.canary.Dir+"/secret"), evil.Symlink("out", h.canary.Dir))
	h.MustRun(t, "volume", "create", "v")
	dir := h.MustRun(t, "volume", "inspect", "--format", "{{.Mountpoint}}", "v")
	writeText(t, filepath.Join(dir, "a"), "mine")
	run := func(option string) string {
		return h.run(t, "run", "--rm", "--network", "none", "-v", option, image, "sh", "-c", "cd /data; ls; cat a; cat l").Stdout
	}
	for _, option := range []string{"v:/data", "v:/data:ro", "v:/data"} {
		if got := run(option); got != "a\nmine" {
			t.Errorf("%s: %q", option, got)
		}
	}
	if got := run("new:/data"); got != "a\nb\nl\nimage" {
		t.Errorf("copied up %q", got)
	}
	// Through a link of the image nothing of the host is copied into a volume.
	h.run(t, "run", "--rm", "--network", "none", "-v", "third:/out", image, "true")
	third := h.MustRun(t, "volume", "inspect", "--format", "{{.Mountpoint}}", "third")
	if names, err := os.ReadDir(third); err != nil || len(names) > 0 {
		t.Errorf("copied up %v %v", names, err)
	}
	// A volume emptied by its user stays empty.
	h.MustRun(t, "run", "--rm", "--network", "none", "-v", "new:/data", image, "sh", "-c", "rm /data/*")
	if got := run("new:/data"); got != "" {
		t.Errorf("copied up again: %q", got)
	}
}

// TestHostileS44Directories: other users of the machine reach nothing of a container's files.
func TestHostileS44Directories(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to become another user; TestStranger looks at what a user has")
	}
	h := newHostile(t)
	// As on a real machine: the parent is everyone's, and what is below is ours to protect.
	if err := os.Chmod(h.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	h.TmpDir = filepath.Join(h.Dir, "fresh")
	image := h.image(t, nil, evil.File("setuid", "x", 0o4755))
	h.MustRun(t, "run", "-d", "-i", "--network", "none", "--name", "c", "-v", "v:/v", image, "sleep", "1000")
	probes := map[string]bool{filepath.Join(h.TmpDir, "containers"): true}
	for _, root := range []string{h.Root, h.RunRoot, h.TmpDir} {
		_ = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				//lint:ignore nilerr what goes away meanwhile is no probe
				return nil
			}
			if d.Name() == "setuid" || d.Name() == "_data" || d.Name() == "state.db" || d.Type()&fs.ModeSocket != 0 || d.Name() == "hosts" {
				probes[path] = true
			}
			return nil
		})
	}
	sockets := 0
	for path := range probes {
		if info, err := os.Lstat(path); err == nil && info.Mode()&fs.ModeSocket != 0 {
			sockets++
			if info.Mode().Perm()&0o077 != 0 {
				t.Errorf("socket %s has mode %o", path, info.Mode().Perm())
			}
			if conn, err := net.Dial("unix", path); err == nil {
				_ = conn.Close() // it is there, for us
			}
		}
		cmd := exec.Command("stat", path)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "Permission denied") {
			t.Errorf("nobody reaches %s: %s", path, out)
		}
	}
	if len(probes) < 5 || sockets == 0 {
		t.Errorf("only %d places and %d sockets were found: %v", len(probes), sockets, probes)
	}
}

// TestHostileSMask: what tells of the host is empty, and what acts on it cannot be written.
func TestHostileSMask(t *testing.T) {
	h := newHostile(t)
	image := h.image(t, nil)
	r := h.run(t, "run", "--rm", "--network", "none", image, "sh", "-c", `
		for p in /proc/kcore /proc/keys /proc/timer_list /proc/timer_stats /proc/sched_debug /proc/latency_stats /proc/interrupts; do
			[ -z "$(head -c 1 $p 2>/dev/null)" ] || echo "$p is readable"
		done
		for p in /proc/acpi /proc/asound /proc/scsi /sys/firmware /sys/fs/selinux /sys/devices/virtual/powercap /sys/dev/block \
			/sys/devices/system/cpu/cpu*/thermal_throttle; do
			[ -z "$(ls -A $p 2>/dev/null)" ] || echo "$p is readable"
		done
		for p in /proc/sysrq-trigger /proc/sys/kernel/core_pattern /proc/sys/kernel/hostname /proc/irq/default_smp_affinity /sys/kernel/mm/transparent_hugepage/enabled; do
			( cat $p >/tmp/v && cat /tmp/v >$p ) 2>/dev/null && echo "$p is writable"
		done; true`)
	if r.Code != 0 || r.Stdout != "" {
		t.Errorf("%d %s%s", r.Code, r.Stdout, r.Stderr)
	}
}
