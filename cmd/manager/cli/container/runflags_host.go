package container

import (
	"github.com/manager-project/manager/cmd/manager/cli/flags"
	"github.com/manager-project/manager/pkg/spec"
)

func mountFlags(m *spec.MountRequest) []flags.Flag {
	size := "<number>[<unit>]"
	return []flags.Flag{
		{Name: "chrootdirs", Group: groupFiles, To: &m.ChrootDirs, Usage: "Directories inside that get the container's hosts, resolv.conf and hostname too"},
		{Name: "image-volume", Group: groupFiles, To: &m.ImageVolume, Default: "anonymous", Choices: []string{"anonymous", "tmpfs", "ignore"}, Usage: "What becomes of the volumes that the image names"},
		{Name: "mount", Group: groupFiles, To: &m.Mount, Usage: "Mount type=bind|volume|tmpfs|image|devpts|ramfs with its options"},
		{Name: "read-only", Group: groupFiles, To: &m.ReadOnly, Usage: "Make the root filesystem read-only"},
		{Name: "read-only-tmpfs", Group: groupFiles, To: &m.ReadOnlyTmpfs, Usage: "With --read-only, keep /run, /tmp and /var/tmp writable"},
		{Name: "rootfs", Group: groupFiles, To: &m.Rootfs, Usage: "The first argument is a directory to use as the root filesystem"},
		{Name: "shm-size", Group: groupFiles, Value: size, To: &m.ShmSize, Default: "65536k", Usage: "Size of /dev/shm"},
		{Name: "shm-size-systemd", Group: groupFiles, Value: size, To: &m.ShmSystemd, Usage: "Size of the tmpfs mounts that systemd needs"},
		{Name: "tmpfs", Group: groupFiles, Value: "tmpfs", To: &m.Tmpfs, Usage: "Mount a tmpfs: PATH[:OPTIONS]"},
		{Name: "volume", Short: "v", Group: groupFiles, To: &m.Volume, Complete: flags.CompleteVolumes, Usage: "Mount a volume or a directory: [SOURCE:]PATH[:OPTIONS]"},
		{Name: "volumes-from", Group: groupFiles, To: &m.VolumesFrom, Complete: flags.CompleteContainers, Usage: "Mount the volumes of another container: CONTAINER[:OPTIONS]"},
		{Name: "secret", Group: groupFiles, Type: "stringArray", Unsupported: "secrets are not available in this version"},
	}
}

func netFlags(r *spec.Request) []flags.Flag {
	n := &r.Net
	bridged := "networks with addresses of one's choice are not available in this version; see --network"
	return []flags.Flag{
		{Name: "add-host", Group: groupNet, To: &n.AddHost, Split: true, Default: "[]", Usage: "Add a line to /etc/hosts: NAME[;NAME…]:IP"},
		{Name: "dns", Group: groupNet, To: &n.DNS, Split: true, Usage: "Name server; none leaves the image's resolv.conf"},
		{Name: "dns-option", Group: groupNet, To: &n.DNSOption, Split: true, Usage: "Resolver option"},
		{Name: "dns-search", Group: groupNet, To: &n.DNSSearch, Split: true, Usage: "Search domain; . clears the host's"},
		{Name: "expose", Group: groupNet, To: &n.Expose, Split: true, Usage: "Note a port as used: PORT[-PORT][/PROTOCOL]"},
		{Name: "hosts-file", Group: groupNet, To: &n.HostsFile, Complete: flags.CompleteFiles, Usage: "Base of /etc/hosts: a file, image or none"},
		{Name: "ip", Group: groupNet, Type: "string", Unsupported: bridged},
		{Name: "ip6", Group: groupNet, Type: "string", Unsupported: bridged},
		{Name: "mac-address", Group: groupNet, Type: "string", Unsupported: bridged},
		{Name: "network", Aliases: []string{"net"}, Group: groupNet, To: &n.Network, Choices: []string{"none", "host", "private", "pasta", "slirp4netns", "builtin", "container:", "ns:"}, Usage: "Network: pasta[:OPTIONS], slirp4netns[:OPTIONS], builtin, none, host, private, container:NAME or ns:PATH"},
		{Name: "network-alias", Group: groupNet, Type: "strings", Unsupported: bridged},
		{Name: "no-hostname", Group: groupNet, To: &n.NoHostname, Usage: "Leave the image's /etc/hostname"},
		{Name: "no-hosts", Group: groupNet, To: &n.NoHosts, Usage: "Leave the image's /etc/hosts"},
		{Name: "publish", Short: "p", Group: groupNet, To: &n.Publish, Split: true, Default: "[]", Usage: "Publish a port of the container: [[IP:][PORT]:]PORT[/tcp|udp], each port also FIRST-LAST"},
		{Name: "publish-all", Short: "P", Group: groupNet, To: &n.PublishAll, Usage: "Publish every port that the image or --expose names, at free ports of the host"},
	}
}

