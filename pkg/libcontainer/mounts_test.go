package libcontainer_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/manager-project/manager/pkg/libcontainer/compile"
	"github.com/manager-project/manager/pkg/libcontainer/launch"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// mountLine is what the kernel says of one mount.
type mountLine struct{ flags, optional, fstype, super string }

// mountinfo runs the configuration with a program that shows its mounts, and reads them.
func mountinfo(t *testing.T, spec *specs.Spec) map[string]mountLine {
	t.Helper()
	spec.Process.Args = []string{"cat", "/proc/self/mountinfo"}
	out, code := run(t, spec)
	if code != 0 {
		t.Fatalf("code %d: %s", code, out)
	}
	lines := map[string]mountLine{}
	for _, l := range strings.Split(out, "\n") {
		before, after, ok := strings.Cut(l, " - ")
		f, g := strings.Fields(before), strings.Fields(after)
		if !ok || len(f) < 6 || len(g) < 3 {
			t.Fatalf("line %q", l)
		}
		lines[f[4]] = mountLine{flags: f[5], optional: strings.Join(f[6:], " "), fstype: g[0], super: g[2]}
	}
	return lines
}

func has(list, word string) bool { return strings.Contains(","+list+",", ","+word+",") }

// Every option of the specification, each on a mount of its own, as the kernel shows it.
func TestEveryMountOption(t *testing.T) {
	spec := testSpec(testRoot(t))
	// The options, what must be among the mount's flags ("-x": must not), and what the file system says.
	cases := []struct{ options, flags, super string }{
		{"async", "-sync", "-sync"},
		{"atime", "relatime", ""},
		{"noatime,atime", "-noatime", ""},
		{"defaults", "rw", "rw"},
		{"nodev,dev", "-nodev", ""},
		{"nodiratime,diratime", "-nodiratime", ""},
		{"dirsync", "", "dirsync"},
		{"noexec,exec", "-noexec", ""},
		{"lazytime", "", "lazytime"},
		{"loud", "rw", ""},
		{"silent", "rw", ""},
		{"noatime", "noatime", ""},
		{"nodev", "nodev", ""},
		{"nodiratime", "nodiratime", ""},
		{"noexec", "noexec", ""},
		{"iversion", "rw", "rw"},
		{"noiversion", "rw", ""},
		{"nolazytime", "", "-lazytime"},
		{"norelatime", "relatime", ""},
		{"nostrictatime", "relatime", ""},
		{"nosuid", "nosuid", ""},
		{"relatime", "relatime", ""},
		{"ro", "ro", ""},
		{"ro,rw", "rw", ""},
		{"strictatime", "-relatime", ""},
		{"nosuid,suid", "-nosuid", ""},
		{"sync", "", "sync"},
		{"nosymfollow", "nosymfollow", ""},
		{"nosymfollow,symfollow", "-nosymfollow", ""},
		{"mand", "rw", ""},
		{"nomand", "rw", ""},
		{"private", "-shared", ""},
		{"shared", "shared", ""},
		{"slave", "-shared", ""},
		{"unbindable", "unbindable", ""},
		{"rprivate", "-shared", ""},
		{"rshared", "shared", ""},
		{"rslave", "-shared", ""},
		{"runbindable", "unbindable", ""},
		{"size=1m", "rw", "size=1024k"},
		{"nosuid,nodev,noexec,ro,noatime", "ro,nosuid,nodev,noexec,noatime", ""},
		{"rro", "ro", ""},
		{"rnosuid,rnoexec", "nosuid,noexec", ""},
	}
	target := func(i int) string { return "/tmp/" + string(rune('a'+i/26)) + string(rune('a'+i%26)) }
	for i, c := range cases {
		spec.Mounts = append(spec.Mounts, specs.Mount{Destination: target(i), Type: "tmpfs", Source: "tmpfs", Options: strings.Split(c.options, ",")})
	}
	lines := mountinfo(t, spec)
	for i, c := range cases {
		l, ok := lines[target(i)]
		if !ok {
			t.Errorf("%s: not mounted", c.options)
			continue
		}
		flags := l.flags
		for _, word := range strings.Fields(l.optional) {
			word, _, _ = strings.Cut(word, ":")
			flags += "," + word
		}
		for _, check := range []struct{ have, want string }{{flags, c.flags}, {l.super, c.super}} {
			for _, want := range strings.Split(check.want, ",") {
				word, not := strings.CutPrefix(want, "-")
				if word != "" && has(check.have, word) == not {
					t.Errorf("%s: %s and %s, want %s and %s", c.options, flags, l.super, c.flags, c.super)
				}
			}
		}
	}
}

