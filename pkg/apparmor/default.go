package apparmor

import (
	"crypto/sha256"
	"encoding/hex"
	"path/filepath"
	"strings"
)

// rules are what the default profile says after its name, NAME standing for that. Source: apparmor.d(5).
//
// A container's isolation is its namespaces, capabilities and system call filter; this holds where one of them was
// loosened: nobody writes to what the whole host shares in /proc and /sys, mounts, or traces and signals processes outside.
const rules = `profile NAME flags=(attach_disconnected,mediate_deleted) {
	capability,
	file,
	network,
	umount,
	unix,
	# Whoever may send a signal to a container may do so; it sends to its own processes alone.
	signal (receive),
	signal (send) peer=NAME,
	ptrace (trace, read, tracedby, readby) peer=NAME,

	# Below /proc, processes are written to, and what has namespaces: the parameters of network, names, message queues
	# and System V IPC.
	deny /proc/[a-z]* wkl,
	deny /proc/{[a-r],[t-z]}*/** wkl,
	deny /proc/s[^ey]*/** wkl,
	deny /proc/{kcore,kmem,mem,sysrq-trigger} rwklx,
	deny /proc/sys/[^fkn]** wkl,
	deny /proc/sys/{f[^s],n[^e]}** wkl,
	deny /proc/sys/fs/{[^m]**,m[^q]**} wkl,
	deny /proc/sys/kernel/[^dhmns]** wkl,
	deny /proc/sys/kernel/{d[^o],h[^o],hot,m[^s],n[^s],s[^eh],sec}** wkl,

	# Below /sys, control groups alone.
	deny /sys/{[^f],f[^s],fs/[^c],fs/c[^g]}** wklx,
	deny /sys/firmware/** rwklx,
	deny /sys/kernel/{debug,security,tracing}/** rwklx,
}
`

// Default is the profile of containers for which none was named, and its name. The name tells one text from another, so that
// a newer program neither takes an older profile for its own nor replaces the one of running containers.
func Default() (name, profile string) {
	sum := sha256.Sum256([]byte(rules))
	name = "manager-default-" + hex.EncodeToString(sum[:4])
	return name, strings.ReplaceAll(rules, "NAME", name)
}

// Loaded says that a profile is loaded; unlike Lacks it knows that of the default profile also where the list is kept from us.
// Source: kernel, security/apparmor/apparmorfs.c: each profile has a directory of its name, a dot and a number.
func (k Kernel) Loaded(profile string) bool {
	found, err := filepath.Glob(filepath.Join(k.path("kernel/security/apparmor/policy/profiles"), profile+".[0-9]*"))
	return err == nil && len(found) > 0
}
