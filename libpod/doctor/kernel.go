package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// probeKernel compares the kernel with the oldest that is served.
func probeKernel(_ context.Context, e *Env) []Finding {
	if older(e.Kernel, 5, 10) {
		return []Finding{broken("Linux "+e.Kernel+" is older than 5.10", "system calls are missing that containers are made with", "boot a kernel of version 5.10 or newer")}
	}
	return []Finding{well("Linux %s", e.Kernel)}
}

// older says that a release is older than a version. One that cannot be read is not.
func older(release string, major, minor int) bool {
	var a, b int
	if n, _ := fmt.Sscanf(release, "%d.%d", &a, &b); n != 2 {
		return false
	}
	return a < major || a == major && b < minor
}

// probeSeccomp looks whether the kernel filters system calls, and at the profile that containers.conf names.
func probeSeccomp(_ context.Context, e *Env) []Finding {
	actions := e.read("/proc/sys/kernel/seccomp/actions_avail")
	switch {
	case actions == "":
		return []Finding{broken("the kernel filters no system calls (seccomp)", "containers are refused unless --security-opt seccomp=unconfined is given", "boot a kernel with CONFIG_SECCOMP_FILTER=y")}
	case !strings.Contains(actions, "errno"):
		return []Finding{broken("the kernel's filter of system calls has no action \"errno\"", "the usual profile cannot be used", "boot a kernel of version 5.10 or newer")}
	}
	if file := e.SeccompProfile; file != "" && file != "unconfined" {
		raw, err := fs.ReadFile(e.Files, inFS(file))
		if err == nil && !json.Valid(raw) {
			err = fmt.Errorf("it is not JSON")
		}
		if err != nil {
			return []Finding{broken(fmt.Sprintf("the seccomp profile %s of containers.conf: %v", file, strip(err)), "no container can be started", "remove seccomp_profile from containers.conf, or correct the file")}
		}
	}
	return []Finding{well("system calls are filtered")}
}

// strip is an error without the path that package fs puts before it.
func strip(err error) error {
	if p := new(fs.PathError); errors.As(err, &p) {
		return p.Err
	}
	return err
}

// The least values of settings that are counted per user.
var floors = []struct {
	setting string
	least   uint64
	want    uint64
	why     string
}{
	{"fs.inotify.max_user_instances", 128, 1024, "programs that watch files fail with \"too many open files\""},
	{"fs.inotify.max_user_watches", 8192, 524288, "programs that watch files fail with \"no space left on device\""},
	{"kernel.pid_max", 4096, 4194304, "no more processes can be started once that many run"},
	{"kernel.threads-max", 2048, 65536, "no more threads can be started once that many run"},
	{"kernel.keys.maxkeys", 100, 1000, "each container has a keyring; further ones fail with \"disk quota exceeded\""},
	{"user.max_mnt_namespaces", 64, 15000, "no more containers can be started once that many namespaces are made"},
	{"user.max_pid_namespaces", 64, 15000, "no more containers can be started once that many namespaces are made"},
	{"user.max_net_namespaces", 64, 15000, "no more containers can be started once that many namespaces are made"},
	{"user.max_ipc_namespaces", 64, 15000, "no more containers can be started once that many namespaces are made"},
	{"user.max_uts_namespaces", 64, 15000, "no more containers can be started once that many namespaces are made"},
	{"user.max_cgroup_namespaces", 64, 15000, "no more containers can be started once that many namespaces are made"},
}