// hostTree is a directory with a file and with a mount below it.
func hostTree(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(dir+"/sub", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", dir+"/sub", "tmpfs", unix.MS_NOSUID, "mode=755"); err != nil {
		t.Skip("cannot mount: ", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir+"/sub", unix.MNT_DETACH) })
	write(t, dir+"/file", "text", 0o644)
	return dir
}

func TestRecursiveAttributes(t *testing.T) {
	root := testRoot(t)
	dir := hostTree(t)
	for _, c := range []struct {
		options, top, sub string
	}{
		{"rbind,rro", "ro", "ro"},
		{"rbind,ro", "ro", "rw"},
		{"rbind,ro,rrw", "ro", "rw"},
		{"rbind,rnodev,rnoexec", "nodev,noexec", "nodev,noexec"},
		{"rbind,rnosuid", "nosuid", "nosuid"},
		{"rbind,rsuid", "-nosuid", "-nosuid"},
		{"rbind,rnoatime", "noatime", "noatime"},
		{"rbind,rstrictatime", "-relatime", "-relatime"},
		{"rbind,rnodiratime", "nodiratime", "nodiratime"},
		{"rbind,rnosymfollow", "nosymfollow", "nosymfollow"},
		{"rbind,rnoatime,rrelatime", "relatime", "relatime"},
		{"rbind", "rw", "rw,nosuid"},
		{"rbind,nodev", "nodev", "-nodev,nosuid"},
	} {
		spec := testSpec(root)
		spec.Mounts = append(spec.Mounts, specs.Mount{Destination: "/tmp/d", Type: "bind", Source: dir, Options: strings.Split(c.options, ",")})
		lines := mountinfo(t, spec)
		for target, want := range map[string]string{"/tmp/d": c.top, "/tmp/d/sub": c.sub} {
			for _, w := range strings.Split(want, ",") {
				word, not := strings.CutPrefix(w, "-")
				if has(lines[target].flags, word) == not {
					t.Errorf("%s: %s has %q, want %s", c.options, target, lines[target].flags, want)
				}
			}
		}
	}
	spec := testSpec(root)
	spec.Mounts = append(spec.Mounts, specs.Mount{Destination: "/tmp/d", Type: "bind", Source: dir, Options: []string{"bind"}})
	if _, ok := mountinfo(t, spec)["/tmp/d/sub"]; ok {
		t.Error("bind took the mount below with it")
	}
}

