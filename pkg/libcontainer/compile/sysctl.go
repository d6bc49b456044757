package compile

import (
	"os"
	"sort"
	"strings"

	"github.com/manager-project/manager/pkg/libcontainer/plan"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// ipcSysctls belong to the ipc namespace. Source: namespaces(7), ipc_namespaces(7).
var ipcSysctls = map[string]bool{
	"kernel/msgmax": true, "kernel/msgmnb": true, "kernel/msgmni": true, "kernel/sem": true,
	"kernel/shmall": true, "kernel/shmmax": true, "kernel/shmmni": true, "kernel/shm_rmid_forced": true,
}

// sysctls translates the settings and refuses those that would change the host.
func (c *compiler) sysctls() error {
	keys := make([]string, 0, len(c.spec.Linux.Sysctl))
	for k := range c.spec.Linux.Sysctl {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	for _, k := range keys {
		path := sysctlPath(k)
		if err := c.checkSysctl(k, path); err != nil {
			return err
		}
		c.p.Sysctl = append(c.p.Sysctl, plan.Pair{Key: path, Value: c.spec.Linux.Sysctl[k]})
	}
	return nil
}

// sysctlPath makes a path of a key. With dots as separators a slash stands for a dot within a
// name; with slashes first it is a path already (sysctl(8)).
func sysctlPath(key string) string {
	i := strings.IndexAny(key, "./")
	if i < 0 || key[i] == '/' {
		return key
	}
	return strings.Map(func(r rune) rune {
		switch r {
		case '.':
			return '/'
		case '/':
			return '.'
		}
		return r
	}, key)
}

func (c *compiler) checkSysctl(key, path string) error {
	field := "linux.sysctl." + key
	var needs specs.LinuxNamespaceType
	switch {
	case path == "" || strings.IndexByte(path, 0) >= 0:
		return invalid("linux.sysctl", key, "is no name")
	case strings.Contains("/"+path+"/", "/../") || strings.Contains("/"+path, "//"):
		return invalid(field, "", "leaves /proc/sys")
	case path == "kernel/domainname" && c.spec.Domainname != "":
		return invalid(field, "", "is set by the domainname")
	case strings.HasPrefix(path, "net/"):
		needs = specs.NetworkNamespace
	case ipcSysctls[path], strings.HasPrefix(path, "fs/mqueue/"):
		needs = specs.IPCNamespace
	case path == "kernel/domainname":
		needs = specs.UTSNamespace
	case path == "kernel/hostname":
		return invalid(field, "", "is set by the hostname")
	case strings.HasPrefix(path, "user/"):
		needs = specs.UserNamespace
	default:
		return invalid(field, "", "is not in a namespace of its own and would change the host")
	}
	if !c.ownNamespace(needs) {
		return invalid(field, "", "needs a %s namespace of the container's own", needs)
	}
	return nil
}

// ownNamespace says that the container's namespace of the kind is another than the runtime's, also
// where it is joined by a path that may name the runtime's.
func (c *compiler) ownNamespace(t specs.LinuxNamespaceType) bool {
	flag := namespaceFlags[t]
	if c.h.CloneFlags&flag != 0 {
		return true
	}
	for _, ref := range c.h.Enter {
		if ref.Flag != flag {
			continue
		}
		theirs, err := c.h.Files[ref.Index].Stat()
		if err != nil {
			return false
		}
		ours, err := os.Stat("/proc/self/ns/" + namespaceFiles[t])
		return err == nil && !os.SameFile(theirs, ours)
	}
	return false
}

// namespaceFiles are the names in /proc/PID/ns.
var namespaceFiles = map[specs.LinuxNamespaceType]string{
	specs.NetworkNamespace: "net", specs.IPCNamespace: "ipc", specs.UTSNamespace: "uts", specs.UserNamespace: "user",
}
