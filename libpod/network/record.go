package network

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/internal/fault"
	"github.com/manager-project/manager/pkg/atomicfile"
	"github.com/manager-project/manager/pkg/libcontainer/launch"
)

// recordFile lies in the container's run directory from before the first process is there until all have gone.
const recordFile = "network.json"

// record is what a network has taken.
type record struct {
	// Complete says that no process is to come that is not in Processes.
	Complete  bool      `json:"complete"`
	Processes []Process `json:"processes,omitempty"`
}

// Process is one of the network's processes; the start time, clock ticks since boot, tells it from a later one with
// the same pid. Source: proc_pid_stat(5), field 22.
type Process struct {
	PID       int    `json:"pid"`
	StartTime uint64 `json:"start_time"`
	// Carries says that it only carries packets and has nothing of the host's, so that nobody has to wait for its end: the
	// kernel takes its interface down first, which takes 10 to 20 ms.
	Carries bool `json:"carries,omitempty"`
}

func processOf(pid int) (Process, error) {
	start, err := launch.StartTime(pid)
	return Process{PID: pid, StartTime: start}, err
}

func (r *record) write(dir string) error {
	raw, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return atomicfile.Write(filepath.Join(dir, recordFile), raw, 0o600, atomicfile.Volatile)
}

// readRecord returns nil when the container has no network of ours.
func readRecord(dir string) (*record, error) {
	raw, err := os.ReadFile(filepath.Join(dir, recordFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	r := new(record)
	if json.Unmarshal(raw, r) != nil {
		*r = record{} // cut off: what is there is found by its command line
	}
	return r, nil
}

// Suspect has Teardown look for what there is in a run directory whose record may have been lost.
func Suspect(dir string) error {
	if r, err := readRecord(dir); r != nil || err != nil {
		return err
	}
	return new(record).write(dir)
}

// Processes are those of a container's network, by its run directory.
func Processes(dir string) ([]Process, error) {
	r, err := readRecord(dir)
	if r == nil {
		return nil, err
	}
	return r.Processes, nil
}

// Teardown takes down what Begin and Finish have made in a run directory; nothing there is no error. kill ends exactly that
// process, by a signal that it cannot withstand, and returns when it has gone, unless it only carries packets.
func Teardown(dir string, kill func(Process) error) error {
	r, err := readRecord(dir)
	if r == nil {
		return err
	}
	var errs []error
	ended := map[int]bool{}
	for all := r.Processes; len(all) > 0 || !r.Complete; {
		for _, p := range all {
			ended[p.PID] = true
			if err := kill(p); err != nil {
				errs = append(errs, fmt.Errorf("end network process %d: %w", p.PID, err))
			}
			fault.Point("network: process ended")
		}
		if r.Complete {
			break
		}
		// Until there are no others: one may have forked before it was killed.
		all = slices.DeleteFunc(strays(dir), func(p Process) bool { return ended[p.PID] })
		if len(all) == 0 {
			break
		}
	}
	if err := unpin(dir); err != nil {
		errs = append(errs, err)
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	if err := os.Remove(filepath.Join(dir, recordFile)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// strays are our own processes that have an argument in the run directory: a driver or helper whose starter was killed
// before it could note it.
func strays(dir string) []Process {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var found []Process
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		p, err := processOf(pid)
		if err != nil {
			continue
		}
		line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if err != nil || !names(line, dir) {
			continue
		}
		var st unix.Stat_t
		// pasta may have become another user of the namespace; a process of somebody else's is not ours.
		if unix.Stat("/proc/"+e.Name(), &st) == nil {
			found = append(found, p)
		}
	}
	return found
}

// names says that a command line is that of a network's process of the run directory.
func names(line []byte, dir string) bool {
	words := bytes.Split(bytes.TrimRight(line, "\x00"), []byte{0})
	if program := filepath.Base(string(words[0])); program != "pasta" && program != "slirp4netns" && program != HelperName && !strings.HasPrefix(program, "passt") {
		return false
	}
	for _, w := range words[1:] {
		if string(w) == filepath.Join(dir, netnsFile) {
			return true
		}
	}
	return false
}

// readPIDFile reads what a daemon has written of itself.
func readPIDFile(path string) (Process, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return Process{}, err
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(raw)))
	if err != nil || pid <= 1 {
		return Process{}, fmt.Errorf("%s: %q is no process id", path, raw)
	}
	return processOf(pid)
}
