package testenv

import (
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// MachineFiles are the parts of the virtual machine for the tests. They belong to the cache: boot
// from a snapshot of the disk, never from the disk itself.
type MachineFiles struct {
	// Kernel and Initrd are what the emulator loads.
	Kernel, Initrd string
	// Disk is an ext4 file system without partitions, the machine's root.
	Disk string
}

// What the machine and its driver agree upon.
const (
	// MachinePayload is where the machine mounts the second disk, whose label is "payload".
	MachinePayload = "/mnt"
	// MachineInside is the program of the payload that the machine starts, as root and as a unit,
	// when it is up. When that ends the machine powers off.
	MachineInside = MachinePayload + "/inside"
	// MachineResults is the port on which it writes results.
	MachineResults = "/dev/virtio-ports/results"
	// MachineShell is the word of the kernel's command line that makes the machine log root in on
	// the serial console instead.
	MachineShell = "machine.shell"
	// MachineUser is a user with id 1000 who lingers: the user's systemd runs from the start.
	MachineUser = "tester"
)

// machinePackages are what the machine has besides Debian's minimal root.
var machinePackages = []string{
	"linux-image-cloud-amd64", "initramfs-tools", "systemd", "systemd-sysv", "udev", "dbus", "dbus-user-session",
	"libpam-systemd", "uidmap", "iproute2", "nftables", "iptables", "procps", "kmod", "attr", "libcap2-bin", "strace", "jq",
	"busybox-static", "selinux-policy-default", "selinux-utils", "policycoreutils", "apparmor", "crun", "runc", "criu", "ca-certificates", "passt", "slirp4netns",
}

// machinePolicy completes the policy with the types of containers, which Debian's has not.
//
//go:embed machine.cil
var machinePolicy string

// machineFiles are written before the packages are installed.
var machineFiles = map[string]string{
	// No module but those of the disks and the results' port has to be in the initial root.
	"etc/initramfs-tools/conf.d/machine": "MODULES=list\nCOMPRESS=gzip\n",
	"etc/initramfs-tools/modules":        "virtio_pci\nvirtio_blk\nvirtio_console\n",
	"etc/fstab":                          "LABEL=payload " + MachinePayload + " ext4 ro,nofail,x-systemd.device-timeout=15min 0 0\n",
	// A build that is cut off counts for nothing, so nothing needs to be on the disk at once.
	"etc/dpkg/dpkg.cfg.d/unsafe-io": "force-unsafe-io\n",
	// Only in a journal on disk have users entries of their own.
	"etc/systemd/journald.conf.d/machine.conf": "[Journal]\nStorage=persistent\nSystemMaxUse=64M\n",
	"etc/hostname":                     "machine\n",
	"usr/share/selinux/containers.cil": machinePolicy,
	"etc/systemd/system/machine-tests.service": `[Unit]
Description=The tests of the second disk
ConditionKernelCommandLine=!` + MachineShell + `
After=mnt.mount dbus.service systemd-logind.service user@1000.service
Wants=dbus.service
[Service]
Type=exec
ExecStart=` + MachineInside + ` -inside
ExecStopPost=/bin/systemctl poweroff --no-block
Delegate=yes
[Install]
WantedBy=multi-user.target
`,
	"etc/systemd/system/serial-getty@ttyS0.service.d/root.conf": `[Service]
ExecStart=
ExecStart=-/sbin/agetty --autologin root --noclear --keep-baud 115200 %I xterm
`,
}

// machineScript is run in the root when all packages are there. The labels come last: what has none
// is "unlabeled" when SELinux starts. AppArmor's profiles of the distribution are not loaded: tests load their own.
const machineScript = `
useradd --create-home --uid 1000 --shell /bin/bash ` + MachineUser + `
mkdir -p /var/lib/systemd/linger
touch /var/lib/systemd/linger/` + MachineUser + `
passwd --delete root >/dev/null
semodule --install /usr/share/selinux/containers.cil
systemctl enable machine-tests.service
systemctl mask apparmor.service getty@tty1.service e2scrub_reap.service systemd-timesyncd.service fstrim.timer apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer
cp -L /vmlinuz /boot/kernel
cp -L /initrd.img /boot/initrd
rm -f /initrd.img.old /vmlinuz.old
`

// machineLabels is what writes the SELinux labels, which the file system keeps with the files.
const machineLabels = `setfiles -F /etc/selinux/default/contexts/files/file_contexts /`

// BuildMachine returns the virtual machine's parts, from the cache or made from the mirror's packages
// in some minutes. NotHere tells a host that cannot make it from a failure.
func BuildMachine() (*MachineFiles, error) {
	if runtime.GOARCH != "amd64" {
		return nil, fmt.Errorf("%w: the machine is made for amd64", errMissing)
	}
	if os.Geteuid() != 0 {
		return nil, fmt.Errorf("%w: building the machine needs root", errMissing)
	}
	if err := programsThere("debootstrap", "unshare", "chroot", "mkfs.ext4", "qemu-system-x86_64"); err != nil {
		return nil, err
	}
	source, err := findMirror()
	if err != nil {
		return nil, err
	}
	base := key(recipeVersion, source.suite, source.uri)
	parts := append([]string{base, machineScript, machineLabels, fmt.Sprint(machineFiles)}, machinePackages...)
	dir, err := cached("machine-"+key(parts...), func(path string) error {
		root, err := cached("debian-root-"+base, source.bootstrap)
		if err != nil {
			return err
		}
		return errors.Join(removeOldMachines(), buildMachine(root, path))
	})
	if err != nil {
		return nil, fmt.Errorf("virtual machine: %w", err)
	}
	return &MachineFiles{
		Kernel: filepath.Join(dir, "kernel"), Initrd: filepath.Join(dir, "initrd"), Disk: filepath.Join(dir, "disk"),
	}, nil
}

// removeOldMachines takes machines of other recipes out of the cache: each is large, and none is wanted
// again. One that runs keeps its disk until it ends.
func removeOldMachines() error {
	dir, err := CacheDir()
	if err != nil {
		return err
	}
	old, err := filepath.Glob(filepath.Join(dir, "machine-*"))
	if err != nil {
		return err
	}
	var errs []error
	for _, path := range old {
		if filepath.Ext(path) == "" {
			errs = append(errs, os.RemoveAll(path))
		}
	}
	return errors.Join(errs...)
}

// NotHere says whether the error means that this host cannot make a fixture, and not that making it
// failed.
func NotHere(err error) bool { return errors.Is(err, errMissing) }

// buildMachine makes the folder with the machine's parts from a Debian root.
func buildMachine(base, path string) error {
	if err := os.Mkdir(path, 0o755); err != nil {
		return err
	}
	root := filepath.Join(path, "root")
	if err := run(exec.Command("cp", "-a", base, root)); err != nil {
		return err
	}
	for name, text := range machineFiles {
		file := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			return err
		}
	}
	if err := install(root, machinePackages, machineScript); err != nil {
		return err
	}
	for _, name := range []string{"kernel", "initrd"} {
		if err := os.Rename(filepath.Join(root, "boot", name), filepath.Join(path, name)); err != nil {
			return err
		}
	}
	// setfiles reaches links through /proc.
	label := exec.Command("unshare", "--mount", "--pid", "--fork", "sh", "-c",
		`mount -t proc proc "$1/proc" && exec chroot "$1" sh -c "$2"`, "sh", root, machineLabels)
	label.Env = append(os.Environ(), debianPath, "LC_ALL=C", "TMPDIR=/tmp")
	if err := run(label); err != nil {
		return err
	}
	if err := makeDisk(filepath.Join(path, "disk"), root, "machine", 3<<30); err != nil {
		return err
	}
	return os.RemoveAll(root)
}

// payloadLabel is what SELinux thinks of the payload: programs of the system.
const payloadLabel = "system_u:object_r:bin_t:s0"

// MakePayload makes a second disk for the machine out of a folder, with owners and modes, and with a label
// on everything, which the folder gets too.
func MakePayload(path, dir string) error {
	var size int64
	err := filepath.WalkDir(dir, func(name string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if err := unix.Lsetxattr(name, "security.selinux", []byte(payloadLabel), 0); err != nil {
			return &os.PathError{Op: "label", Path: name, Err: err}
		}
		info, err := entry.Info()
		if err == nil {
			size += info.Size() + 4096
		}
		return err
	})
	if err != nil {
		return err
	}
	return makeDisk(path, dir, "payload", size+size/4+(16<<20))
}

// makeDisk makes a sparse ext4 file system of the size with what is in the folder.
func makeDisk(path, dir, label string, size int64) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	if err := errors.Join(file.Truncate(size), file.Close()); err != nil {
		return err
	}
	if err := run(exec.Command("mkfs.ext4", "-q", "-F", "-L", label, "-d", dir, path)); err != nil {
		return fmt.Errorf("disk %s: %s", label, strings.TrimSpace(err.Error()))
	}
	return nil
}
