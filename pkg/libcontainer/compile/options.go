package compile

import (
	"strings"

	"github.com/manager-project/manager/pkg/libcontainer/plan"
	"golang.org/x/sys/unix"
)

// attrChange is what one mount option does to the attributes: it clears, then sets.
type attrChange struct{ set, clear uint64 }

// attrOptions are the options that are attributes of a mount. With an "r" in front they apply to
// everything below as well. Source: OCI runtime-spec, config.md, "Linux mount options".
var attrOptions = map[string]attrChange{
	"ro": {set: unix.MOUNT_ATTR_RDONLY}, "rw": {clear: unix.MOUNT_ATTR_RDONLY},
	"nosuid": {set: unix.MOUNT_ATTR_NOSUID}, "suid": {clear: unix.MOUNT_ATTR_NOSUID},
	"nodev": {set: unix.MOUNT_ATTR_NODEV}, "dev": {clear: unix.MOUNT_ATTR_NODEV},
	"noexec": {set: unix.MOUNT_ATTR_NOEXEC}, "exec": {clear: unix.MOUNT_ATTR_NOEXEC},
	"nodiratime": {set: unix.MOUNT_ATTR_NODIRATIME}, "diratime": {clear: unix.MOUNT_ATTR_NODIRATIME},
	"noatime":     {set: unix.MOUNT_ATTR_NOATIME, clear: unix.MOUNT_ATTR__ATIME},
	"strictatime": {set: unix.MOUNT_ATTR_STRICTATIME, clear: unix.MOUNT_ATTR__ATIME},
	"relatime":    {set: unix.MOUNT_ATTR_RELATIME, clear: unix.MOUNT_ATTR__ATIME},
	"atime":       {clear: unix.MOUNT_ATTR__ATIME}, "norelatime": {clear: unix.MOUNT_ATTR__ATIME},
	"nostrictatime": {clear: unix.MOUNT_ATTR__ATIME},
	"nosymfollow":   {set: unix.MOUNT_ATTR_NOSYMFOLLOW}, "symfollow": {clear: unix.MOUNT_ATTR_NOSYMFOLLOW},
}

// superOptions are flags of a file system as a whole: the names that fsconfig knows them by.
// An empty name means the default, of which nothing needs to be said.
var superOptions = map[string]string{
	"sync": "sync", "async": "", "dirsync": "dirsync", "lazytime": "lazytime", "nolazytime": "",
	"mand": "mand", "nomand": "", "silent": "", "loud": "", "iversion": "iversion", "noiversion": "", "defaults": "",
}

// mountOptions is what a list of options says.
type mountOptions struct {
	bind, recursive, remount bool
	set, clear               uint64
	recSet, recClear         uint64
	propagation              []uint64
	data                     []plan.Pair
	copyUp                   bool
	idmap, ridmap            bool
}

func parseOptions(list []string) mountOptions {
	var o mountOptions
	for _, opt := range list {
		o.add(opt)
	}
	return o
}

func (o *mountOptions) add(opt string) {
	if a, ok := attrOptions[opt]; ok {
		o.set = o.set&^a.clear | a.set
		o.clear = o.clear&^a.set | a.clear
		return
	}
	if rest, ok := strings.CutPrefix(opt, "r"); ok {
		if a, ok := attrOptions[rest]; ok {
			o.recSet = o.recSet&^a.clear | a.set
			o.recClear = o.recClear&^a.set | a.clear
			return
		}
	}
	if p, ok := propagationFlags[opt]; ok {
		o.propagation = append(o.propagation, p)
		return
	}
	if name, ok := superOptions[opt]; ok {
		if name != "" {
			o.data = append(o.data, plan.Pair{Key: name})
		}
		return
	}
	switch opt {
	case "bind":
		o.bind = true
	case "rbind":
		o.bind, o.recursive = true, true
	case "remount":
		o.remount = true
	case "tmpcopyup":
		o.copyUp = true
	case "idmap":
		o.idmap = true
	case "ridmap":
		o.idmap, o.ridmap = true, true
	case "":
	default:
		key, value, _ := strings.Cut(opt, "=")
		o.data = append(o.data, plan.Pair{Key: key, Value: value})
	}
}
