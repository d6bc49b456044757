package testenv

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// A Feature is something that a test may need of the world it runs in. Each is looked at, never assumed.
type Feature string

// The needs.
const (
	// Root is user id 0.
	Root Feature = "root"
	// User is any other user, with subordinate ids in /etc/subuid.
	User Feature = "user"
	// V1 is the controllers memory, cpu and pids in version 1 hierarchies.
	V1 Feature = "v1"
	// SystemdV1 is systemd as their manager.
	SystemdV1 Feature = "systemd-v1"
	// Unified is the controllers cpuset, cpu, io, memory, hugetlb and pids in the version 2 hierarchy.
	Unified Feature = "unified"
	// Bare is a version 2 hierarchy at /sys/fs/cgroup with none of the controllers cpu, memory and pids.
	Bare Feature = "bare"
	// Systemd is a systemd that answers on its bus: the system's for root, the user's own for a user.
	Systemd Feature = "systemd"
	// Delegated is an own cgroup, writable, with the controllers cpu, memory and pids.
	Delegated Feature = "delegated"
	// SELinux is a loaded policy, whether it refuses or only reports.
	SELinux Feature = "selinux"
	// Permissive is SELinux that only reports.
	Permissive Feature = "permissive"
	// Enforcing is SELinux that refuses.
	Enforcing Feature = "enforcing"
	// AppArmor is the module in force, and the program that loads profiles.
	AppArmor Feature = "apparmor"
)

// Features are all of them, for scripts that name them.
func Features() []Feature {
	return []Feature{Root, User, V1, SystemdV1, Unified, Bare, Systemd, Delegated, SELinux, Permissive, Enforcing, AppArmor}
}

const cgroupRoot = "/sys/fs/cgroup"

// missing says why a need is not met here; "" if it is.
func missing(need Feature) string {
	switch need {
	case Root:
		return unless(os.Geteuid() == 0, "the user id is %d", os.Geteuid())
	case User:
		return missingUser()
	case V1:
		return absent(cgroupRoot+"/memory/memory.limit_in_bytes", cgroupRoot+"/cpu/cpu.shares", cgroupRoot+"/pids/cgroup.procs")
	case Unified:
		return missingControllers(cgroupRoot, "cpuset", "cpu", "io", "memory", "hugetlb", "pids")
	case SystemdV1:
		return cmp.Or(missing(V1), missing(Systemd))
	case Bare:
		list, err := os.ReadFile(cgroupRoot + "/cgroup.controllers")
		limits := func(name string) bool { return name == "cpu" || name == "memory" || name == "pids" }
		return unless(err == nil && !slices.ContainsFunc(strings.Fields(string(list)), limits), "%s is another hierarchy", cgroupRoot)
	case Systemd:
		if os.Geteuid() == 0 {
			return absent("/run/systemd/private", "/run/dbus/system_bus_socket")
		}
		return absent(filepath.Join(os.Getenv("XDG_RUNTIME_DIR"), "systemd/private"), filepath.Join(os.Getenv("XDG_RUNTIME_DIR"), "bus"))
	case Delegated:
		return missingDelegation()
	case SELinux, Permissive, Enforcing:
		return missingSELinux(need)
	case AppArmor:
		if text, err := os.ReadFile("/sys/module/apparmor/parameters/enabled"); err != nil || string(text) != "Y\n" {
			return fmt.Sprintf("AppArmor is not in force: %q, %v", text, err)
		}
		return absent("/sbin/apparmor_parser")
	}
	return "there is no such feature"
}

// unless is the text when the condition does not hold.
func unless(holds bool, format string, args ...any) string {
	if holds {
		return ""
	}
	return fmt.Sprintf(format, args...)
}

// absent names the first path that is not there.
func absent(paths ...string) string {
	for _, path := range paths {
		if _, err := os.Stat(path); err != nil {
			return err.Error()
		}
	}
	return ""
}

// missingUser looks for the user's subordinate ids.
func missingUser() string {
	if os.Geteuid() == 0 {
		return "the user id is 0"
	}
	text, err := os.ReadFile("/etc/subuid")
	if err != nil {
		return err.Error()
	}
	for line := range strings.Lines(string(text)) {
		if name, _, _ := strings.Cut(line, ":"); name == os.Getenv("USER") || name == fmt.Sprint(os.Geteuid()) {
			return ""
		}
	}
	return "no subordinate ids in /etc/subuid"
}

// missingControllers names the controllers that the version 2 cgroup has not.
func missingControllers(dir string, wants ...string) string {
	list, err := os.ReadFile(filepath.Join(dir, "cgroup.controllers"))
	if err != nil {
		return err.Error()
	}
	have := strings.Fields(string(list))
	wants = slices.DeleteFunc(wants, func(want string) bool { return slices.Contains(have, want) })
	return unless(len(wants) == 0, "%s has no %s", dir, strings.Join(wants, ", "))
}

// missingDelegation looks at the own cgroup.
func missingDelegation() string {
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return err.Error()
	}
	_, own, found := strings.Cut(strings.TrimSpace(string(text)), "0::")
	if !found || strings.Contains(own, "\n") {
		return "no cgroup of version 2 alone"
	}
	dir := filepath.Join(cgroupRoot, own)
	if err := unix.Access(dir, unix.W_OK); err != nil {
		return dir + " is not writable"
	}
	return missingControllers(dir, "cpu", "memory", "pids")
}

// missingSELinux looks for a policy and what it does.
func missingSELinux(need Feature) string {
	text, err := os.ReadFile("/sys/fs/selinux/enforce")
	if err != nil {
		return err.Error()
	}
	if _, err := os.Stat("/sys/fs/selinux/class/process"); err != nil {
		return "no policy is loaded"
	}
	enforcing := string(text) == "1"
	return unless(need == SELinux || enforcing == (need == Enforcing), "SELinux enforces: %v", enforcing)
}