func namespaceFlags(n *spec.NamespaceRequest) []flags.Flag {
	return []flags.Flag{
		{Name: "cgroupns", Group: groupNamespace, To: &n.CgroupNS, Choices: []string{"host", "private", "container:", "ns:"}, Usage: "Cgroup namespace: host, private, container:NAME or ns:PATH"},
		{Name: "gidmap", Group: groupNamespace, To: &n.GIDMap, Split: true, Usage: "Map group ids into a user namespace: [+ug]INSIDE:[@]OUTSIDE[:COUNT]"},
		{Name: "ipc", Group: groupNamespace, To: &n.IPC, Choices: []string{"host", "private", "shareable", "none", "container:", "ns:"}, Usage: "IPC namespace: host, private, shareable, none, container:NAME or ns:PATH"},
		{Name: "pid", Group: groupNamespace, To: &n.PID, Choices: []string{"host", "private", "container:", "ns:"}, Usage: "Process namespace: host, private, container:NAME or ns:PATH"},
		{Name: "subgidname", Group: groupNamespace, To: &n.SubGIDName, Usage: "Map the group ids that /etc/subgid gives this name"},
		{Name: "subuidname", Group: groupNamespace, To: &n.SubUIDName, Usage: "Map the user ids that /etc/subuid gives this name"},
		{Name: "uidmap", Group: groupNamespace, To: &n.UIDMap, Split: true, Usage: "Map user ids into a user namespace: [+ug]INSIDE:[@]OUTSIDE[:COUNT]"},
		{Name: "userns", Group: groupNamespace, To: &n.UserNS, Choices: []string{"host", "private", "keep-id", "auto", "nomap", "container:", "ns:"}, Usage: "User namespace: host, private, keep-id, auto, nomap, container:NAME or ns:PATH"},
		{Name: "uts", Group: groupNamespace, To: &n.UTS, Choices: []string{"host", "private", "container:", "ns:"}, Usage: "Host name namespace: host, private, container:NAME or ns:PATH"},
	}
}

