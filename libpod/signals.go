package libpod

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// deafTo reports whether a signal can have no effect on the container's init: the kernel
// drops a signal with default action for the first process of a pid namespace, and one that
// is ignored for any. A signal that any thread handles, or blocks (it may wait for it by
// sigwait(3) or signalfd(2)), is heard.
// Source: pid_namespaces(7), "The namespace init process"; proc_pid_status(5).
func (c *container) deafTo(sig unix.Signal) (bool, error) {
	if sig == unix.SIGKILL || sig == unix.SIGSTOP {
		return false, nil
	}
	dirs, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/[0-9]*", c.row.State.PID))
	if err != nil {
		return false, err
	}
	first, ignored := false, false
	for _, dir := range dirs {
		m, err := readSignalMasks(dir + "/status")
		if err != nil {
			return false, err
		}
		bit := uint64(1) << (uint(sig) - 1)
		if (m.caught|m.blocked)&bit != 0 {
			return false, nil
		}
		first, ignored = m.first, m.ignored&bit != 0
	}
	return len(dirs) > 0 && (first || ignored), nil
}

// signalMasks are the masks of one thread. first says that its process is the first of a
// pid namespace other than the host's.
type signalMasks struct {
	caught, blocked, ignored uint64
	first                    bool
}

func readSignalMasks(path string) (signalMasks, error) {
	var m signalMasks
	raw, err := os.ReadFile(path)
	if err != nil {
		return m, err
	}
	tgid := ""
	for s := bufio.NewScanner(bytes.NewReader(raw)); s.Scan(); {
		key, value, _ := strings.Cut(s.Text(), ":")
		value = strings.TrimSpace(value)
		switch key {
		case "SigCgt":
			m.caught, err = strconv.ParseUint(value, 16, 64)
		case "SigBlk":
			m.blocked, err = strconv.ParseUint(value, 16, 64)
		case "SigIgn":
			m.ignored, err = strconv.ParseUint(value, 16, 64)
		case "NStgid":
			tgid = value
		}
		if err != nil {
			return m, fmt.Errorf("%s: %s: %w", path, key, err)
		}
	}
	ids := strings.Fields(tgid)
	m.first = len(ids) > 1 && ids[len(ids)-1] == "1"
	return m, nil
}