// probeLimits looks at what is counted per user and per process.
func probeLimits(_ context.Context, e *Env) []Finding {
	var found []Finding
	for _, f := range floors {
		n, err := strconv.ParseUint(e.read("/proc/sys/"+strings.ReplaceAll(f.setting, ".", "/")), 10, 64)
		if err != nil || n >= f.least {
			continue
		}
		make := poor
		if n == 0 {
			make = broken
		}
		set := fmt.Sprintf("%s=%d", f.setting, f.want)
		found = append(found, make(fmt.Sprintf("%s is %d", f.setting, n), f.why, "sudo sysctl -w "+set, "echo "+set+" | sudo tee -a /etc/sysctl.d/99-containers.conf"))
	}
	for _, l := range []struct {
		resource int
		name     string
		least    uint64
		why      string
	}{
		{unix.RLIMIT_NOFILE, "nofile", 4096, "servers in containers run out of files"},
		{unix.RLIMIT_NPROC, "nproc", 512, "containers run out of processes"},
	} {
		if n, err := e.HardLimit(l.resource); err == nil && n < l.least {
			found = append(found, poor(fmt.Sprintf("the hard limit %s is %d", l.name, n), l.why,
				fmt.Sprintf("echo '%s hard %s 524288' | sudo tee /etc/security/limits.d/containers.conf", e.User, l.name), "log in again"))
		}
	}
	return orWell(found, "nothing is scarce")
}

// probeSELinux looks at what its policy knows of containers, and at the store's label.
func probeSELinux(_ context.Context, e *Env) []Finding {
	if !e.exists("/sys/fs/selinux/enforce") {
		return []Finding{skipped("SELinux is off")}
	}
	kind := "targeted"
	for _, line := range e.lines("/etc/selinux/config") {
		if v, ok := strings.CutPrefix(line, "SELINUXTYPE="); ok {
			kind = strings.TrimSpace(v)
		}
	}
	known := false
	for _, file := range []string{"/usr/share/containers/selinux/contexts", path.Join("/etc/selinux", kind, "contexts/lxc_contexts")} {
		known = known || e.exists(file)
	}
	if !known {
		return []Finding{broken("the policy \""+kind+"\" does not know containers", "containers run unconfined, or are denied their own files", e.install("selinux-policy-default", "container-selinux"))}
	}
	label := e.Xattr(e.GraphRoot, "security.selinux")
	parts := strings.Split(strings.TrimRight(label, "\x00"), ":")
	if label == "" || len(parts) < 3 {
		return []Finding{well("the policy knows containers")}
	}
	for _, fine := range []string{"container_var_lib_t", "container_file_t", "container_ro_file_t", "container_share_t", "data_home_t"} {
		if parts[2] == fine {
			return []Finding{well("the policy knows containers, and the store is labelled %s", fine)}
		}
	}
	usual := "/var/lib/containers/storage"
	if e.rootless() {
		usual = path.Join(e.Home, ".local/share/containers/storage")
	}
	cure := []string{"sudo restorecon -R " + e.GraphRoot}
	if e.GraphRoot != usual {
		cure = append([]string{"sudo semanage fcontext -a -e " + usual + " " + e.GraphRoot}, cure...)
	}
	make := poor
	if e.read("/sys/fs/selinux/enforce") == "1" {
		make = broken
	}
	return []Finding{make(fmt.Sprintf("the store %s is labelled %s", e.GraphRoot, parts[2]), "containers are denied the files of their images", cure...)}
}

// probeAppArmor looks whether the profile that containers.conf names is loaded.
func probeAppArmor(_ context.Context, e *Env) []Finding {
	if !strings.HasPrefix(e.read("/sys/module/apparmor/parameters/enabled"), "Y") {
		if e.Profile != "" && e.Profile != "unconfined" {
			return []Finding{broken("containers.conf names the AppArmor profile "+e.Profile+", and AppArmor is off", "no container can be started", "remove apparmor_profile from containers.conf, or boot with security=apparmor")}
		}
		return []Finding{skipped("AppArmor is off")}
	}
	if e.Profile == "" || e.Profile == "unconfined" {
		return []Finding{well("no profile is asked for")}
	}
	list, err := fs.ReadFile(e.Files, inFS("/sys/kernel/security/apparmor/profiles"))
	if err != nil {
		return []Finding{skipped("which profiles are loaded only root may know")}
	}
	for line := range strings.Lines(string(list)) {
		if name, _, ok := strings.Cut(line, " ("); ok && name == e.Profile {
			return []Finding{well("the profile %s is loaded", e.Profile)}
		}
	}
	return []Finding{broken("the AppArmor profile "+e.Profile+" of containers.conf is not loaded", "no container can be started", "sudo apparmor_parser -r /etc/apparmor.d/"+e.Profile)}
}
