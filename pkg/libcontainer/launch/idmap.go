package launch

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// writeMaps writes the id maps of the child's user namespace and opens the gate.
func (s *starting) writeMaps(pid int) error {
	for _, m := range []struct {
		file, helper string
		maps         []IDMap
	}{{"gid_map", "newgidmap", s.req.GIDMap}, {"uid_map", "newuidmap", s.req.UIDMap}} {
		if err := writeMap(pid, m.file, m.helper, m.maps); err != nil {
			return err
		}
	}
	_, err := s.gate.Write([]byte{1})
	return err
}

// writeMap writes one map. Without privileges the kernel takes the caller's own id alone, and for
// groups only after the right to drop groups was given up; more ids are the helper's to give, which
// looks them up in /etc/subuid and /etc/subgid. Source: user_namespaces(7), newuidmap(1).
func writeMap(pid int, file, helper string, maps []IDMap) error {
	var b strings.Builder
	for _, r := range maps {
		fmt.Fprintf(&b, "%d %d %d\n", r.Inside, r.Outside, r.Size)
	}
	path := fmt.Sprintf("/proc/%d/%s", pid, file)
	write := func() error { return os.WriteFile(path, []byte(b.String()), 0) }
	err := write()
	if !errors.Is(err, unix.EPERM) || os.Geteuid() == 0 {
		return mapFailure(err)
	}
	if !OwnID(maps) {
		return runHelper(pid, helper, maps)
	}
	if file == "gid_map" {
		if err := os.WriteFile(fmt.Sprintf("/proc/%d/setgroups", pid), []byte("deny"), 0); err != nil {
			return mapFailure(err)
		}
	}
	return mapFailure(write())
}

func mapFailure(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("write user namespace map: %w", err)
}

// OwnID says that a map has a single id, as is left to callers without privileges.
func OwnID(maps []IDMap) bool { return len(maps) == 1 && maps[0].Size == 1 }

// runHelper lets the set-user-id helper of the distribution write the map.
func runHelper(pid int, helper string, maps []IDMap) error {
	args := []string{helper, strconv.Itoa(pid)}
	for _, m := range maps {
		for _, n := range []uint32{m.Inside, m.Outside, m.Size} {
			args = append(args, strconv.FormatUint(uint64(n), 10))
		}
	}
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	var process *os.Process
	for _, dir := range []string{"/usr/bin/", "/usr/local/bin/", "/bin/"} {
		process, err = os.StartProcess(dir+helper, args, &os.ProcAttr{Files: []*os.File{nil, w, w}, Env: []string{}})
		if !errors.Is(err, os.ErrNotExist) {
			break
		}
	}
	_ = w.Close()
	if err != nil {
		return fmt.Errorf("user namespace map: %w; install the package uidmap (shadow-utils), or map only the caller's own id", err)
	}
	said := make([]byte, 512)
	n, _ := r.Read(said)
	state, err := process.Wait()
	if err != nil {
		return err
	}
	if ws, ok := state.Sys().(syscall.WaitStatus); !ok || ws != 0 {
		return fmt.Errorf("user namespace map: %s: %s", state, strings.TrimSpace(string(said[:n])))
	}
	return nil
}
