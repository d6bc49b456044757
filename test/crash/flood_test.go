package crash

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// rss is the resident memory of a process, in bytes. Source: proc_pid_statm(5).
func rss(t *testing.T, pid int) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		t.Fatal(err)
	}
	pages, err := strconv.ParseInt(strings.Fields(string(text))[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}

// readBytes is what a process has read. Source: proc_pid_io(5), rchar.
func readBytes(t *testing.T, pid int) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", pid))
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(text), "\n")
	n, err := strconv.ParseInt(strings.TrimPrefix(first, "rchar: "), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestFlood has a program write as fast as the pipe takes it, with a limited log and with an unlimited one: the monitor's
// memory stays what it is, the log within its limit, and each line of it whole. The soak does that for a minute.
func TestFlood(t *testing.T) {
	t.Parallel()
	const line = "a line of some length, so that it is like those that programs write into their logs"
	const size, files, record, most = 1 << 20, 3, len(line) + 64, 64 << 20
	for name, log := range map[string][]string{
		"limited":   {"--log-opt", fmt.Sprintf("max-size=%d", size), "--log-opt", fmt.Sprintf("max-file=%d", files)},
		"unlimited": {"--log-opt", "max-size=-1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newManager(t)
			args := append([]string{"run", "-d", "--name", "x", "--network", "none", "-v", m.TmpDir + ":/word"}, log...)
			m.must(append(args, busybox, "sh", "-c", "until [ -e /word/go ]; do sleep 0.02; done; exec yes '"+line+"'")...)
			monitor := m.pid("ConmonPid")
			if name == "unlimited" { // but for the test's disk: what does not fit is lost, as fast
				if err := unix.Prlimit(monitor, unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: most, Max: unix.RLIM_INFINITY}, nil); err != nil {
					t.Fatal(err)
				}
			}
			logs := func() (paths []string, sum int64) {
				paths, _ = filepath.Glob(filepath.Join(m.Root, "manager/containers/*/ctr.log*"))
				for _, p := range paths {
					if st, err := os.Stat(p); err == nil { // else it was just renamed
						sum += st.Size()
					}
				}
				return paths, sum
			}
			var least, largest int64
			if err := os.WriteFile(m.TmpDir+"/go", nil, 0o600); err != nil {
				t.Fatal(err)
			}
			room := int64(most)
			if name == "limited" {
				room = files * int64(size+record)
			}
			begin := readBytes(t, monitor)
			wanted := int64(20 << 20) // on a busy machine too
			for end := time.Now().Add(max(min(soak(), time.Minute), 2*time.Second)); time.Now().Before(end) || readBytes(t, monitor) < begin+wanted; time.Sleep(20 * time.Millisecond) {
				now := rss(t, monitor)
				if readBytes(t, monitor) > begin+wanted/4 && (least == 0 || now < least) {
					least = now
				}
				largest = max(largest, now)
				if _, sum := logs(); sum > room {
					t.Fatalf("the log has %d bytes", sum)
				}
			}
			t.Logf("%d MB: %d to %d kB", (readBytes(t, monitor)-begin)>>20, least>>10, largest>>10)
			const collector = 2 << 20 // what Go's takes when it first runs, and some
			if largest > 8<<20 || largest > least+collector {
				t.Errorf("the monitor took %d to %d kB", least>>10, largest>>10)
			}
			m.must("kill", "x")
			if lost := m.must("inspect", "--format", "{{.State.LogLostBytes}}", "x"); name == "limited" && lost != "0" {
				t.Errorf("%s bytes are lost", lost)
			}
			paths, _ := logs()
			if name == "limited" && len(paths) != files {
				t.Errorf("log files: %v", paths)
			}
			slices.Sort(paths)
			slices.Reverse(paths) // the oldest first
			var all []byte
			for _, p := range paths {
				text, err := os.ReadFile(p)
				if err != nil || int64(len(text)) > room {
					t.Errorf("%s has %d bytes, %v", p, len(text), err)
				}
				all = append(all, text...)
			}
			wholeLines(t, string(all), line)
			m.must("rm", "x")
			m.empty("after the flood")
		})
	}
}

// wholeLines wants a log to be that line over and over. Its oldest record may be the end of one, its newest the beginning.
func wholeLines(t *testing.T, log, line string) {
	t.Helper()
	const header = len("2006-01-02T15:04:05.000000000Z stdout F ")
	joined, first := "", true
	for len(log) > 0 {
		record, rest, whole := strings.Cut(log, "\n")
		if !whole || len(record) < header {
			return // cut by the end of its room
		}
		joined, log = joined+record[header:], rest
		if record[header-2] == 'P' {
			continue
		}
		if joined != line && !(first && strings.HasSuffix(line, joined)) && rest != "" {
			t.Fatalf("there is the line %q", joined)
		}
		joined, first = "", false
	}
}
