package rootless

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/atomicfile"
	"github.com/manager-project/manager/pkg/errdefs"
)

// holderName is the holder's argv[0] and its name in ps.
const holderName = "manager-hold"

// record says which process holds the namespaces. It lies in the user's runtime directory.
type record struct {
	PID int `json:"pid"`
	// StartTime is field 22 of /proc/PID/stat, so that a reused pid is recognised.
	StartTime string `json:"start_time"`
	BootID    string `json:"boot_id"`
}

// holder is the process that keeps the namespaces.
type holder struct{ pidfd *os.File }

// findHolder opens the holder, or makes the namespaces with one. note hears what the user should know, once.
func findHolder(dir string, note func(string)) (*holder, error) {
	if h, err := openHolder(dir); err == nil {
		return h, nil
	}
	lock, err := os.OpenFile(filepath.Join(dir, "manager-namespace.lock"), os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = lock.Close() }()
	for {
		if err = unix.Flock(int(lock.Fd()), unix.LOCK_EX); !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	if h, err := openHolder(dir); err == nil {
		return h, nil // another command was faster
	}
	return makeHolder(dir, note)
}

func recordFile(dir string) string { return filepath.Join(dir, "manager-namespace.json") }

// readRecord reads which process it was, since the last boot.
func readRecord(dir string) (r record, err error) {
	raw, err := os.ReadFile(recordFile(dir))
	if err == nil {
		err = json.Unmarshal(raw, &r)
	}
	if err == nil && (r.PID <= 1 || r.BootID != bootID()) {
		err = os.ErrNotExist
	}
	return r, err
}

// openHolder opens the process of the record if it is still that one and its namespace still the user's.
func openHolder(dir string) (*holder, error) {
	r, err := readRecord(dir)
	if err != nil {
		return nil, err
	}
	fd, err := unix.PidfdOpen(r.PID, 0)
	if err != nil {
		return nil, err
	}
	h := &holder{pidfd: os.NewFile(uintptr(fd), holderName)}
	start, err := startTime(r.PID)
	if err == nil && (start != r.StartTime || h.ended()) {
		err = os.ErrNotExist
	}
	if err == nil {
		var uid int
		if uid, err = outerID(fmt.Sprintf("/proc/%d/uid_map", r.PID)); err == nil && uid != UID() {
			err = os.ErrNotExist
		}
	}
	if err != nil {
		return nil, errors.Join(err, h.pidfd.Close())
	}
	return h, nil
}

// ended says that it has, whether or not it was waited for.
func (h *holder) ended() bool {
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(h.pidfd.Fd()), Events: unix.POLLIN}}, 0)
	return err != nil || n > 0
}

func bootID() string {
	raw, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(raw))
}

// startTime is field 22 of /proc/PID/stat. Source: proc_pid_stat(5).
func startTime(pid int) (string, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", err
	}
	_, rest, _ := strings.Cut(string(raw[strings.LastIndexByte(string(raw), ')')+1:]), " ")
	fields := strings.Fields(rest)
	if len(fields) < 20 {
		return "", errors.New("short stat")
	}
	return fields[19], nil
}

// makeHolder makes the namespaces.
func makeHolder(dir string, note func(string)) (*holder, error) {
	program, err := (&order{name: holderName}).file(dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = program.Close() }()
	cmd := &exec.Cmd{
		Path: fmt.Sprintf("/proc/self/fd/%d", program.Fd()), Args: []string{holderName}, Env: []string{}, Dir: "/",
		SysProcAttr: &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER | unix.CLONE_NEWNS, Setsid: true},
	}
	if err := cmd.Start(); err != nil {
		return nil, cannotMake(err)
	}
	pid := cmd.Process.Pid
	h := &holder{}
	err = writeMaps(pid, note)
	if err == nil {
		var fd int
		if fd, err = unix.PidfdOpen(pid, 0); err == nil {
			h.pidfd = os.NewFile(uintptr(fd), holderName)
			err = remember(dir, pid)
		}
	}
	if err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		return nil, err
	}
	_ = cmd.Process.Release()
	return h, nil
}

