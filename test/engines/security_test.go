package engines

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// capabilities: none but what is added, and nothing inherited.
func capabilities(b *box) {
	const show = `grep ^Cap /proc/self/status | tr -d "\n\t"`
	drop := options{capDrop: []string{"ALL"}, capAdd: []string{"CHOWN", "NET_RAW"}}
	want := "CapInh:0000000000000000CapPrm:0000000000002001CapEff:0000000000002001CapBnd:0000000000002001CapAmb:0000000000000000"
	if b.e.name == "ctr" { // it cannot drop them all at once
		drop = options{capDrop: []string{"CHOWN", "SETPCAP"}, capAdd: []string{"SYS_TIME"}}
		want = "CapInh:0000000000000000CapPrm:00000000aa0424faCapEff:00000000aa0424faCapBnd:00000000aa0424faCapAmb:0000000000000000"
	}
	if got := b.out(drop, "sh", "-c", show); got != want {
		b.Errorf("%s, want %s", got, want)
	}
}

// noNewPrivs is seen by the kernel; an exec has it as well.
func noNewPrivs(b *box) {
	c := b.sleeper(options{noNewPrivs: true})
	if got := status(b.T, c.pid(), "NoNewPrivs"); got != "1" {
		b.Errorf("NoNewPrivs: %s", got)
	}
	b.want(c.exec(options{}, "grep", "NoNewPrivs", "/proc/self/status"), 0, "NoNewPrivs:\t1\n")
}

// seccompDefault: the engine's own profile is loaded and forbids to turn off the random
// layout of addresses, which needs no capability.
func seccompDefault(b *box) {
	path, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	self := []string{path + ":" + probe + ":ro"}
	c := b.sleeper(options{seccomp: true, binds: self})
	if got := status(b.T, c.pid(), "Seccomp"); got != "2" {
		b.Errorf("Seccomp: %s", got)
	}
	if r := c.exec(options{}, probe, "fixed-addresses"); r.Code != 0 ||
		r.Stdout != "operation not permitted\n" && r.Stdout != "function not implemented\n" {
		b.Errorf("with the filter: exit code %d, %q, %q", r.Code, r.Stdout, r.Stderr)
	}
	open := options{binds: self}
	if b.e.name != "ctr" {
		open.more = []string{"--security-opt", "seccomp=unconfined"}
	}
	if got := b.out(open, probe, "fixed-addresses"); got != "allowed" {
		b.Errorf("without the filter: %q", got)
	}
}

// devices: one that was asked for is there and may be read; one that was not may not even
// when its node is made.
func devices(b *box) {
	const fuse = "/dev/fuse" // 10:229
	file, err := os.Open(fuse)
	if err != nil {
		b.Skipf("this machine's own %s cannot be opened: %v", fuse, err)
	}
	file.Close()
	got := b.out(options{devices: []string{fuse}}, "sh", "-c", "test -c /dev/fuse && exec 3</dev/fuse && echo open")
	if got != "open" {
		b.Errorf("%q", got)
	}
	r := b.run(options{capAdd: []string{"MKNOD"}}, "sh", "-c", "mknod /f c 10 229 && exec 3</f")
	if r.Code == 0 || !strings.Contains(r.Stderr, "not permitted") {
		b.Errorf("not asked for: exit code %d, %q", r.Code, r.Stderr)
	}
	if b.e.name == "ctr" {
		return // it has no words for the access
	}
	r = b.run(options{devices: []string{fuse}}, "sh", "-c", "exec 3>/dev/fuse")
	if r.Code == 0 || !strings.Contains(r.Stderr, "not permitted") {
		b.Errorf("writing: exit code %d, %q", r.Code, r.Stderr)
	}
}

// maskedPaths: the host's secrets in /proc and /sys cannot be read, its settings not written.
func maskedPaths(b *box) {
	r := b.run(options{}, "sh", "-c", `cat /proc/kcore /proc/keys /proc/timer_list 2>/dev/null | wc -c
		for d in /proc/acpi /proc/scsi /sys/firmware; do ls $d 2>/dev/null; done
		for f in /proc/sys/kernel/core_pattern /proc/sysrq-trigger /sys/kernel/mm/ksm/run; do
			test -e $f && (echo x >$f) 2>/dev/null && echo "$f is writable"
		done; true`)
	b.want(r, 0, "0\n")
}

// privileged: the host's devices and settings, all capabilities, no filter.
func privileged(b *box) {
	full := status(b.T, os.Getpid(), "CapBnd")
	if b.e.name == "docker" && b.runtimeName == "runc" && !strings.HasSuffix(full, "1ffffffffff") {
		b.Skipf("runc refuses the capabilities that dockerd asks for and this machine lacks (%s)", full)
	}
	got := b.out(options{more: []string{"--privileged"}}, "sh", "-c",
		`test -c /dev/fuse && echo dev; grep -E "^(CapEff|Seccomp):" /proc/self/status; grep -q " /sys sysfs rw" /proc/mounts && echo rw; mount -t tmpfs none /mnt 2>&1 || mkdir /m && mount -t tmpfs none /m && echo mounted`)
	if b.e.name == "docker" { // of this version does not know the last three
		var set uint64
		if _, err := fmt.Sscanf(full, "%x", &set); err != nil {
			b.Fatal(err)
		}
		full = fmt.Sprintf("%016x", set&0x3fffffffff)
	}
	if want := fmt.Sprintf("dev\nCapEff:\t%s\nSeccomp:\t0\nrw\nmounted", full); !strings.HasSuffix(got, "mounted") || !sameLines(got, want) {
		b.Errorf("%q, want %q", got, want)
	}
}

