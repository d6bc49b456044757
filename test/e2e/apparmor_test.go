package e2e

import (
	"os"
	"strings"
	"testing"

	"github.com/manager-project/manager/internal/testenv"
)

// TestAppArmorReload: a boot forgets the engine's own profile; the next start loads it. It is the whole machine's, so that this
// test is none of the scripts, which run at the same time.
func TestAppArmorReload(t *testing.T) {
	testenv.Need(t, testenv.Root, testenv.AppArmor)
	m := testenv.NewManager(t)
	m.Image(t, "busybox")
	m.MustRun(t, "create", "--name", "c", "--network", "none", "busybox", "cat", "/proc/self/attr/current")
	profile := strings.TrimSpace(m.MustRun(t, "inspect", "--format", "{{.AppArmorProfile}}", "c"))
	for range 2 {
		if out := m.MustRun(t, "start", "--attach", "c"); strings.TrimSpace(out) != profile+" (enforce)" {
			t.Errorf("confined by %q, want %s", out, profile)
		}
		if err := os.WriteFile("/sys/kernel/security/apparmor/.remove", []byte(profile), 0); err != nil {
			t.Fatal(err)
		}
	}
	m.MustRun(t, "rm", "c")
}
