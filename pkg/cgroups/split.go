package cgroups

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/errdefs"
)

// supervisor is the half of a split cgroup that the caller's processes go to.
const supervisor = "supervisor"

// Split divides the version 2 cgroup that the caller is in, a service of systemd with Delegate=yes: all its
// processes go down into "supervisor", since a cgroup with processes can pass no controllers on, and the path
// of the cgroup is returned, below which others can now be made. A caller that is in the supervisor of an
// earlier Split gets the same path.
//
// Errors: ErrUnsupported without version 2 alone, or where the cgroup is not the caller's to divide; ErrInUse
// when processes go on to appear in it. Source: kernel cgroup-v2.rst, "No Internal Process Constraint";
// systemd's CGROUP_DELEGATION.md.
func Split() (string, error) {
	l, err := ReadLayout()
	if err != nil {
		return "", err
	}
	if l.Mode() != Unified {
		return "", errdefs.New(errdefs.ErrUnsupported, "", "", "the controllers are on cgroup version 1").
			WithHint("boot with systemd.unified_cgroup_hierarchy=1, or use --cgroups=enabled")
	}
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return "", err
	}
	own, err := ownPath(string(text))
	if err != nil {
		return "", err
	}
	return own, split(l.Unified, own)
}

// ownPath finds the cgroup to divide in the text of /proc/PID/cgroup.
func ownPath(text string) (string, error) {
	for line := range strings.Lines(text) {
		p, ok := strings.CutPrefix(strings.TrimSpace(line), "0::")
		if !ok {
			continue
		}
		if path.Base(p) == supervisor {
			p = path.Dir(p)
		}
		if p == "/" || !strings.HasPrefix(p, "/") || strings.HasPrefix(p, "/../") {
			break
		}
		return p, nil
	}
	return "", errdefs.New(errdefs.ErrUnsupported, "", "", "manager was not started in a cgroup of its own").WithHint(splitHint)
}

const splitHint = "start it in a unit of systemd with Delegate=yes, or use --cgroups=enabled"

// split moves the processes of the cgroup p down.
func split(top, p string) error {
	dir := filepath.Join(top, p)
	if !delegated(dir) {
		return errdefs.New(errdefs.ErrUnsupported, "cgroup", p, "it is systemd's, and not delegated").WithHint(splitHint)
	}
	below := filepath.Join(dir, supervisor)
	if err := os.Mkdir(below, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		if errors.Is(err, os.ErrPermission) || errors.Is(err, unix.EROFS) {
			return errdefs.New(errdefs.ErrUnsupported, "cgroup", p, "%w", err).WithHint(splitHint)
		}
		return err
	}
	for range 100 { // a process may fork while it is moved
		text, err := readControl(filepath.Join(dir, "cgroup.procs"))
		if err != nil {
			return err
		}
		pids, err := parsePIDs(text)
		if err != nil || len(pids) == 0 {
			return err
		}
		for _, pid := range pids {
			err := os.WriteFile(filepath.Join(below, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0)
			if err != nil && !errors.Is(err, unix.ESRCH) {
				return fmt.Errorf("move process %d to cgroup %s: %w", pid, path.Join(p, supervisor), err)
			}
		}
	}
	return errdefs.New(errdefs.ErrInUse, "cgroup", p, "processes go on to appear in it")
}

// delegated says whether the directory was given to whoever runs in it. Where systemd runs, root may write to every
// cgroup, and what counts is systemd's mark; a user can only write to what was given to him.
func delegated(dir string) bool {
	if _, err := os.Stat("/run/systemd/system"); err != nil || marked(dir) {
		return true
	}
	var st unix.Stat_t
	return unix.Stat(dir, &st) == nil && st.Uid != hostRoot() && unix.Faccessat(unix.AT_FDCWD, dir, unix.W_OK, unix.AT_EACCESS) == nil
}

// hostRoot is the id by which the caller sees the host's root: its own if it is that, else one that no file of
// the user's has.
func hostRoot() uint32 {
	var st unix.Stat_t
	if err := unix.Stat("/proc/sys/kernel", &st); err != nil {
		return 0
	}
	return st.Uid
}

// marked says whether systemd has marked the directory as delegated. The user's mark is of systemd 251 and newer.
func marked(dir string) bool {
	for _, name := range []string{"user.delegate", "trusted.delegate"} {
		value := make([]byte, 8)
		n, err := unix.Getxattr(dir, name, value)
		if err == nil && string(value[:n]) == "1" {
			return true
		}
	}
	return false
}
