package compile

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/manager-project/manager/pkg/libcontainer/plan"
	specs "github.com/opencontainers/runtime-spec/specs-go"
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
	"mand": "mand", "nomand": "", "silent": "", "loud": "", "noiversion": "", "defaults": "",
}

// mountOptions is what a list of options says.
type mountOptions struct {
	bind, recursive, remount bool
	set, clear               uint64
	recSet, recClear         uint64
	superFlags               uint64 // MS_ flags that fsconfig has no name for
	propagation              []uint64
	data                     []plan.Pair
	copyUp                   bool
	idmap, ridmap            bool
	// copyLink, noFollowSource and noFollowTarget are habits of crun.
	copyLink, noFollowSource, noFollowTarget bool
	// uids and gids are the mappings given with idmap itself, another habit of crun.
	uids, gids []specs.LinuxIDMapping
}

func parseOptions(list []string) (*mountOptions, error) {
	o := &mountOptions{}
	for _, opt := range list {
		if err := o.add(opt); err != nil {
			return nil, err
		}
	}
	return o, nil
}

func (o *mountOptions) add(opt string) error {
	if a, ok := attrOptions[opt]; ok {
		o.set = o.set&^a.clear | a.set
		o.clear = o.clear&^a.set | a.clear
		return nil
	}
	if rest, ok := strings.CutPrefix(opt, "r"); ok {
		if a, ok := attrOptions[rest]; ok {
			o.recSet = o.recSet&^a.clear | a.set
			o.recClear = o.recClear&^a.set | a.clear
			return nil
		}
	}
	if p, ok := propagationFlags[opt]; ok {
		o.propagation = append(o.propagation, p)
		return nil
	}
	if name, ok := superOptions[opt]; ok {
		if name != "" {
			o.data = append(o.data, plan.Pair{Key: name})
		}
		return nil
	}
	return o.word(opt)
}

// word takes the options that are no flags of the kernel, and those of the file system.
func (o *mountOptions) word(opt string) error {
	switch opt {
	case "bind":
		o.bind = true
	case "rbind":
		o.bind, o.recursive = true, true
	case "remount":
		o.remount = true
	case "iversion":
		o.superFlags |= unix.MS_I_VERSION
	case "tmpcopyup":
		o.copyUp = true
	case "idmap":
		o.idmap = true
	case "ridmap":
		o.idmap, o.ridmap = true, true
	case "copy-symlink":
		o.copyLink = true
	case "src-nofollow":
		o.noFollowSource = true
	case "dest-nofollow":
		o.noFollowTarget = true
	case "":
		return errors.New("an option is empty")
	default:
		return o.named(opt)
	}
	return nil
}

// named takes an option with a value, or one that only the file system knows.
func (o *mountOptions) named(opt string) error {
	key, value, _ := strings.Cut(opt, "=")
	switch {
	case key == "":
		return fmt.Errorf("%q has no name", opt)
	case key == "idmap" || key == "ridmap":
		o.idmap, o.ridmap = true, o.ridmap || key == "ridmap"
		return o.idmapOption(value)
	case strings.Contains(key, ","), len(key) >= 256: // the bound of fsconfig(2)
		return fmt.Errorf("%q is not one option", opt)
	}
	o.data = append(o.data, plan.Pair{Key: key, Value: value})
	return nil
}

// idmapOption reads "uids=a-b-n#…;gids=…": the ids from a of the file system are those from b, n of them.
func (o *mountOptions) idmapOption(text string) error {
	for _, part := range strings.Split(text, ";") {
		kind, list, _ := strings.Cut(part, "=")
		to := map[string]*[]specs.LinuxIDMapping{"uids": &o.uids, "gids": &o.gids}[kind]
		if to == nil {
			return fmt.Errorf("idmap: want uids=…;gids=…, not %q", part)
		}
		for _, r := range strings.Split(list, "#") {
			m, err := idRange(r)
			if err != nil {
				return err
			}
			*to = append(*to, m)
		}
	}
	return nil
}

func idRange(text string) (specs.LinuxIDMapping, error) {
	var n [3]uint32
	f := strings.Split(text, "-")
	if strings.HasPrefix(text, "@") {
		return specs.LinuxIDMapping{}, fmt.Errorf("idmap: %q: ids relative to the container are unsupported", text)
	}
	if len(f) != len(n) {
		return specs.LinuxIDMapping{}, fmt.Errorf("idmap: want three numbers a-b-n, not %q", text)
	}
	for i := range f {
		v, err := strconv.ParseUint(f[i], 10, 32)
		if err != nil {
			return specs.LinuxIDMapping{}, fmt.Errorf("idmap: want three numbers a-b-n, not %q", text)
		}
		n[i] = uint32(v)
	}
	return specs.LinuxIDMapping{ContainerID: n[0], HostID: n[1], Size: n[2]}, nil
}