func limitFlags(l *spec.LimitRequest) []flags.Flag {
	size := "<number>[<unit>]"
	return []flags.Flag{
		{Name: "blkio-weight", Group: groupLimits, To: &l.BlkioWeight, Usage: "Share of block I/O, 10 to 1000"},
		{Name: "blkio-weight-device", Group: groupLimits, Value: "DEVICE_NAME:WEIGHT", To: &l.BlkioWeightDevice, Usage: "Share of one device's block I/O"},
		{Name: "cgroup-conf", Group: groupLimits, To: &l.CgroupConf, Split: true, Usage: "Write VALUE to the cgroup v2 file KEY: KEY=VALUE"},
		{Name: "cgroup-parent", Group: groupLimits, To: &l.CgroupParent, Usage: "Cgroup below which the container's is made"},
		{Name: "cgroups", Group: groupLimits, To: &l.Cgroups, Default: "enabled", Choices: []string{"enabled", "disabled", "no-conmon", "split"}, Usage: "Whether the container has a cgroup of its own; split makes it below the caller's, which is for units of systemd with Delegate=yes"},
		{Name: "cpu-period", Group: groupLimits, To: &l.CPUPeriod, Usage: "Length of a scheduler period in microseconds"},
		{Name: "cpu-quota", Group: groupLimits, To: &l.CPUQuota, Usage: "CPU time in each period in microseconds"},
		{Name: "cpu-rt-period", Group: groupLimits, To: &l.CPURTPeriod, Usage: "Length of a real-time period in microseconds (cgroup v1)"},
		{Name: "cpu-rt-runtime", Group: groupLimits, To: &l.CPURTRuntime, Usage: "Real-time CPU time in each period in microseconds (cgroup v1)"},
		{Name: "cpu-shares", Short: "c", Group: groupLimits, To: &l.CPUShares, Usage: "Share of CPU time against other containers"},
		{Name: "cpus", Group: groupLimits, To: &l.CPUs, Usage: "Number of CPUs, fractions allowed"},
		{Name: "cpuset-cpus", Group: groupLimits, To: &l.CpusetCPUs, Usage: "CPUs to run on: 0-3,5"},
		{Name: "cpuset-mems", Group: groupLimits, To: &l.CpusetMems, Usage: "Memory nodes to use: 0-1"},
		{Name: "device-read-bps", Group: groupLimits, To: &l.DeviceReadBPS, Usage: "Bytes a second read from a device: PATH:RATE"},
		{Name: "device-read-iops", Group: groupLimits, To: &l.DeviceReadIOPS, Usage: "Reads a second from a device: PATH:RATE"},
		{Name: "device-write-bps", Group: groupLimits, To: &l.DeviceWriteBPS, Usage: "Bytes a second written to a device: PATH:RATE"},
		{Name: "device-write-iops", Group: groupLimits, To: &l.DeviceWriteIOPS, Usage: "Writes a second to a device: PATH:RATE"},
		{Name: "memory", Short: "m", Group: groupLimits, Value: size, To: &l.Memory, Usage: "Most memory"},
		{Name: "memory-reservation", Group: groupLimits, Value: size, To: &l.MemoryReservation, Usage: "Memory kept when the host is short"},
		{Name: "memory-swap", Group: groupLimits, To: &l.MemorySwap, Usage: "Most memory and swap together; -1 is no limit"},
		{Name: "memory-swappiness", Group: groupLimits, To: &l.MemorySwappiness, Usage: "Readiness to swap, 0 to 100 (cgroup v1)"},
		{Name: "oom-kill-disable", Group: groupLimits, To: &l.OOMKillDisable, Usage: "Wait instead of killing when memory runs out (cgroup v1)"},
		{Name: "pids-limit", Group: groupLimits, To: &l.PidsLimit, Default: "2048", Usage: "Most tasks; 0 or -1 is no limit"},
		{Name: "rdt-class", Group: groupLimits, To: &l.RdtClass, Usage: "Intel RDT class of service"},
		{Name: "ulimit", Group: groupLimits, To: &l.Ulimit, Split: true, Usage: "Resource limit: NAME=SOFT[:HARD], or host"},
	}
}

func securityFlags(s *spec.SecurityRequest) []flags.Flag {
	return []flags.Flag{
		{Name: "cap-add", Group: groupSecurity, To: &s.CapAdd, Split: true, Usage: "Add a capability, or all"},
		{Name: "cap-drop", Group: groupSecurity, To: &s.CapDrop, Split: true, Usage: "Drop a capability, or all"},
		{Name: "device", Group: groupSecurity, To: &s.Device, Complete: flags.CompleteFiles, Usage: "Add a device: HOST[:CONTAINER][:rwm], or a CDI name"},
		{Name: "device-cgroup-rule", Group: groupSecurity, To: &s.DeviceCgroupRule, Split: true, Usage: "Allow devices by rule: TYPE MAJOR:MINOR rwm"},
		{Name: "gpus", Group: groupSecurity, To: &s.GPUs, Split: true, Usage: "Add NVIDIA GPUs by CDI: all, or names of nvidia.com/gpu"},
		{Name: "privileged", Group: groupSecurity, To: &s.Privileged, Usage: "Turn confinement off: all capabilities and devices"},
		{Name: "seccomp-policy", Group: groupSecurity, To: &s.SeccompPolicy, Default: "default", Choices: []string{"default", "image"}, Usage: "Where the system call filter comes from"},
		{Name: "security-opt", Group: groupSecurity, To: &s.SecurityOpt, Usage: "no-new-privileges, seccomp=, apparmor=, label=, mask=, unmask=, proc-opts="},
		{Name: "sysctl", Group: groupSecurity, To: &s.Sysctl, Split: true, Usage: "Set a kernel parameter of the container's namespaces: KEY=VALUE"},
	}
}

