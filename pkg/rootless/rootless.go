// Package rootless gives users without privileges what the core needs: a user namespace in which they are
// root over their subordinate ids, and a mount namespace in it for the mounts that images take.
//
// There is one pair of namespaces per user. The first command makes it and leaves a process of a few pages in
// it, the holder, which keeps it alive; every other command joins it before it opens anything:
//
//	manager (uid 1000)        finds the holder, or makes it with newuidmap and newgidmap
//	  becomes, by execve      a program of a few hundred bytes with one thread: setns, chdir
//	    which becomes again   manager (uid 0 of the namespace)
//
// What says whether this process is inside is the kernel's own map, never the environment alone.
package rootless

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// The variables by which the storage and image libraries know that they are inside, and for whom.
const (
	variableInside = "_CONTAINERS_USERNS_CONFIGURED"
	variableUID    = "_CONTAINERS_ROOTLESS_UID"
	variableGID    = "_CONTAINERS_ROOTLESS_GID"
)

// Variables are the names of those; a program that is started inside needs them as it needs HOME.
var Variables = []string{variableInside, variableUID, variableGID}

// caller is who this process works for.
type caller struct {
	uid, gid int
	// inside says that it is in a user's namespace, outside that it has yet to join one.
	inside, outside bool
}

var current = sync.OnceValue(func() caller {
	if uid := os.Geteuid(); uid != 0 {
		return caller{uid: uid, gid: os.Getegid(), outside: true}
	}
	uid, err := outerID("/proc/self/uid_map")
	gid, err2 := outerID("/proc/self/gid_map")
	if err != nil || err2 != nil || uid == 0 || os.Getenv(variableInside) == "" {
		// Root, or root in a namespace that somebody else made (a container): as root there. The libraries
		// must not believe otherwise.
		for _, v := range []string{variableInside, variableUID, variableGID} {
			_ = os.Unsetenv(v)
		}
		return caller{}
	}
	_ = os.Setenv(variableUID, fmt.Sprint(uid))
	_ = os.Setenv(variableGID, fmt.Sprint(gid))
	return caller{uid: uid, gid: gid, inside: true}
})

// outerID is what the namespace's id 0 is outside.
func outerID(path string) (int, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer func() { _ = f.Close() }()
	for s := bufio.NewScanner(f); s.Scan(); {
		var inside, outside, size int
		if _, err := fmt.Sscan(s.Text(), &inside, &outside, &size); err != nil {
			return 0, err
		}
		if inside == 0 {
			return outside, nil
		}
	}
	return 0, fmt.Errorf("%s does not map the id 0", path)
}

// Active says that this process works for a user without privileges, joined or not.
func Active() bool { return current().inside || current().outside }

// Inside says that it has joined the user's namespaces.
func Inside() bool { return current().inside }

// UID and GID are the user's own outside of the namespace; 0 for root.
func UID() int { return current().uid }

// GID is described at UID.
func GID() int { return current().gid }

// RuntimeDir is a directory that belongs to the user alone and goes away with the session or the boot:
// XDG_RUNTIME_DIR, /run/user/UID, or one in /tmp that is made when there is no session (cron, su -c, CI). Anybody can
// take the last one's name before. Then there is one below the home, which stays in use once it is there, so
// that nobody can have commands look for what runs in two places.
func RuntimeDir() (string, error) {
	for _, dir := range []string{os.Getenv("XDG_RUNTIME_DIR"), fmt.Sprintf("/run/user/%d", UID())} {
		if strings.HasPrefix(dir, "/") && ownDir(dir) == nil && unix.Access(dir, unix.W_OK) == nil {
			return dir, nil
		}
	}
	spare := spareDir()
	if spare != "" && ownDir(spare) == nil {
		return spare, nil
	}
	dir := fmt.Sprintf("/tmp/manager-run-%d", UID())
	if err := os.Mkdir(dir, 0o700); err != nil && !os.IsExist(err) {
		return "", err
	}
	err := ownDir(dir)
	if err != nil && spare != "" && os.MkdirAll(spare, 0o700) == nil && ownDir(spare) == nil {
		return spare, nil
	}
	return dir, err
}

// spareDir is the directory below the home, or "" without a home.
func spareDir() string {
	state := os.Getenv("XDG_STATE_HOME")
	if !filepath.IsAbs(state) {
		home, err := os.UserHomeDir()
		if err != nil || !filepath.IsAbs(home) {
			return ""
		}
		state = filepath.Join(home, ".local/state")
	}
	return filepath.Join(state, "manager/run")
}

// ownDir refuses a directory that another user has made or may write to.
func ownDir(dir string) error {
	var st unix.Stat_t
	if err := unix.Lstat(dir, &st); err != nil {
		return &os.PathError{Op: "stat", Path: dir, Err: err}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR || int(st.Uid) != os.Geteuid() || st.Mode&0o022 != 0 {
		return fmt.Errorf("%s: owner %d, mode %o: not a directory that is this user's alone", dir, st.Uid, st.Mode&0o7777)
	}
	return nil
}
