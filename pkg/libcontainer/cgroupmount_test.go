package libcontainer_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// TestCgroupsAreReadOnlyInAUserNamespace looks at all of /sys from a container with ids of its own, whose cgroup
// namespace is its own or the host's, and that has the cgroups from a mount of theirs or with the host's /sys.
func TestCgroupsAreReadOnlyInAUserNamespace(t *testing.T) {
	cgroups := func(m specs.Mount) bool { return m.Destination == "/sys/fs/cgroup" }
	for name, change := range map[string]func(*specs.Spec){
		"own namespace": func(*specs.Spec) {},
		"host's namespace": func(s *specs.Spec) {
			s.Linux.Namespaces = slices.DeleteFunc(s.Linux.Namespaces, func(n specs.LinuxNamespace) bool { return n.Type == specs.CgroupNamespace })
		},
		"host's /sys": func(s *specs.Spec) {
			s.Mounts = slices.DeleteFunc(s.Mounts, cgroups)
			s.Mounts[slices.IndexFunc(s.Mounts, func(m specs.Mount) bool { return m.Destination == "/sys" })] = specs.Mount{
				Destination: "/sys", Type: "none", Source: "/sys", Options: []string{"rbind", "nosuid", "noexec", "nodev", "rro"},
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			spec := testSpec(testRoot(t), "sleep", "1000")
			withUserNamespace(t, spec)
			change(spec)
			b, err := start(t, spec)
			if err != nil {
				t.Fatal(err)
			}
			if err := b.Exec(); err != nil {
				t.Fatal(err)
			}
			table, err := os.ReadFile(fmt.Sprintf("/proc/%d/mountinfo", b.PID()))
			if err != nil {
				t.Fatal(err)
			}
			found := 0
			for line := range strings.Lines(string(table)) {
				f := strings.Fields(line)
				point, options := f[4], strings.Split(f[5], ",")
				if point != "/sys" && !strings.HasPrefix(point, "/sys/") {
					continue
				}
				found++
				if !slices.Contains(options, "ro") && !strings.Contains(line, " - tmpfs ") || strings.HasPrefix(point, "/sys/fs/cgroup") && !slices.Contains(options, "ro") {
					t.Errorf("writable: %s", line)
				}
				// As its root, from the host: what the mount forbids comes before whose it is.
				err := os.Mkdir(fmt.Sprintf("/proc/%d/root%s/by-a-test", b.PID(), point), 0o755)
				if err == nil || !strings.Contains(err.Error(), "read-only file system") && !strings.Contains(err.Error(), "permitted") {
					t.Errorf("mkdir in %s: %v", point, err)
				}
			}
			if found < 2 {
				t.Errorf("%d mounts below /sys:\n%s", found, table)
			}
		})
	}
}
