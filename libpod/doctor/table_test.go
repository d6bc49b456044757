package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.podman.io/image/v5/pkg/sysregistriesv2"
	"go.podman.io/image/v5/signature"
	"go.podman.io/image/v5/types"
	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/conf"
	"github.com/manager-project/manager/pkg/errdefs"
)

// fixtures break one thing each.
var fixtures = []struct {
	name string
	// root says that the caller is root, and not alice.
	root bool
	harm func(*testing.T, *machine)
	// want is the whole report; see text.
	want string
}{
	{
		"no user namespaces", false, func(_ *testing.T, m *machine) { m.remove("/proc/self/ns/user") },
		"broken user-namespaces: the kernel has no user namespaces: no container can be run without root; boot a kernel with CONFIG_USER_NS=y\n",
	},
	{
		"no user namespaces allowed", false, func(_ *testing.T, m *machine) { m.sysctl("user/max_user_namespaces", "0"); m.trial.Clone = unix.ENOSPC },
		"broken user-namespaces: user.max_user_namespaces is 0: no container can be run without root; sudo sysctl -w user.max_user_namespaces=15000 && echo user.max_user_namespaces=15000 | sudo tee /etc/sysctl.d/99-containers.conf\n",
	},
	{
		"Debian's switch", false, func(_ *testing.T, m *machine) {
			m.sysctl("kernel/unprivileged_userns_clone", "0")
			m.trial.Clone = unix.EPERM
		},
		"broken user-namespaces: kernel.unprivileged_userns_clone is 0: no container can be run without root; sudo sysctl -w kernel.unprivileged_userns_clone=1 && echo kernel.unprivileged_userns_clone=1 | sudo tee /etc/sysctl.d/99-containers.conf\n",
	},
	{"Ubuntu's switch", false, func(_ *testing.T, m *machine) {
		m.sysctl("kernel/apparmor_restrict_unprivileged_userns", "1")
		m.trial.Map = fmt.Errorf("newuidmap: %w", unix.EPERM)
	}, "broken user-namespaces: AppArmor denies user namespaces to programs without a profile (kernel.apparmor_restrict_unprivileged_userns is 1): no container can be run without root; sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0 && echo kernel.apparmor_restrict_unprivileged_userns=0 | sudo tee /etc/sysctl.d/99-containers.conf\n"},
	{
		"namespaces used up", false, func(_ *testing.T, m *machine) { m.trial.Clone = unix.ENOSPC },
		"broken namespace: no more user namespaces can be made: no space left on device: no container can be run; sudo sysctl -w user.max_user_namespaces=15000 user.max_mnt_namespaces=15000\n",
	},
	{
		"a sandbox forbids clone", false, func(_ *testing.T, m *machine) { m.trial.Clone = unix.EPERM },
		"broken namespace: a user namespace cannot be made: operation not permitted: no container can be run; let the surrounding container, or the security module, allow clone(CLONE_NEWUSER)\n",
	},
	{
		"root without power", true, func(_ *testing.T, m *machine) { m.trial.Clone = unix.EPERM },
		"broken namespace: a mount namespace cannot be made: operation not permitted: no container can be run; give this root the capability SYS_ADMIN: run the surrounding container with --privileged\n",
	},
	{
		"newuidmap fails", false, func(_ *testing.T, m *machine) {
			m.trial.Map = errors.New("newuidmap: write to uid_map failed: Operation not permitted")
		},
		"broken namespace: ids cannot be mapped: newuidmap: write to uid_map failed: Operation not permitted: images with files of any other user than root cannot be used; " +
			"give this user ranges that are all his in /etc/subuid and /etc/subgid, and let the surrounding container have the capabilities SETUID and SETGID\n",
	},
	{
		"newuidmap without effect", false, func(_ *testing.T, m *machine) {
			m.spaces["/usr/bin/newuidmap"] = Space{Free: 50 << 30, Size: 100 << 30, NoSetuid: true}
			m.trial.Map = errors.New("newuidmap: write to uid_map failed: Operation not permitted")
		},
		"broken newuidmap: /usr/bin/newuidmap is on a file system that is mounted nosuid: subordinate ids cannot be mapped; sudo mount -o remount,suid \"$(findmnt -no TARGET -T /usr/bin/newuidmap)\"\n",
	},
	{
		"root was here", false, func(_ *testing.T, m *machine) {
			m.trial.Place = unix.EACCES
			m.dir("/home/alice/.local", 1000, 0o700)
			m.dir("/home/alice/.local/share", 0, 0o755)
		},
		"broken overlay: nothing can be written to the store /home/alice/.local/share/containers/storage: permission denied: nothing can be pulled or started; sudo chown -R alice /home/alice/.local/share\n",
	},
	{
		"no newuidmap", false, func(_ *testing.T, m *machine) {
			m.remove("/usr/bin/newuidmap")
			m.trial.Map = errors.New("newuidmap is not installed")
		},
		"broken newuidmap: newuidmap is not installed: subordinate ids cannot be mapped; sudo apt-get install uidmap\n",
	},
	{
		"no newgidmap, Fedora", false, func(_ *testing.T, m *machine) { m.remove("/usr/bin/newgidmap", "/usr/bin/apt-get"); m.program("dnf") },
		"broken newuidmap: newgidmap is not installed: subordinate ids cannot be mapped; sudo dnf install shadow-utils\n",
	},
	{
		"newuidmap lost its bit", false, func(_ *testing.T, m *machine) { m.program("newuidmap"); m.trial.Map = errors.New("newuidmap: denied") },
		"broken newuidmap: /usr/bin/newuidmap is neither set-user-id root nor has it its file capability: subordinate ids cannot be mapped; sudo chown root:root /usr/bin/newuidmap && sudo chmod u+s /usr/bin/newuidmap\n",
	},
	{
		"no subordinate ids", false, func(_ *testing.T, m *machine) {
			m.write("/etc/subuid", "bob:165536:65536\n")
			m.write("/etc/subgid", "bob:165536:65536\n")
		},
		"broken subids: user alice has no subordinate ids in /etc/subuid and /etc/subgid: images with files of any other user than root cannot be used; sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 alice && manager system migrate\n",
	},
	{
		"no subordinate group ids", false, func(_ *testing.T, m *machine) { m.write("/etc/subgid", "bob:100000:65536\n") },
		"broken subids: user alice has no subordinate ids in /etc/subgid: images with files of any other user than root cannot be used; sudo usermod --add-subgids 231072-296607 alice && manager system migrate\n",
	},
	{
		"few subordinate ids", false, func(_ *testing.T, m *machine) { m.write("/etc/subuid", "alice:100000:1000\nbob:165536:65536\n") },
		"warn subids: user alice has 1000 subordinate ids; images expect 65536: an image with a file of a higher id cannot be used; sudo usermod --add-subuids 231072-296607 alice && manager system migrate\n",
	},
	{
		"ranges overlap", false, func(_ *testing.T, m *machine) { m.write("/etc/subuid", "alice:100000:65536\nbob:160000:65536\n") },
		"broken subids: /etc/subuid: alice:100000:65536 and bob:160000:65536 overlap: their containers can read and kill each other's; sudo usermod --del-subuids 160000-225535 --add-subuids 231072-296607 bob && as bob: manager system migrate\n",
	},
	{
		"a torn line", true, func(_ *testing.T, m *machine) { m.write("/etc/subuid", "alice:100000:65536\nbob:165536\n") },
		"warn subids: /etc/subuid: \"bob:165536\" is not NAME:FIRST:COUNT: the line is passed over; sudoedit /etc/subuid\n",
	},
	{
		"ranges changed", false, func(_ *testing.T, m *machine) { m.outdated = true },
		"warn subids: the user's namespaces were made with other ranges than /etc/subuid and /etc/subgid have now: containers have the ids of before; manager system migrate\n",
	},
	{
		"overlay is not loaded", true, func(_ *testing.T, m *machine) { m.trial.Overlay = fmt.Errorf("mount: %w", unix.ENODEV) },
		"broken overlay: the kernel does not know the file system overlay: images cannot be mounted; sudo modprobe overlay && echo overlay | sudo tee /etc/modules-load.d/overlay.conf\n",
	},
	{
		"overlay on overlay", true, func(_ *testing.T, m *machine) { m.trial.Overlay = fmt.Errorf("mount: %w", unix.EINVAL) },
		"broken overlay: no overlay can be mounted on /var/lib/containers/storage: mount: invalid argument: images cannot be mounted; put the store on ext4, xfs or btrfs: graphroot in storage.conf && or set driver = \"vfs\" there, which copies every image\n",
	},
	{
		"old kernel for users", false, func(_ *testing.T, m *machine) {
			m.Kernel, m.trial.Overlay = "5.10.0-28-amd64", fmt.Errorf("mount: %w", unix.EPERM)
		},
		"broken overlay: Linux 5.10.0-28-amd64 mounts no overlay for ordinary users; 5.11 was the first: images cannot be mounted; sudo apt-get install fuse-overlayfs && or boot a newer kernel\n",
	},
	{"overlay by fuse", false, func(_ *testing.T, m *machine) {
		m.trial.Overlay = fmt.Errorf("mount: %w", unix.EPERM)
		m.program("fuse-overlayfs")
		m.write("/dev/fuse", "")
	}, "warn overlay: no overlay can be mounted on /home/alice/.local/share/containers/storage: mount: operation not permitted: fuse-overlayfs is used, which is slower; boot a kernel of version 5.13 or newer, or put the store on ext4, xfs or btrfs\n"},
	{
		"no owners", false, func(_ *testing.T, m *machine) { m.trial.Chown = fmt.Errorf("chown: %w", unix.EPERM) },
		"broken overlay: files in /home/alice/.local/share/containers/storage cannot be given to other ids: chown: operation not permitted: images with files of any other user than root cannot be used; put the store on ext4, xfs or btrfs: graphroot in storage.conf\n",
	},
	{
		"the store is root's", false, func(_ *testing.T, m *machine) {
			m.GraphRoot, m.trial.Place = "/data/alice", unix.EACCES
			m.dir(m.GraphRoot, 0, 0o700)
		},
		"broken overlay: nothing can be written to the store /data/alice: permission denied: nothing can be pulled or started; sudo chown -R alice /data/alice\n",
	},
	{
		"home on NFS", false, func(_ *testing.T, m *machine) {
			m.spaces[m.GraphRoot] = Space{Free: 50 << 30, Size: 100 << 30, Kind: "nfs"}
		},
		"broken filesystem: the store /home/alice/.local/share/containers/storage is on nfs: files there cannot belong to a container's users, and layers cannot be mounted; set rootless_storage_path = \"/var/tmp/$USER/containers\" in /etc/containers/storage.conf, or any other directory of the user's on ext4, xfs or btrfs\n",
	},
	{
		"home is noexec", false, func(_ *testing.T, m *machine) {
			m.spaces[m.GraphRoot] = Space{Free: 50 << 30, Size: 100 << 30, NoExec: true}
		},
		"broken filesystem: the store /home/alice/.local/share/containers/storage is on a file system that is mounted noexec: no program of an image can be executed; sudo mount -o remount,exec \"$(findmnt -no TARGET -T /home/alice/.local/share/containers/storage)\"\n",
	},
	{"the disk is read-only", true, func(_ *testing.T, m *machine) {
		m.spaces[m.GraphRoot], m.trial.Place = Space{Free: 50 << 30, Size: 100 << 30, ReadOnly: true}, unix.EROFS
	}, "broken filesystem: the store /var/lib/containers/storage is on a file system that is mounted read-only: nothing can be pulled or started; sudo mount -o remount,rw \"$(findmnt -no TARGET -T /var/lib/containers/storage)\"\n"},
	{"the disk is full", true, func(_ *testing.T, m *machine) {
		m.spaces[m.GraphRoot], m.trial.Place = Space{Size: 100 << 30, FreeInodes: 1 << 20, Inodes: 1 << 21}, unix.ENOSPC
	}, "broken disk: the store /var/lib/containers/storage has 0 B left of 100 GiB: nothing new can be pulled or started; manager image prune --all\n"},
	{
		"the disk is nearly full", true, func(_ *testing.T, m *machine) { m.spaces[m.GraphRoot] = Space{Free: 700 << 20, Size: 100 << 30} },
		"warn disk: the store /var/lib/containers/storage has 700 MiB left of 100 GiB: the next pull may fill it; manager image prune --all\n",
	},
	{
		"no inodes on a small disk", true, func(_ *testing.T, m *machine) {
			m.spaces[m.GraphRoot], m.trial.Place = Space{Free: 50 << 30, Size: 100 << 30, Inodes: 20}, unix.ENOSPC
		},
		"broken inodes: the store /var/lib/containers/storage can have 0 more files, of 20: nothing new can be pulled or started, whatever space there is; manager image prune --all\n",
	},
	{
		"the quota is used up", false, func(_ *testing.T, m *machine) { m.trial.Place = unix.EDQUOT },
		"broken overlay: nothing can be written to the store /home/alice/.local/share/containers/storage: disk quota exceeded: nothing can be pulled or started; manager image prune --all\n",
	},
	{
		"no inodes", true, func(_ *testing.T, m *machine) {
			m.spaces[m.GraphRoot] = Space{Free: 50 << 30, Size: 100 << 30, FreeInodes: 12, Inodes: 6553600}
		},
		"broken inodes: the store /var/lib/containers/storage can have 12 more files, of 6553600: nothing new can be pulled or started, whatever space there is; manager image prune --all\n",
	},
	{
		"the run directory is full", false, func(_ *testing.T, m *machine) {
			m.spaces["/run/user/1000"] = Space{Free: 4096, Size: 200 << 20, FreeInodes: 5000, Inodes: 50000}
		},
		"broken disk: the run directory /run/user/1000 has 4 KiB left of 200 MiB: nothing new can be pulled or started; sudo du -xh --max-depth=2 /run/user/1000 | sort -h | tail\n",
	},
	{"not delegated", false, func(_ *testing.T, m *machine) {
		m.write("/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/cgroup.controllers", "memory pids\n")
	}, "warn delegation: systemd does not delegate cpu to user alice: limits of that kind are errors; sudo mkdir -p /etc/systemd/system/user@.service.d && printf '[Service]\\nDelegate=cpu cpuset io memory pids\\n' | sudo tee /etc/systemd/system/user@.service.d/delegate.conf && sudo systemctl daemon-reload && sudo systemctl restart user@1000.service\n"},
	{"the delegated cgroup is root's", false, func(_ *testing.T, m *machine) {
		m.dirErr["/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service"] = unix.EACCES
	}, "broken delegation: no cgroup can be made in /sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service: permission denied: no container can be started with limits; sudo systemctl restart user@1000.service\n"},
	{"no cgroups", true, func(_ *testing.T, m *machine) {
		for name := range m.files {
			if strings.HasPrefix(name, "sys/fs/cgroup") {
				delete(m.files, name)
			}
		}
	}, "broken cgroups: no cgroups are mounted on /sys/fs/cgroup: limits cannot be set, and nothing can be paused; sudo mount -t cgroup2 none /sys/fs/cgroup\n"},
	{
		"cgroups are read-only", true, func(_ *testing.T, m *machine) { m.dirErr["/sys/fs/cgroup"] = unix.EROFS },
		"broken cgroups: no cgroup can be made in /sys/fs/cgroup: read-only file system: limits cannot be set, and nothing can be paused; sudo mount -o remount,rw /sys/fs/cgroup\n",
	},
	{
		"no memory controller", true, func(_ *testing.T, m *machine) { m.write("/sys/fs/cgroup/cgroup.controllers", "cpuset cpu io pids\n") },
		"warn cgroups: cgroups lack memory: limits of that kind cannot be set; put \"cgroup_enable=memory\" on the kernel's command line and boot\n",
	},
	{
		"linger is off", false, func(_ *testing.T, m *machine) { m.remove("/var/lib/systemd/linger/alice") },
		"warn linger: user alice does not linger: the user's containers end with the last session; loginctl enable-linger alice\n",
	},
	{
		"a runtime directory of another", false, func(_ *testing.T, m *machine) {
			m.env("XDG_RUNTIME_DIR", "/run/user/0")
			m.dir("/run/user/0", 0, 0o700)
		},
		"broken runtime-directory: XDG_RUNTIME_DIR is /run/user/0, which belongs to the user with the id 0: containers are started with another directory, which other commands of the user do not find; su keeps the caller's: use machinectl shell or a login; export XDG_RUNTIME_DIR=/run/user/1000\n",
	},
	{
		"an open runtime directory", false, func(_ *testing.T, m *machine) { m.dir("/run/user/1000", 1000, 0o777) },
		"broken runtime-directory: XDG_RUNTIME_DIR is /run/user/1000 with mode 0777: others may write there: containers are started with another directory, which other commands of the user do not find; chmod 0700 /run/user/1000\n",
	},
	{
		"a runtime directory that is not there", false, func(_ *testing.T, m *machine) { m.env("XDG_RUNTIME_DIR", "/home/alice/run") },
		"broken runtime-directory: XDG_RUNTIME_DIR is /home/alice/run, which is not there: containers are started with another directory, which other commands of the user do not find; mkdir -m 0700 /home/alice/run\n",
	},
	{
		"no session", false, func(_ *testing.T, m *machine) {
			m.env("XDG_RUNTIME_DIR", "")
			m.remove("/run/user/1000")
			m.RuntimeDir = ""
		},
		"warn runtime-directory: there is no XDG_RUNTIME_DIR, since there is no session: containers that were started in a session are not found, and theirs are not found by sessions; sudo loginctl enable-linger alice && export XDG_RUNTIME_DIR=/run/user/1000\n",
	},
	{"somebody took the directory in /tmp", false, func(_ *testing.T, m *machine) {
		m.env("XDG_RUNTIME_DIR", "")
		m.remove("/run/user/1000")
		m.RuntimeDir = ""
		m.dir("/tmp/manager-run-1000", 1001, 0o755)
	}, "broken runtime-directory: /tmp/manager-run-1000 is not a directory of this user's alone: owner 1001, mode 0755: no command can be run outside of a session; sudo rm -r /tmp/manager-run-1000\n"},
	{
		"no sockets", true, func(_ *testing.T, m *machine) { m.bindErr = unix.EPERM },
		"broken runtime-directory: no socket can be made in /run/containers/storage: operation not permitted: nobody can attach to a container; put it on a local file system: tmpfs, ext4, xfs or btrfs; free space there\n",
	},
	{
		"no home", false, func(_ *testing.T, m *machine) { m.remove("/home/alice") },
		"broken home: the home directory /home/alice is not there: there is no place for images; sudo install -d -m 0700 -o alice -g \"$(id -g alice)\" /home/alice\n",
	},
	{
		"a barred home", false, func(_ *testing.T, m *machine) {
			m.barred = "/home"
			m.Settings = append(m.Settings, Setting{Name: "storage.conf", Check: func() error { return &fs.PathError{Op: "open", Path: "x", Err: syscall.EACCES} }})
		},
		"broken home: the home directory /home/alice cannot be entered: there is no place for images; sudo chmod o+x /home\n",
	},
	{
		"root's home", false, func(_ *testing.T, m *machine) { m.Home = "/root"; m.dir("/root", 0, 0o700) },
		"broken home: the home directory /root belongs to the user with the id 0: there is no place for images; export HOME=$(getent passwd alice | cut -d: -f6)\n",
	},
	{
		"/tmp without its bit", true, func(_ *testing.T, m *machine) { m.dir("/tmp", 0, 0o777) },
		"broken tmp: /tmp has no sticky bit (mode 0777): any user can replace another's files there; sudo chmod 1777 /tmp\n",
	},
	{
		"SELinux without containers", true, func(_ *testing.T, m *machine) {
			selinux(m, "container_var_lib_t")
			m.remove("/etc/selinux/targeted/contexts/lxc_contexts")
		},
		"broken selinux: the policy \"targeted\" does not know containers: containers run unconfined, or are denied their own files; sudo apt-get install selinux-policy-default\n",
	},
	{
		"a mislabelled store", true, func(_ *testing.T, m *machine) { m.GraphRoot = "/data/store"; selinux(m, "default_t") },
		"broken selinux: the store /data/store is labelled default_t: containers are denied the files of their images; sudo semanage fcontext -a -e /var/lib/containers/storage /data/store && sudo restorecon -R /data/store\n",
	},
	{
		"AppArmor lacks a profile", true, func(_ *testing.T, m *machine) { apparmor(m); m.Profile = "mine" },
		"broken apparmor: the AppArmor profile mine of containers.conf is not loaded: no container can be started; sudo apparmor_parser -r /etc/apparmor.d/mine\n",
	},
	{
		"AppArmor is off", true, func(_ *testing.T, m *machine) { m.Profile = "mine" },
		"broken apparmor: containers.conf names the AppArmor profile mine, and AppArmor is off: no container can be started; remove apparmor_profile from containers.conf, or boot with security=apparmor\n",
	},
	{
		"no seccomp", true, func(_ *testing.T, m *machine) { m.remove("/proc/sys/kernel/seccomp/actions_avail") },
		"broken seccomp: the kernel filters no system calls (seccomp): containers are refused unless --security-opt seccomp=unconfined is given; boot a kernel with CONFIG_SECCOMP_FILTER=y\n",
	},
	{
		"a broken seccomp profile", true, func(_ *testing.T, m *machine) {
			m.SeccompProfile = "/etc/seccomp.json"
			m.write("/etc/seccomp.json", "{")
		},
		"broken seccomp: the seccomp profile /etc/seccomp.json of containers.conf: it is not JSON: no container can be started; remove seccomp_profile from containers.conf, or correct the file\n",
	},
	{
		"few inotify instances", true, func(_ *testing.T, m *machine) { m.sysctl("fs/inotify/max_user_instances", "16") },
		"warn limits: fs.inotify.max_user_instances is 16: programs that watch files fail with \"too many open files\"; sudo sysctl -w fs.inotify.max_user_instances=1024 && echo fs.inotify.max_user_instances=1024 | sudo tee -a /etc/sysctl.d/99-containers.conf\n",
	},
	{
		"no network namespaces", true, func(_ *testing.T, m *machine) { m.sysctl("user/max_net_namespaces", "0") },
		"broken limits: user.max_net_namespaces is 0: no more containers can be started once that many namespaces are made; sudo sysctl -w user.max_net_namespaces=15000 && echo user.max_net_namespaces=15000 | sudo tee -a /etc/sysctl.d/99-containers.conf\n",
	},
	{
		"few files", false, func(_ *testing.T, m *machine) { m.hard[unix.RLIMIT_NOFILE] = 1024 },
		"warn limits: the hard limit nofile is 1024: servers in containers run out of files; echo 'alice hard nofile 524288' | sudo tee /etc/security/limits.d/containers.conf && log in again\n",
	},
	{
		"an old kernel", true, func(_ *testing.T, m *machine) { m.Kernel = "4.19.0-26-amd64" },
		"broken kernel: Linux 4.19.0-26-amd64 is older than 5.10: system calls are missing that containers are made with; boot a kernel of version 5.10 or newer\n",
	},
	{
		"the clock is years back", true, func(_ *testing.T, m *machine) {
			m.Now = func() time.Time { return time.Date(1970, 1, 1, 0, 3, 0, 0, time.UTC) }
		},
		"broken clock: it is set to 1970-01-01 00:03:00, before this program was made: certificates and tokens look as if they were not valid; sudo timedatectl set-ntp true\n",
	},
	{"the clock is hours back", true, func(_ *testing.T, m *machine) {
		m.remove("/run/systemd/system/x")
		m.pings["registry.example"] = Ping{Date: noon.Add(3 * time.Hour)}
	}, "broken clock: it is 3h0m0s behind registry.example: certificates and tokens look as if they were not valid; sudo date -u -s '2026-03-01 15:00:00'\n"},
	{
		"before the boot", true, func(_ *testing.T, m *machine) { m.write("/proc/stat", "btime 1772373600\n") },
		"broken clock: it is set to 2026-03-01 12:00:00, before the boot: certificates and tokens look as if they were not valid; sudo timedatectl set-ntp true\n",
	},
	{
		"no resolver", true, func(_ *testing.T, m *machine) { m.remove("/etc/resolv.conf") },
		"broken dns: /etc/resolv.conf names no server: no registry is found, and containers find no host; sudo systemctl restart systemd-resolved && resolvectl status\n",
	},
	{"dead resolvers", true, func(_ *testing.T, m *machine) {
		m.resolvers["192.0.2.1"], m.resolvers["192.0.2.2"] = errors.New("no answer within a second"), errors.New("no answer within a second")
	}, "broken dns: no server of /etc/resolv.conf (192.0.2.1, 192.0.2.2) resolves registry.example: no answer within a second: no registry is found, and containers find no host; sudo systemctl restart systemd-resolved && resolvectl status\n"},
	{
		"a dead resolver", true, func(_ *testing.T, m *machine) { m.resolvers["192.0.2.1"] = errors.New("no answer within a second") },
		"warn dns: the server 192.0.2.1 of /etc/resolv.conf does not resolve registry.example: no answer within a second: every look-up waits for it first; remove the line from /etc/resolv.conf, or start the server\n",
	},
	{"nobody listens", true, func(_ *testing.T, m *machine) {
		m.pings["registry.example"] = Ping{Err: &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}}
	}, "broken registry: registry.example: nobody listens there: nothing can be pulled from it; start the registry, or remove it from registries.conf\n"},
	{
		"an unknown authority", true, func(_ *testing.T, m *machine) {
			m.pings["registry.example"] = Ping{Err: errors.New("x509"), Certificate: UnknownAuthority}
		},
		"broken registry: registry.example: its certificate is signed by an authority that this machine does not know: nothing can be pulled from it; sudo install -D -m 0644 CA.crt /etc/containers/certs.d/registry.example/ca.crt\n",
	},
	{
		"a certificate of last year", true, func(_ *testing.T, m *machine) {
			m.pings["registry.example"] = Ping{Err: errors.New("x509"), Certificate: NotValidNow}
		},
		"broken registry: registry.example: its certificate is not valid at this time: nothing can be pulled from it; compare the time: date && have the registry's certificate renewed\n",
	},
	{
		"another host's certificate", true, func(_ *testing.T, m *machine) {
			m.pings["registry.example"] = Ping{Err: errors.New("x509"), Certificate: OtherHost}
		},
		"broken registry: registry.example: its certificate is another host's: nothing can be pulled from it; use the name that the certificate has, or correct /etc/hosts\n",
	},
	{
		"no answer", true, func(_ *testing.T, m *machine) {
			m.pings["registry.example"] = Ping{Err: fmt.Errorf("get: %w", context.DeadlineExceeded)}
		},
		"broken registry: registry.example does not answer within a second: nothing can be pulled from it; set HTTPS_PROXY if there is a proxy, or let the firewall pass port 443\n",
	},
	{
		"no way", true, func(_ *testing.T, m *machine) { m.names = nil; m.pings["docker.io"] = Ping{Err: syscall.ENETUNREACH} },
		"warn registry: docker.io: there is no way to it: nothing can be pulled from it; connect this machine: ip route && or set HTTPS_PROXY\n",
	},
	{"plain HTTP", true, func(_ *testing.T, m *machine) {
		m.names = []string{"registry.example:5000"}
		m.pings["registry.example:5000"] = Ping{Err: errors.New("http: server gave HTTP response to HTTPS client")}
	}, "broken registry: registry.example:5000 speaks HTTP, not HTTPS: nothing can be pulled from it; printf '[[registry]]\\nlocation = \"registry.example:5000\"\\ninsecure = true\\n' | sudo tee /etc/containers/registries.conf.d/registry.example-5000.conf\n"},
	{
		"old credentials", true, func(_ *testing.T, m *machine) { m.pings["registry.example"] = Ping{Refused: true} },
		"broken registry: registry.example refuses the credentials that are kept for it: nothing can be pulled from it; manager login registry.example\n",
	},
	{"open credentials", false, func(_ *testing.T, m *machine) {
		m.write("/home/alice/.docker/config.json", "{}")
		m.files["home/alice/.docker/config.json"].Sys = &syscall.Stat_t{Uid: 1000}
	}, "warn configuration: /home/alice/.docker/config.json can be read by others: it holds passwords of registries; chmod 600 /home/alice/.docker/config.json\n"},
	{"containers.conf", true, func(t *testing.T, m *machine) {
		m.setting(t, "containers.conf", "[containers]\npids_limit = = 3\n", func(path string) error {
			_, err := conf.Load(conf.Source{Getenv: func(key string) string { return map[string]string{"CONTAINERS_CONF": path}[key] }})
			return err
		})
	}, "broken configuration: containers.conf: configuration file FILE: line 2: expected value but found '=' instead: no command that reads it works; correct the file, or remove it\n"},
	{"registries.conf", true, func(t *testing.T, m *machine) {
		m.setting(t, "registries.conf", "unqualified-search-registries = [\"a b\"]\n[[registry]]\nlocation = \"https://x\"\n", func(path string) error {
			_, err := sysregistriesv2.GetRegistries(&types.SystemContext{SystemRegistriesConfPath: path, SystemRegistriesConfDirPath: "/nonexistent"})
			return err
		})
	}, "broken configuration: registries.conf: loading registries configuration \"FILE\": invalid location 'https://x': URI schemes are not supported: no command that reads it works; correct the file, or remove it\n"},
	{"policy.json", true, func(t *testing.T, m *machine) {
		m.setting(t, "policy.json", `{"default":[{"type":"trustEverybody"}]}`, func(path string) error {
			_, err := signature.NewPolicyFromFile(path)
			return err
		})
	}, "broken configuration: policy.json: invalid policy in \"FILE\": Unknown policy requirement type \"trustEverybody\": no command that reads it works; correct the file, or remove it\n"},
	{"a program that others may write", true, func(_ *testing.T, m *machine) {
		m.programs = &errdefs.Error{Op: "open", Name: "/x/manager-monitor-1", Class: errdefs.ErrPermission, Cause: errors.New("owner 1000 and mode 777 let others change it"), Hint: "remove the file"}
	}, "broken program: open /x/manager-monitor-1: owner 1000 and mode 777 let others change it: containers cannot be started; remove the file\n"},
}