func remember(dir string, pid int) error {
	start, err := startTime(pid)
	if err != nil {
		return err
	}
	raw, err := json.Marshal(record{PID: pid, StartTime: start, BootID: bootID()})
	if err != nil {
		return err
	}
	return atomicfile.Write(recordFile(dir), raw, 0o600, atomicfile.Volatile)
}

// cannotMake explains why the kernel makes no user namespace.
func cannotMake(err error) error {
	e := &errdefs.Error{Op: "make", Name: "user namespace", Class: errdefs.ErrUnavailable, Cause: err}
	switch {
	case errors.Is(err, unix.ENOSPC):
		e.Hint = "raise the sysctl user.max_user_namespaces"
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		e.Hint = "allow it: sysctl kernel.unprivileged_userns_clone=1 (Debian), or kernel.apparmor_restrict_unprivileged_userns=0 or an AppArmor profile for manager (Ubuntu)"
	default:
		e.Hint = "look at \"man 7 user_namespaces\" for what this error means"
	}
	return e
}

// writeMaps maps the user's subordinate ids, or the own id alone where there are none.
func writeMaps(pid int, note func(string)) error {
	uid, gid := os.Geteuid(), os.Getegid()
	name := userName(uid)
	uids, err := subids("/etc/subuid", name, uid)
	if err != nil {
		return err
	}
	gids, err := subids("/etc/subgid", name, uid)
	if err != nil {
		return err
	}
	if len(uids) == 0 || len(gids) == 0 {
		note(fmt.Sprintf("user %s has no subordinate ids: only images whose files belong to root can be used; "+
			"for all others run \"usermod --add-subuids 100000-165535 --add-subgids 100000-165535 %s\" as root, then \"manager system migrate\"", name, name))
		return singleID(pid, uid, gid)
	}
	if err := runHelper("newuidmap", pid, mapping(uid, uids)); err != nil {
		return err
	}
	return runHelper("newgidmap", pid, mapping(gid, gids))
}

// singleID maps the user's own ids to 0. The kernel allows it when the right to change groups is given up.
// Source: user_namespaces(7).
func singleID(pid, uid, gid int) error {
	for _, w := range [][2]string{
		{"setgroups", "deny"}, {"uid_map", fmt.Sprintf("0 %d 1", uid)}, {"gid_map", fmt.Sprintf("0 %d 1", gid)},
	} {
		if err := os.WriteFile(fmt.Sprintf("/proc/%d/%s", pid, w[0]), []byte(w[1]), 0); err != nil {
			return cannotMake(err)
		}
	}
	return nil
}

// runHelper runs one of the set-user-id programs that map ranges. It is looked for in the usual places only:
// PATH is the caller's.
func runHelper(helper string, pid int, words []string) error {
	for _, dir := range []string{"/usr/bin/", "/usr/local/bin/", "/bin/", "/run/wrappers/bin/"} {
		cmd := &exec.Cmd{Path: dir + helper, Args: append([]string{helper, strconv.Itoa(pid)}, words...), Env: []string{}, Dir: "/"}
		out, err := cmd.CombinedOutput()
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err == nil {
			return nil
		}
		return &errdefs.Error{
			Op: "map", Name: "subordinate ids", Class: errdefs.ErrUnavailable, Cause: fmt.Errorf("%s: %w: %s", dir+helper, err, firstLine(out)),
			Hint: "check that /etc/subuid and /etc/subgid give this user ranges that no other has, and that " + helper + " is set-user-id or has its file capability",
		}
	}
	return &errdefs.Error{
		Op: "map", Name: "subordinate ids", Class: errdefs.ErrUnavailable, Cause: fmt.Errorf("%s is not installed", helper),
		Hint: "install the package uidmap (Debian, Ubuntu) or shadow-utils (Fedora)",
	}
}

func firstLine(out []byte) string {
	line, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	return line[:min(len(line), 300)]
}
