package doctor

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"
)

const cgroupRoot = "/sys/fs/cgroup"

// unified says that version 2 has the controllers.
func (e *Env) unified() bool { return e.exists(cgroupRoot + "/cgroup.controllers") }

// wanted are the controllers without which limits are errors.
var wanted = []string{"cpu", "memory", "pids"}

// probeCgroups looks for the controllers, and for root makes a cgroup.
func probeCgroups(_ context.Context, e *Env) []Finding {
	const why = "limits cannot be set, and nothing can be paused"
	var missing []string
	try := cgroupRoot
	if e.unified() {
		have := strings.Fields(e.read(cgroupRoot + "/cgroup.controllers"))
		for _, c := range wanted {
			if !slices.Contains(have, c) {
				missing = append(missing, c)
			}
		}
	} else {
		for _, c := range wanted {
			if !e.exists(path.Join(cgroupRoot, c)) {
				missing = append(missing, c)
			}
		}
		try = path.Join(cgroupRoot, "pids")
		if len(missing) == len(wanted) {
			return []Finding{broken("no cgroups are mounted on "+cgroupRoot, why, "sudo mount -t cgroup2 none "+cgroupRoot)}
		}
	}
	if len(missing) > 0 {
		cure := "put \"systemd.unified_cgroup_hierarchy=1\" on the kernel's command line and boot"
		if slices.Contains(missing, "memory") {
			cure = "put \"cgroup_enable=memory\" on the kernel's command line and boot"
		}
		return []Finding{poor("cgroups lack "+strings.Join(missing, ", "), "limits of that kind cannot be set", cure)}
	}
	if !e.rootless() {
		if err := e.MakeDir(try); err != nil {
			return []Finding{broken(fmt.Sprintf("no cgroup can be made in %s: %v", try, err), why, "sudo mount -o remount,rw "+try)}
		}
	}
	return []Finding{well("controllers are there")}
}

// probeDelegation makes a cgroup in what systemd delegates to a user's service manager.
func probeDelegation(_ context.Context, e *Env) []Finding {
	switch {
	case !e.rootless():
		return []Finding{skipped("root needs none")}
	case !e.systemd():
		return []Finding{skipped("systemd does not run here: ordinary users have no cgroups")}
	case !e.unified():
		return []Finding{skipped("controllers are on cgroup version 1, which is not delegated")}
	}
	dir := fmt.Sprintf("%s/user.slice/user-%d.slice/user@%d.service", cgroupRoot, e.UID, e.UID)
	if !e.exists(dir) {
		return []Finding{poor("user "+e.User+" has no service manager", "limits cannot be set, and nothing can be paused", "sudo loginctl enable-linger "+e.User)}
	}
	if err := e.MakeDir(dir); err != nil {
		return []Finding{broken(fmt.Sprintf("no cgroup can be made in %s: %v", dir, err), "no container can be started with limits", fmt.Sprintf("sudo systemctl restart user@%d.service", e.UID))}
	}
	have := strings.Fields(e.read(dir + "/cgroup.controllers"))
	var missing []string
	for _, c := range wanted {
		if !slices.Contains(have, c) {
			missing = append(missing, c)
		}
	}
	if len(missing) > 0 {
		return []Finding{poor("systemd does not delegate "+strings.Join(missing, ", ")+" to user "+e.User, "limits of that kind are errors",
			"sudo mkdir -p /etc/systemd/system/user@.service.d",
			"printf '[Service]\\nDelegate=cpu cpuset io memory pids\\n' | sudo tee /etc/systemd/system/user@.service.d/delegate.conf",
			"sudo systemctl daemon-reload && sudo systemctl restart user@"+fmt.Sprint(e.UID)+".service")}
	}
	return []Finding{well("systemd delegates %s", strings.Join(have, ", "))}
}
