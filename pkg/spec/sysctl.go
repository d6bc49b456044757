package spec

import (
	"path"
	"strconv"
	"strings"

	"github.com/manager-project/manager/pkg/errdefs"
)

// ipcSysctls are the keys of the ipc namespace. Source: kernel, ipc/ipc_sysctl.c; sysctl/kernel.rst.
var ipcSysctls = map[string]bool{
	"kernel.msgmax": true, "kernel.msgmnb": true, "kernel.msgmni": true, "kernel.sem": true,
	"kernel.shmall": true, "kernel.shmmax": true, "kernel.shmmni": true, "kernel.shm_rmid_forced": true,
}

// sysctls settles kernel parameters: only those that belong to a namespace of the
// container's own. The administrator's that do not fit this container are left out.
func (d *decider) sysctls() error {
	out := map[string]string{}
	for _, word := range d.def.Sysctls {
		k, v, err := parseSysctl(word)
		if err != nil {
			return err
		}
		if d.sysctlOwner(k) == "" && d.knowsGroups(k, v) {
			out[k] = v
		}
	}
	for _, word := range d.req.Security.Sysctl {
		k, v, err := parseSysctl(word)
		if err != nil {
			return err
		}
		if why := d.sysctlOwner(k); why != "" {
			return errdefs.Invalid("--sysctl", word, "%s", why).WithHint("only net.*, fs.mqueue.* and the System V ipc keys can be set, each in a private namespace")
		}
		out[k] = v
	}
	if len(out) > 0 {
		d.cfg.Security.Sysctl = out
	}
	return nil
}

// knowsGroups says that a value which is groups, net.ipv4.ping_group_range, is of groups that the container has.
func (d *decider) knowsGroups(key, value string) bool {
	u := &d.cfg.UserNS
	if key != "net.ipv4.ping_group_range" || !u.Own() || u.Auto != nil {
		return true
	}
	for _, word := range strings.Fields(value) {
		gid, err := strconv.ParseUint(word, 10, 32)
		if _, ok := u.GIDs.ToOutside(uint32(gid)); err != nil || !ok {
			return false
		}
	}
	return true
}

func parseSysctl(word string) (key, value string, err error) {
	k, v, ok := strings.Cut(word, "=")
	// Both spellings of sysctl(8): dots, or slashes where a name has dots (net/ipv4/conf/eth0.1/…).
	if !strings.Contains(k, ".") {
		k = strings.ReplaceAll(k, "/", ".")
	}
	if !ok || k == "" || hasControl(word) || strings.Contains(k, "..") || path.IsAbs(k) || strings.ContainsAny(k, " ") {
		return "", "", errdefs.Invalid("--sysctl", word, "not KEY=VALUE").WithHint("write KEY=VALUE, as net.ipv4.ip_forward=1")
	}
	return k, v, nil
}

// sysctlOwner returns why a key cannot be set in this container, or "".
func (d *decider) sysctlOwner(key string) string {
	switch {
	case ipcSysctls[key] || strings.HasPrefix(key, "fs.mqueue."):
		if !d.cfg.Namespaces.IPC.private() {
			return "the ipc namespace is not the container's own"
		}
	case strings.HasPrefix(key, "net."):
		if !d.cfg.Net.Namespace.private() {
			return "the network namespace is not the container's own"
		}
	default:
		return "the kernel has no such parameter for a single container"
	}
	return ""
}
