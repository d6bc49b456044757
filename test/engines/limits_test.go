package engines

import (
	"fmt"
	"os"
	"strings"
	"time"
)

// memory: the limit is in the kernel.
func memory(b *box) {
	c := b.sleeper(options{memory: "33554432"})
	if got := limit(b.T, c.pid(), "memory", "memory.limit_in_bytes", "memory.max"); got != "33554432" {
		b.Errorf("%s", got)
	}
}

// cpu: half a processor.
func cpu(b *box) {
	c := b.sleeper(options{cpus: "0.5"})
	got := limit(b.T, c.pid(), "cpu", "cpu.cfs_quota_us", "cpu.max")
	if got != "50000" && got != "50000 100000" {
		b.Errorf("%s", got)
	}
}

// pids: the number of tasks, and the kernel refuses one more.
func pids(b *box) {
	c := b.sleeper(options{more: []string{"--pids-limit", "20", "--cpu-shares", "512"}})
	if got := limit(b.T, c.pid(), "pids", "pids.max", "pids.max"); got != "20" {
		b.Errorf("%s", got)
	}
	if got := limit(b.T, c.pid(), "cpu", "cpu.shares", "cpu.weight"); got != "512" && got != "20" && got != "59" {
		b.Errorf("cpu shares: %s", got)
	}
	r := c.exec(options{}, "sh", "-c", "i=0; while [ $i -lt 30 ]; do sleep 1 & i=$((i+1)); done; wait")
	if r.Code == 0 || !strings.Contains(r.Stderr, "fork") {
		b.Errorf("30 processes: exit code %d, %q", r.Code, r.Stderr)
	}
}

// update changes limits of a running container.
func update(b *box) {
	c := b.sleeper(options{memory: "33554432"})
	pid := c.pid()
	c.do("update", "--memory", "67108864", "--memory-swap", "134217728", "--cpu-shares", "256")
	if got := limit(b.T, pid, "memory", "memory.limit_in_bytes", "memory.max"); got != "67108864" {
		b.Errorf("memory: %s", got)
	}
	if got := limit(b.T, pid, "cpu", "cpu.shares", "cpu.weight"); got != "256" && got != "10" && got != "35" {
		b.Errorf("cpu shares: %s", got)
	}
	if c.status() != "running" {
		b.Errorf("it is %s", c.status())
	}
}

// oom: the engine says that the kernel killed the program for its memory.
func oom(b *box) {
	needMounted(b)
	// Once under load dockerd did not report the cause; why was not found. Three times in a row is a fault.
	for tries := 3; ; tries-- {
		c := b.start(options{memory: "16777216", more: []string{"--memory-swap", "16777216"}}, "dd", "if=/dev/zero", "of=/dev/null", "bs=64M", "count=1")
		b.eventually("the end", func() bool { return c.inspect("{{.State.Status}} {{.State.ExitCode}}") == "exited 137" })
		// conmon, which would tell podman, sees nothing of it on version 1.
		if b.e.name != "docker" || c.inspect("{{.State.OOMKilled}}") == "true" {
			return
		}
		if tries == 1 {
			b.Errorf("dockerd does not report the cause")
			return
		}
	}
}

// needMounted waits until every version 1 hierarchy is mounted. containerd's shim, dockerd's too, takes no cgroup
// from a process that is in one which is not, whatever the runtime: there are no metrics and no word of memory then. Other
// tests make such hierarchies for moments.
func needMounted(b *box) {
	b.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		missing, err := unmounted()
		if err != nil {
			b.Fatal(err)
		}
		if len(missing) == 0 || b.e.name == "podman" {
			return
		}
		if time.Now().After(deadline) {
			b.Skipf("the hierarchy of %s is attached and not mounted, which containerd does not expect", strings.Join(missing, " and of "))
		}
	}
}

// unmounted are the version 1 hierarchies that this process is in and that are not mounted, by their controllers.
func unmounted() (missing []string, err error) {
	in, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil, err
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(in)) {
		part := strings.SplitN(line, ":", 3)
		if len(part) == 3 && part[1] != "" && !strings.Contains(string(mounts), part[1]) {
			missing = append(missing, part[1])
		}
	}
	return missing, nil
}

// metrics: containerd reads the cgroup of our container.
func metrics(b *box) {
	needMounted(b)
	c := b.sleeper(options{memory: "33554432"})
	got := b.must(b.e.verb(b, "metrics", c.name)[0]...)
	if !strings.Contains(got, "33554432") {
		b.Errorf("no memory limit in %q", got)
	}
}

// noCgroup: podman may ask for none, which the reference cannot do.
func noCgroup(b *box) {
	if b.runtimeName == "runc" {
		b.Skip("runc always makes a cgroup")
	}
	c := &container{box: b, name: b.unique("ctr")}
	o := &options{detach: true, more: []string{"--cgroups", "disabled"}}
	b.Cleanup(func() { c.remove() })
	b.must(without(b.e.run(b, c.name, o, []string{"sleep", "1000"}), "--cgroup-parent")...)
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", c.pid()))
	if err != nil {
		b.Fatal(err)
	}
	if strings.Contains(string(text), "libpod-") {
		b.Errorf("it has a cgroup of its own:\n%s", text)
	}
	b.want(c.exec(options{}, "echo", "there"), 0, "there\n")
}
