package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/internal/testenv"
)

// splitWorld covers the hierarchies with version 2 alone, as units of systemd see it, gives the user a cgroup, and
// goes into it.
const splitWorld = `
umount -R /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir -p /sys/fs/cgroup%[1]s/unit
cd /sys/fs/cgroup%[1]s/unit
chown %[2]d . cgroup.procs cgroup.subtree_control cgroup.threads
echo $$ >cgroup.procs
cd /
`

// A user's --cgroups=split takes the cgroup that he was given: halves for monitor and container, at a second start
// too; the user's other processes are with the monitor.
func TestSplitAsUser(t *testing.T) {
	testenv.Need(t, testenv.Root, testenv.V1)
	name := fmt.Sprintf("/%ssplit-%d", testenv.CgroupPrefix, os.Getpid())
	t.Cleanup(func() {
		for _, below := range []string{"/unit/supervisor", "/unit", ""} {
			if err := unix.Rmdir(filepath.Join("/sys/fs/cgroup/unified", name, below)); err != nil {
				t.Errorf("%s%s: %v", name, below, err)
			}
		}
	})
	out := asShellIn(t, fmt.Sprintf(splitWorld, name, userID), userRange, `
cgroups() {
	for pid in $(manager inspect --format '{{.State.Pid}} {{.State.ConmonPid}}' c) $$; do tail -n 1 /proc/$pid/cgroup; done
}
id=$(manager run -d --name c --network none --cgroups split hello serve 2>/dev/null)
cgroups
manager pause c >/dev/null; manager unpause c >/dev/null
manager exec c ls / >/dev/null
manager restart --time 0 c >/dev/null
cgroups
manager inspect --format 'inspect {{.State.CgroupPath}} {{.HostConfig.Cgroups}}' c
manager rm --force --time 0 c >/dev/null
echo id $id
manager run --rm --network none --cgroups split --cgroup-parent /x hello 2>&1 || echo code $?
`+leave)
	_, id, _ := strings.Cut(out, "id ")
	id, _, _ = strings.Cut(id, "\n")
	inside, beside := name+"/unit/manager-"+id, "0::"+name+"/unit/supervisor\n"
	if once := "0::" + inside + "\n" + beside + beside; !strings.HasPrefix(out, once+once) {
		t.Errorf("the cgroups are\n%s", out)
	}
	wants(t, out, "inspect "+inside+" split\n", "leave --cgroup-parent or --cgroups=split out", "code 125\n")
}