func TestRemountAndOverlayAndFileSystems(t *testing.T) {
	root := testRoot(t)
	dir := t.TempDir()
	for _, d := range []string{"low", "low2", "up", "work"} {
		if err := os.Mkdir(dir+"/"+d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	// Overlay on the machine's own root may be an overlay itself: a tmpfs serves as upper layer.
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, ""); err != nil {
		t.Skip("cannot mount: ", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	for _, d := range []string{"low", "low2", "up", "work"} {
		if err := os.Mkdir(dir+"/"+d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write(t, dir+"/low/f", "low", 0o644)
	write(t, dir+"/low2/g", "low2", 0o644)
	long := dir + "/low:" + dir + "/low2:" + strings.Repeat(dir+"/low/../low2/../", 0) + dir + "/up/" + strings.Repeat("../up/", 50)
	spec := testSpec(root)
	spec.Mounts = append(spec.Mounts,
		specs.Mount{Destination: "/tmp/o", Type: "overlay", Source: "overlay", Options: []string{"lowerdir=" + dir + "/low:" + dir + "/low2", "upperdir=" + dir + "/up", "workdir=" + dir + "/work"}},
		specs.Mount{Destination: "/tmp/long", Type: "overlay", Source: "overlay", Options: []string{"lowerdir=" + long, "nosuid", "ro"}},
		specs.Mount{Destination: "/tmp/t", Type: "tmpfs", Source: "tmpfs", Options: []string{"size=1m"}},
		specs.Mount{Destination: "/tmp/t", Options: []string{"remount", "ro", "nosuid"}},
		specs.Mount{Destination: "/tmp/t", Type: "tmpfs", Options: []string{"remount", "size=2m"}})
	lines := mountinfo(t, spec)
	if l := lines["/tmp/t"]; !has(l.flags, "ro") || !has(l.flags, "nosuid") || !has(l.super, "size=2048k") {
		t.Errorf("remounted: %+v", l)
	}
	if l := lines["/tmp/long"]; l.fstype != "overlay" || !has(l.flags, "ro") || !has(l.flags, "nosuid") {
		t.Errorf("long options: %+v", l)
	}
	if l := lines["/dev/mqueue"]; l.fstype != "mqueue" {
		t.Errorf("mqueue: %+v", l)
	}
	spec.Process.Args = []string{"sh", "-c", "cat /tmp/o/f /tmp/o/g; echo up > /tmp/o/h; cat /tmp/long/f"}
	if out, _ := run(t, spec); out != "lowlow2low" {
		t.Errorf("output %q", out)
	}
	if b, err := os.ReadFile(dir + "/up/h"); err != nil || string(b) != "up\n" {
		t.Errorf("upper layer: %q, %v", b, err)
	}
}

func TestLinksAsSourceAndDestination(t *testing.T) {
	root, dir := testRoot(t), t.TempDir()
	write(t, dir+"/file", "text", 0o644)
	write(t, root+"/etc/target", "image", 0o644)
	for name, to := range map[string]string{dir + "/link": "file", root + "/etc/link": "target", dir + "/away": "/nothing/here"} {
		if err := os.Symlink(to, name); err != nil {
			t.Fatal(err)
		}
	}
	spec := testSpec(root, "sh", "-c", "readlink /tmp/copied; cat /etc/link; readlink /tmp/nofollow; cat /tmp/plain; cat /etc/target")
	spec.Mounts = append(spec.Mounts,
		specs.Mount{Destination: "/tmp/copied", Source: dir + "/away", Options: []string{"bind", "copy-symlink"}},
		specs.Mount{Destination: "/tmp/plain", Source: dir + "/link", Options: []string{"bind"}},
		specs.Mount{Destination: "/etc/link", Source: dir + "/file", Options: []string{"bind"}})
	if out, _ := run(t, spec); strings.Join(strings.Fields(out), " ") != "/nothing/here texttexttext" {
		t.Errorf("output %q", out)
	}
	// Not following the destination's link covers the link itself.
	spec = testSpec(root, "sh", "-c", "cat /etc/link; cat /etc/target")
	spec.Mounts = append(spec.Mounts, specs.Mount{Destination: "/etc/link", Source: dir + "/file", Options: []string{"bind", "dest-nofollow"}})
	if out, _ := run(t, spec); out != "textimage" {
		t.Errorf("dest-nofollow: %q", out)
	}
	spec.Mounts[len(spec.Mounts)-1] = specs.Mount{Destination: "/etc/target", Source: dir + "/link", Options: []string{"bind", "src-nofollow"}}
	if out, _ := run(t, spec); strings.Contains(out, "text") {
		t.Errorf("src-nofollow followed: %q", out)
	}
}

// A link of the image must not lead a mount below /proc, nor anything but proc onto it.
func TestNothingIsMountedBelowProc(t *testing.T) {
	root := testRoot(t)
	if err := os.Symlink("/proc", root+"/link"); err != nil {
		t.Fatal(err)
	}
	for _, m := range []specs.Mount{
		{Destination: "/link/sys", Type: "tmpfs", Source: "tmpfs"},
		{Destination: "/link/self/attr", Source: root, Options: []string{"bind"}},
	} {
		spec := testSpec(root, "true")
		spec.Mounts = append(spec.Mounts, m)
		_, err := start(t, spec)
		// Without openat2 a link of /proc is refused before that.
		if err == nil || !strings.Contains(err.Error(), "because it is inside /proc") && !errors.Is(err, unix.ELOOP) {
			t.Errorf("%s: %v", m.Destination, err)
		}
	}
	spec := testSpec(root, "sh", "-c", "cat /proc/uptime")
	write(t, root+"/etc/up", "1 2", 0o644)
	spec.Mounts = append(spec.Mounts, specs.Mount{Destination: "/proc/uptime", Source: root + "/etc/up", Options: []string{"bind"}})
	if out, _ := run(t, spec); out != "1 2" {
		t.Errorf("uptime %q", out)
	}
}

func TestRootPropagation(t *testing.T) {
	root := testRoot(t)
	for propagation, want := range map[string]string{"": "", "private": "", "rprivate": "", "shared": "shared:", "rshared": "shared:", "unbindable": "unbindable"} {
		spec := testSpec(root)
		spec.Linux.RootfsPropagation = propagation
		l := mountinfo(t, spec)["/"]
		if want == "" && strings.Contains(l.optional, "shared:") || !strings.Contains(l.optional, want) {
			t.Errorf("%q: %q", propagation, l.optional)
		}
	}
}

// In a user namespace the group of terminals may have no number, and a network namespace of others lets
// nobody mount sysfs.
func TestFallbacksOfAUserNamespace(t *testing.T) {
	spec := testSpec(testRoot(t), "sh", "-c", "ls -d /sys/kernel; grep -c ' /sys .* - sysfs' /proc/self/mountinfo; grep -c ' / /sys ro,' /proc/self/mountinfo; grep -c ' /dev/pts .* - devpts' /proc/self/mountinfo; touch /sys/x 2>/dev/null || echo closed")
	withUserNamespace(t, spec)
	one := []specs.LinuxIDMapping{{ContainerID: 0, HostID: 100000, Size: 1}}
	spec.Linux.UIDMappings, spec.Linux.GIDMappings = one, one
	var rest []specs.LinuxNamespace
	for _, ns := range spec.Linux.Namespaces {
		if ns.Type != specs.NetworkNamespace {
			rest = append(rest, ns)
		}
	}
	spec.Linux.Namespaces = rest
	if out, code := run(t, spec); strings.Join(strings.Fields(out), " ") != "/sys/kernel 1 1 1 closed" || code != 0 {
		t.Errorf("output %q, code %d", out, code)
	}
}

// What the host forbids for a mount, a bind of it in a user namespace cannot allow.
func TestLockedFlagsOfABind(t *testing.T) {
	dir := hostTree(t)
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for options, want := range map[string]string{"rbind": "nosuid", "rbind,nodev": "nosuid"} {
		spec := testSpec(testRoot(t), "true")
		spec.Mounts = append(spec.Mounts, specs.Mount{Destination: "/tmp/d", Source: dir + "/sub", Options: strings.Split(options, ",")})
		withUserNamespace(t, spec)
		if l := mountinfo(t, spec)["/tmp/d"]; !has(l.flags, want) {
			t.Errorf("%s: %q", options, l.flags)
		}
	}
}

func TestIDMapsOfMounts(t *testing.T) {
	root, dir := testRoot(t), t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "mode=755"); err != nil {
		t.Skip("cannot mount: ", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	if err := os.Mkdir(dir+"/sub", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", dir+"/sub", "tmpfs", 0, "mode=755"); err != nil {
		t.Fatal(err)
	}
	write(t, dir+"/f", "x", 0o644)
	write(t, dir+"/sub/f", "x", 0o644)
	ids := func(host uint32) []specs.LinuxIDMapping {
		return []specs.LinuxIDMapping{{ContainerID: 0, HostID: host, Size: 100}}
	}
	for name, c := range map[string]struct {
		mount specs.Mount
		want  string
	}{
		"own":       {specs.Mount{Options: []string{"rbind", "idmap"}, UIDMappings: ids(4000), GIDMappings: ids(5000)}, "4000 5000 0"},
		"recursive": {specs.Mount{Options: []string{"rbind", "ridmap"}, UIDMappings: ids(4000), GIDMappings: ids(5000)}, "4000 5000 4000"},
		"implied":   {specs.Mount{Options: []string{"rbind"}, UIDMappings: ids(4000), GIDMappings: ids(5000)}, "4000 5000 0"},
		"in words":  {specs.Mount{Options: []string{"bind", "idmap=uids=0-7000-10#10-8000-10;gids=0-7001-10"}}, "7000 7001 none"},
	} {
		spec := testSpec(root, "sh", "-c", "stat -c '%u %g' /tmp/d/f; stat -c %u /tmp/d/sub/f 2>/dev/null || echo none")
		c.mount.Destination, c.mount.Source = "/tmp/d", dir
		spec.Mounts = append(spec.Mounts, c.mount)
		b, err := start(t, spec)
		if err != nil && strings.Contains(err.Error(), "idmap") {
			t.Skipf("this kernel's tmpfs cannot: %v", err)
		}
		if err != nil {
			t.Fatal(err)
		}
		if out, _ := b.finish(); strings.Join(strings.Fields(out), " ") != c.want {
			t.Errorf("%s: %q, want %s", name, out, c.want)
		}
	}
	// With the container's own mappings a file of the host's root is the container's root's.
	spec := testSpec(root, "stat", "-c", "%u", "/tmp/d/f")
	spec.Mounts = append(spec.Mounts, specs.Mount{Destination: "/tmp/d", Source: dir, Options: []string{"bind", "idmap"}})
	withUserNamespace(t, spec)
	if out, _ := run(t, spec); out != "0" {
		t.Errorf("container's mappings: owner %q", out)
	}
}

// Every option that is said to be known is: none of them reaches the file system as a word of its own.
func TestKnownOptionsAreKnown(t *testing.T) {
	spec := testSpec(testRoot(t))
	for _, o := range compile.MountOptions() {
		m := specs.Mount{Destination: "/tmp/" + o, Type: "tmpfs", Source: "tmpfs", Options: []string{o}}
		switch o {
		case "bind", "rbind", "copy-symlink", "src-nofollow":
			m.Type, m.Source, m.Options = "bind", "/etc/hostname", []string{"bind", o}
		case "idmap", "ridmap", "remount": // need more than a word, and have tests of their own
			continue
		}
		spec.Mounts = append(spec.Mounts, m)
	}
	lines := mountinfo(t, spec)
	for _, m := range spec.Mounts {
		if _, ok := lines[m.Destination]; !ok && !strings.HasPrefix(m.Destination, "/sys/fs/cgroup") {
			t.Errorf("%s is not mounted", m.Destination)
		}
	}
}

// The host's /proc and /sys are not to be reached where the root cannot be pivoted to.
func TestNoPivot(t *testing.T) {
	spec := testSpec(testRoot(t), "sh", "-c", "ls -d /bin /proc/1 && grep -c . /proc/self/mountinfo; readlink /proc/1/exe; test -e /usr/share || echo no host; cat /proc/self/mountinfo")
	p, h, err := compile.Container(spec, compile.Options{ID: "box", Bundle: spec.Root.Path, NoPivot: true})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	enc, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	req := launch.Request{Plan: enc}
	h.Apply(&req)
	b, err := launchBox(t, req)
	if err != nil {
		t.Fatal(err)
	}
	out, code := b.finish()
	if code != 0 || !strings.Contains(out, "no host") {
		t.Errorf("code %d, output %q", code, out)
	}
	procs := 0
	for _, l := range strings.Split(out, "\n") {
		if _, after, ok := strings.Cut(l, " - "); ok && strings.HasPrefix(after, "proc ") && strings.Contains(l, " / /proc ") {
			procs++
		}
	}
	if procs != 1 {
		t.Errorf("%d instances of proc:\n%s", procs, out)
	}
}
