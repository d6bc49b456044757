package rootless

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Map maps the calling user's ids in a user namespace that he has just made for another process, as for his
// own one.
func Map(pid int) error { return writeMaps(pid, func(string) {}) }

// MapsRange says that this process's namespace has more ids than one.
func MapsRange() bool {
	raw, _ := os.ReadFile("/proc/self/uid_map")
	return len(strings.Fields(string(raw))) > 3 || !strings.HasSuffix(strings.TrimSpace(string(raw)), " 1")
}

// FindRuntimeDir is RuntimeDir without making anything: dir is "" where RuntimeDir would make one, and fallback
// is the one that it would make.
func FindRuntimeDir() (dir, fallback string) {
	fallback = fmt.Sprintf("/tmp/manager-run-%d", UID())
	for _, dir := range []string{os.Getenv("XDG_RUNTIME_DIR"), fmt.Sprintf("/run/user/%d", UID()), fallback} {
		if strings.HasPrefix(dir, "/") && ownDir(dir) == nil && unix.Access(dir, unix.W_OK) == nil {
			return dir, fallback
		}
	}
	return "", fallback
}

// Outdated says that the user's namespaces were made with other ranges than the files of subordinate ids have
// now. Where there are no namespaces yet, nothing is.
func Outdated() bool {
	dir, _ := FindRuntimeDir()
	if dir == "" {
		return false
	}
	h, err := openHolder(dir)
	if err != nil {
		return false
	}
	defer func() { _ = h.pidfd.Close() }()
	r, err := readRecord(dir)
	if err != nil {
		return false
	}
	name := userName(UID())
	for file, own := range map[string]int{"uid": UID(), "gid": GID()} {
		ranges, err := subids("/etc/sub"+file, name, UID())
		raw, err2 := os.ReadFile(fmt.Sprintf("/proc/%d/%s_map", r.PID, file))
		if err != nil || err2 != nil {
			return false
		}
		if !slices.Equal(strings.Fields(string(raw)), mapping(own, ranges)) {
			return true
		}
	}
	return false
}