func imageFlags(l *spec.LifeRequest) []flags.Flag {
	return []flags.Flag{
		{Name: "arch", Group: groupImage, Value: "ARCH", To: &l.Arch, Usage: "Choose the image for this architecture"},
		{Name: "authfile", Group: groupImage, To: &l.AuthFile, Complete: flags.CompleteFiles, Usage: "File of registry credentials"},
		{Name: "cert-dir", Group: groupImage, Value: "Pathname", To: &l.CertDir, Complete: flags.CompleteDirs, Usage: "Directory of certificates and keys for the registry"},
		{Name: "creds", Group: groupImage, Value: "credentials", To: &l.Creds, Usage: "User and password for the registry: USER[:PASSWORD]"},
		{Name: "decryption-key", Group: groupImage, Type: "stringArray", Unsupported: "encrypted images are not available in this version"},
		{Name: "disable-content-trust", Group: groupImage, Type: "bool", Accept: []string{"true"}, Unsupported: "there is no Docker content trust to turn on; signatures are checked as policy.json says"},
		{Name: "os", Group: groupImage, Value: "OS", To: &l.OS, Usage: "Choose the image for this operating system"},
		{Name: "platform", Group: groupImage, To: &l.Platform, Usage: "Choose the image for OS/ARCH[/VARIANT]"},
		{Name: "pull", Group: groupImage, To: &l.Pull, Default: "missing", Choices: []string{"always", "missing", "never", "newer"}, Usage: "When to pull the image"},
		{Name: "quiet", Short: "q", Group: groupImage, To: &l.Quiet, Usage: "Show nothing while the image is pulled"},
		{Name: "retry", Group: groupImage, To: &l.Retry, Usage: "How often a failed pull is tried again"},
		{Name: "retry-delay", Group: groupImage, To: &l.RetryDelay, Usage: "Pause between two tries: 2s"},
		{Name: "tls-verify", Group: groupImage, To: &l.TLSVerify, Usage: "Require HTTPS and check certificates"},
		{Name: "variant", Group: groupImage, Value: "VARIANT", To: &l.Variant, Usage: "Choose the image for this variant of the architecture"},
	}
}

func healthFlags(h *spec.HealthRequest) []flags.Flag {
	return []flags.Flag{
		{Name: "health-cmd", Group: groupHealth, To: &h.Cmd, Usage: "Command that tells whether the container works: a shell's command line or a JSON array; none runs none"},
		{Name: "health-interval", Group: groupHealth, To: &h.Interval, Default: "30s", Usage: "Pause between two checks; disable runs them only by healthcheck run"},
		{Name: "health-log-destination", Group: groupHealth, To: &h.LogDestination, Default: "local", Complete: flags.CompleteDirs, Usage: "Where results are kept: local, or a directory"},
		{Name: "health-max-log-count", Group: groupHealth, To: &h.MaxLogCount, Default: "5", Usage: "How many results are kept"},
		{Name: "health-max-log-size", Group: groupHealth, To: &h.MaxLogSize, Default: "500", Usage: "How many bytes of each output are kept"},
		{Name: "health-on-failure", Group: groupHealth, To: &h.OnFailure, Default: "none", Choices: []string{"none", "kill", "restart", "stop"}, Usage: "What is done when the container becomes unhealthy: none, kill, restart or stop"},
		{Name: "health-retries", Group: groupHealth, To: &h.Retries, Default: "3", Usage: "Failures in a row that make the container unhealthy"},
		{Name: "health-start-period", Group: groupHealth, To: &h.StartPeriod, Default: "0s", Usage: "Time after the start in which failures do not count"},
		{Name: "health-startup-cmd", Group: groupHealth, To: &h.StartupCmd, Usage: "Command that has to succeed before the checks begin"},
		{Name: "health-startup-interval", Group: groupHealth, To: &h.StartupInterval, Default: "30s", Usage: "Pause between two startup checks"},
		{Name: "health-startup-retries", Group: groupHealth, To: &h.StartupRetries, Usage: "Failed startup checks after which the container is restarted; 0 never"},
		{Name: "health-startup-success", Group: groupHealth, To: &h.StartupSuccess, Usage: "Startup checks that have to succeed in a row; 0 is one"},
		{Name: "health-startup-timeout", Group: groupHealth, To: &h.StartupTimeout, Default: "30s", Usage: "Time after which a startup check has failed"},
		{Name: "health-timeout", Group: groupHealth, To: &h.Timeout, Default: "30s", Usage: "Time after which a check has failed"},
		{Name: "no-healthcheck", Group: groupHealth, To: &h.None, Usage: "Run no healthcheck, not the image's either"},
	}
}
