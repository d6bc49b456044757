package libpod

import (
	"fmt"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/rootless"
)

// view is how ids of our namespace look to the user, who is outside of it.
type view struct {
	// rootless says that the user is an ordinary one.
	rootless bool
	// uid and gid are an id on the host; name and group its name there, or "".
	uid, gid    func(uint32) uint32
	name, group func(uint32) string
}

// hostView is this process's.
func hostView() view {
	v := view{
		rootless: rootless.Active(),
		uid:      func(id uint32) uint32 { return id }, gid: func(id uint32) uint32 { return id },
		name: func(id uint32) string {
			u, err := user.LookupId(strconv.FormatUint(uint64(id), 10))
			if err != nil {
				return ""
			}
			return u.Username
		},
		group: func(id uint32) string {
			g, err := user.LookupGroupId(strconv.FormatUint(uint64(id), 10))
			if err != nil {
				return ""
			}
			return g.Name
		},
	}
	if v.rootless {
		v.uid, v.gid = outside("/proc/self/uid_map"), outside("/proc/self/gid_map")
	}
	return v
}

// outside maps ids of our namespace to the host's. Source: user_namespaces(7).
func outside(file string) func(uint32) uint32 {
	raw, _ := os.ReadFile(file)
	return func(id uint32) uint32 {
		for line := range strings.Lines(string(raw)) {
			var inside, host, size uint32
			if n, _ := fmt.Sscan(line, &inside, &host, &size); n == 3 && id >= inside && id-inside < size {
				return host + (id - inside)
			}
		}
		return overflowID
	}
}

// notice is the whole sentence.
func (v *view) notice(r *reader, src *source, class uint) string {
	who := fmt.Sprintf("user %d:%d", r.inUID, r.inGID)
	if uid, gid := v.uid(r.uid), v.gid(r.gid); uid != r.inUID || gid != r.inGID {
		who += fmt.Sprintf(" (on the host %d:%d)", uid, gid)
	}
	verb := "read"
	if src.mode&unix.S_IFMT == unix.S_IFSOCK {
		verb = "connect to"
	}
	return fmt.Sprintf("%s: the container's %s cannot %s it: it belongs to %s and has mode %04o; %s", src.path, who, verb, v.owner(src), src.mode&0o7777, v.cure(r, src, class))
}

// owner names the source's owner on the host.
func (v *view) owner(src *source) string {
	if src.strange {
		return "another user of the host"
	}
	uid, gid := v.uid(src.uid), v.gid(src.gid)
	name, group := v.name(uid), v.group(gid)
	if v.rootless && src.gid == overflowID {
		group = "a group of the host"
		if name == "" {
			return fmt.Sprintf("the id %d and %s", uid, group)
		}
		return fmt.Sprintf("%s (%d) and %s", name, uid, group)
	}
	if name == "" && group == "" {
		return fmt.Sprintf("%d:%d", uid, gid)
	}
	return fmt.Sprintf("%s:%s (%d:%d)", first(name, strconv.FormatUint(uint64(uid), 10)), first(group, strconv.FormatUint(uint64(gid), 10)), uid, gid)
}

// cure is the option, or the command, that lets the process read the source.
func (v *view) cure(r *reader, src *source, class uint) string {
	switch {
	case class == owner:
		return src.chmod("u")
	case class == group && (src.allows(others) || !src.allows(owner)):
		return src.chmod("g")
	case len(r.uids) > 0 && !holds(src.uid, r.uids):
		return r.shifted(src)
	case v.rootless && src.ours && src.uid != 0 && src.gid == overflowID && src.allows(group):
		return "with --group-add keep-groups it has your groups"
	case src.strange:
		return "whoever owns it can allow it: chmod o" + src.bits() + " " + src.path
	case !src.allows(owner):
		return src.chmod("u,o")
	case v.rootless && src.uid == 0 && len(r.uids) == 0:
		return fmt.Sprintf("with --userns %s it is you", r.keepID())
	case src.allows(group) && src.gid != 0:
		return fmt.Sprintf("with --group-add %d it is in that group", r.inside(src.gid, false))
	case src.uid != 0 || system(src.path):
		return fmt.Sprintf("with --user %d:%d it is the owner", r.inside(src.uid, true), r.inside(src.gid, false))
	}
	return src.give()
}

// keepID is the mode that gives the caller the process's ids.
func (r *reader) keepID() string {
	if r.inGID == 0 {
		return fmt.Sprintf("keep-id:uid=%d", r.inUID)
	}
	return fmt.Sprintf("keep-id:uid=%d,gid=%d", r.inUID, r.inGID)
}

// inside is an id of our namespace as the container knows it.
func (r *reader) inside(id uint32, isUser bool) uint32 {
	ids := r.gids
	if isUser {
		ids = r.uids
	}
	for _, m := range ids {
		if id >= m.HostID && id-m.HostID < m.Size {
			return m.ContainerID + (id - m.HostID)
		}
	}
	return id
}

// shifted is for a container with a user namespace of its own, which does not have the source's owner. A mount
// that follows the namespace shows each owner under the number that he has here.
func (r *reader) shifted(src *source) string {
	if r.override || src.uid == r.inUID && src.allows(owner) {
		return "with the option idmap it is mounted with the container's ids: " + src.volume("idmap")
	}
	return src.give()
}

// give changes the owner of what is mounted.
func (src *source) give() string {
	return "with the option U it is given to that user: " + src.volume("U")
}

// volume is the option of the command line with one more word.
func (src *source) volume(word string) string {
	if src.readOnly {
		word = "ro," + word
	}
	return "--volume " + src.path + ":" + src.destination + ":" + word
}

// bits are what chmod adds.
func (src *source) bits() string {
	if src.mode&unix.S_IFMT == unix.S_IFSOCK {
		return "+w"
	}
	return "+rX"
}

func (src *source) chmod(who string) string {
	return "chmod " + strings.ReplaceAll(who, ",", src.bits()+",") + src.bits() + " " + src.path + " allows it"
}

// system says that a directory is the machine's own, which is given to nobody.
func system(path string) bool {
	if path == "/" {
		return true
	}
	top, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return slices.Contains([]string{"bin", "boot", "dev", "etc", "lib", "lib64", "proc", "root", "run", "sbin", "sys", "usr", "var"}, top)
}