// sameLines says whether every line of want is in got.
func sameLines(got, want string) bool {
	for line := range strings.Lines(want) {
		if !strings.Contains("\n"+got+"\n", "\n"+strings.TrimSuffix(line, "\n")+"\n") {
			return false
		}
	}
	return true
}

// userNamespace: root inside is nobody outside.
func userNamespace(b *box) {
	c := b.sleeper(options{more: []string{"--uidmap", "0:200000:1000", "--gidmap", "0:300000:1000"}})
	if got := status(b.T, c.pid(), "Uid"); !strings.HasPrefix(got, "200000\t") {
		b.Errorf("outside: %s", got)
	}
	b.want(c.exec(options{}, "sh", "-c", "id -u; cat /proc/self/gid_map | tr -s ' '; echo x >/root/x && stat -c %u /root/x"), 0, "0\n 0 300000 1000\n0\n")
	// Podman's first removal of one of these finds its /dev/shm busy now and then, with any runtime.
	c.gone = true
	b.eventually("it can be removed", func() bool {
		return !slices.ContainsFunc(b.e.verb(b, "remove", c.name), func(words []string) bool { return b.e.call("", words...).Code != 0 })
	})
}

// network: none has only lo, host is the host's.
func network(b *box) {
	if got := b.out(options{}, "ls", "/sys/class/net"); got != "lo" {
		b.Errorf("none: %q", got)
	}
	own, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		b.Fatal(err)
	}
	if got := b.out(options{hostNetwork: true}, "readlink", "/proc/self/ns/net"); got != own {
		b.Errorf("host: %s, want %s", got, own)
	}
}

// pidHost: processes are the host's, and removing kills those that the container leaves.
func pidHost(b *box) {
	own, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		b.Fatal(err)
	}
	c := b.start(options{hostPID: true}, "sh", "-c", "sleep 1000 & echo child $!; wait")
	var child int
	b.eventually("the child's number", func() bool {
		n, err := fmt.Sscanf(c.text(), "child %d", &child)
		return n == 1 && err == nil
	})
	if got, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", c.pid())); err != nil || got != own {
		b.Errorf("%s, %v, want %s", got, err, own)
	}
	if !alive(child) {
		b.Fatalf("no process %d", child)
	}
	c.remove()
	b.eventually("the end of the child", func() bool { return !alive(child) })
}

// sharedNamespaces: one container joins those of another.
func sharedNamespaces(b *box) {
	c := b.sleeper(options{more: []string{"--ipc", "shareable"}})
	id := "container:" + c.name
	words := b.e.run(b, b.unique("run"), &options{more: []string{"--rm", "--pid", id, "--ipc", id, "--network", id}},
		[]string{"sh", "-c", "for n in pid ipc net uts; do readlink /proc/self/ns/$n; done; ps | grep -c 'sleep 0.1'"})
	got := strings.Fields(b.must(without(words, "--network")...))
	if len(got) != 5 || got[4] == "0" {
		b.Fatalf("%q", got)
	}
	for i, kind := range []string{"pid", "ipc", "net", "uts"} {
		theirs, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", c.pid(), kind))
		if shared := got[i] == theirs; err != nil || shared != (kind != "uts") {
			b.Errorf("%s: %s and %s, %v", kind, got[i], theirs, err)
		}
	}
}

// joinedNamespaces: those that a path names.
func joinedNamespaces(b *box) {
	c := b.sleeper(options{})
	pid := c.pid()
	o := options{}
	kinds := map[string]string{"network": "net", "ipc": "ipc", "uts": "uts", "pid": "pid"}
	script := ""
	for kind, name := range kinds {
		o.more = append(o.more, fmt.Sprintf("--with-ns=%s:/proc/%d/ns/%s", kind, pid, name))
		script += "readlink /proc/self/ns/" + name + ";"
	}
	got := b.out(o, "sh", "-c", script+"readlink /proc/self/ns/mnt")
	for _, name := range kinds {
		if theirs, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", pid, name)); err != nil || !strings.Contains(got, theirs) {
			b.Errorf("%s: %q, want %s (%v)", name, got, theirs, err)
		}
	}
	if theirs, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/mnt", pid)); err != nil || strings.Contains(got, theirs) {
		b.Errorf("mnt: %q has %s (%v)", got, theirs, err)
	}
}

// without takes away an option that the dialect always gives: its first occurrence, with its
// value.
func without(words []string, option string) []string {
	i := slices.Index(words, option)
	return slices.Delete(slices.Clone(words), i, i+2)
}
