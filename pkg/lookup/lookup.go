package lookup

import (
	"os"
	"slices"
	"strings"

	"github.com/manager-project/manager/pkg/errdefs"
)

// User is who a process runs as.
type User struct {
	UID, GID uint32
	// Additional are the supplementary groups: the primary group first, then those of the group
	// file in its order, then what was asked for; none twice. Without the primary group, a set-gid
	// program could leave it and escape what it is denied.
	Additional []uint32
	// Home is from the passwd file, "/" without an entry.
	Home string
	// Name is the user's name, or "" without an entry.
	Name string
	// GroupName is the primary group's name, or "" without an entry.
	GroupName string
}

// Resolve finds "[user|uid][:group|gid]" and additional groups (names or numbers) inside
// root, which stays the caller's. An empty user is root. A number needs no entry, and a
// uid without one has group 0. When a group is named, the group file's memberships are
// left out, as with the peers.
//
// Errors are of class not found for unknown names, invalid for numbers out of range and
// malformed words, corrupt for files that are not what they must be.
func Resolve(root *os.File, user string, groupAdd []string) (User, error) {
	passwd, err := ReadFile(root, "etc/passwd")
	if err != nil {
		return User{}, err
	}
	group, err := ReadFile(root, "etc/group")
	if err != nil {
		return User{}, err
	}
	return resolve(passwd, group, user, groupAdd)
}

// resolve is Resolve on the files' content.
func resolve(passwd, group []byte, user string, groupAdd []string) (User, error) {
	userWord, groupWord, _ := strings.Cut(user, ":")
	if hasControl(user) || strings.Contains(groupWord, ":") {
		return User{}, errdefs.New(errdefs.ErrInvalid, "user", user, "not USER[:GROUP]")
	}
	u, err := resolveUser(passwd, userWord)
	if err != nil {
		return User{}, err
	}
	if groupWord != "" {
		if u.GID, err = resolveGroup(group, groupWord); err != nil {
			return User{}, err
		}
	}
	add := func(gid uint32) {
		if !slices.Contains(u.Additional, gid) {
			u.Additional = append(u.Additional, gid)
		}
	}
	add(u.GID)
	if groupWord == "" && u.Name != "" {
		// A set keeps this linear: a hostile file may have a million lines.
		seen := map[uint32]bool{u.GID: true}
		eachGroup(group, func(g groupLine) bool {
			if !seen[g.gid] && g.has(u.Name) {
				seen[g.gid] = true
				u.Additional = append(u.Additional, g.gid)
			}
			return len(u.Additional) <= maxGroups
		})
	}
	for _, word := range groupAdd {
		gid, err := resolveGroup(group, word)
		if err != nil {
			return User{}, err
		}
		add(gid)
	}
	if len(u.Additional) > maxGroups {
		return User{}, errdefs.New(errdefs.ErrInvalid, "user", user, "in more than %d groups", maxGroups)
	}
	if g, ok := findGroup(group, func(g groupLine) bool { return g.gid == u.GID }); ok {
		u.GroupName = g.name
	}
	return u, nil
}

// maxGroups is the kernel's NGROUPS_MAX.
const maxGroups = 65536

func resolveUser(passwd []byte, word string) (User, error) {
	if word == "" {
		word = "0"
	}
	var line passwdLine
	var known bool
	if isNumber(word) {
		uid, err := parseID(word)
		if err != nil {
			return User{}, errdefs.New(errdefs.ErrInvalid, "user", word, "out of range").WithHint("the largest id is %d", uint32(MaxID))
		}
		line, known = findUser(passwd, func(p passwdLine) bool { return p.uid == uid })
		if !known {
			return User{UID: uid, Home: "/"}, nil
		}
	} else if line, known = findUser(passwd, func(p passwdLine) bool { return p.name == word }); !known {
		return User{}, errdefs.New(errdefs.ErrNotFound, "user", word, "not in the image's /etc/passwd").
			WithHint("give a user's number, or a name that the image has")
	}
	if hasControl(line.home) || hasControl(line.name) {
		return User{}, errdefs.New(errdefs.ErrCorrupt, "user", word, "control characters in the image's /etc/passwd")
	}
	if line.home == "" {
		line.home = "/"
	}
	return User{UID: line.uid, GID: line.gid, Home: line.home, Name: line.name}, nil
}

func resolveGroup(group []byte, word string) (uint32, error) {
	if isNumber(word) {
		gid, err := parseID(word)
		if err != nil {
			return 0, errdefs.New(errdefs.ErrInvalid, "group", word, "out of range").WithHint("the largest id is %d", uint32(MaxID))
		}
		return gid, nil
	}
	g, ok := findGroup(group, func(g groupLine) bool { return g.name == word })
	if !ok {
		return 0, errdefs.New(errdefs.ErrNotFound, "group", word, "not in the image's /etc/group").
			WithHint("give a group's number, or a name that the image has")
	}
	return g.gid, nil
}

// Nobody is the id that stands for what is not mapped. Source: kernel, sysctl kernel.overflowuid.
const Nobody = 65534

// EachID visits the user and group ids that a root filesystem's passwd and group files name. Errors are those of
// ReadFile.
func EachID(root *os.File, visit func(id uint32)) error {
	passwd, err := ReadFile(root, "etc/passwd")
	if err != nil {
		return err
	}
	group, err := ReadFile(root, "etc/group")
	if err != nil {
		return err
	}
	findUser(passwd, func(p passwdLine) bool {
		visit(p.uid)
		visit(p.gid)
		return false
	})
	findGroup(group, func(g groupLine) bool {
		visit(g.gid)
		return false
	})
	return nil
}
