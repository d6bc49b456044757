package libpod

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/monitor"
	"github.com/manager-project/manager/pkg/selinux"
)

// The bounds of what is read of the logs, and told of one start.
const (
	maxRecords  = 1 << 16
	maxAuditLog = 1 << 20
	maxDenials  = 5
)

// auditLog is where auditd writes what the kernel's log has without it.
const auditLog = "/var/log/audit/audit.log"

// denials are what SELinux refused a start that ended by itself, badly, in sentences. The kernel names the label of who was refused, and
// a container's is its own. Nothing is told to those who may not read the logs.
func (c *container) denials(record *monitor.ExitRecord) []string {
	label := c.cfg.Security.ProcessLabel
	byItself := record.Cause == monitor.CauseExit || record.Cause == monitor.CauseSignal
	if label == "" || record.Code == 0 || !byItself || record.StartedAt.IsZero() || !selinux.Enforcing() {
		return nil
	}
	var told []string
	look := func(line string) {
		at, words, ok := parseDenial(line, label)
		// The log's clock is that of the last tick.
		if ok && at.After(record.StartedAt.Add(-100*time.Millisecond)) && len(told) < maxDenials && !slices.Contains(told, words) {
			told = append(told, words)
		}
	}
	readKernelLog(look)
	readAuditLog(look)
	return told
}

// readKernelLog calls f for each record that the kernel still has. Source: kernel, Documentation/ABI/testing/dev-kmsg.
func readKernelLog(f func(string)) {
	fd, err := unix.Open("/dev/kmsg", unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return
	}
	defer func() { _ = unix.Close(fd) }()
	buf := make([]byte, 8192) // a record is shorter
	for range maxRecords {
		n, err := unix.Read(fd, buf)
		if errors.Is(err, unix.EPIPE) || errors.Is(err, unix.EINTR) {
			continue // some were overwritten
		}
		if err != nil || n == 0 {
			return
		}
		if _, text, ok := bytes.Cut(buf[:n], []byte(";")); ok {
			f(string(text))
		}
	}
}

// readAuditLog calls f for each line at the end of auditd's log.
func readAuditLog(f func(string)) {
	file, err := os.Open(auditLog)
	if err != nil {
		return
	}
	defer func() { _ = file.Close() }()
	if info, err := file.Stat(); err == nil && info.Size() > maxAuditLog {
		_, _ = file.Seek(-maxAuditLog, io.SeekEnd) // else from the beginning, and not to the end
	}
	text, _ := io.ReadAll(io.LimitReader(file, maxAuditLog)) // what could be read
	for line := range strings.Lines(string(text)) {
		f(line)
	}
}

// parseDenial reads what SELinux refused to a label from a line of a log.
func parseDenial(line, label string) (at time.Time, words string, ok bool) {
	_, rest, found := strings.Cut(line, "audit(")
	stamp, rest, _ := strings.Cut(rest, ":")
	_, rest, denied := strings.Cut(rest, "avc:  denied  { ")
	permissions, rest, _ := strings.Cut(rest, " }")
	field := func(name string) string {
		_, value, _ := strings.Cut(rest, " "+name+"=")
		value, quoted := strings.CutPrefix(value, "\"")
		if quoted {
			value, _, _ = strings.Cut(value, "\"")
			return value
		}
		value, _, _ = strings.Cut(value, " ")
		return strings.TrimSpace(value)
	}
	seconds, err := strconv.ParseFloat(stamp, 64)
	if !found || !denied || err != nil || field("scontext") != label || field("permissive") == "1" {
		return at, "", false
	}
	permissions = strings.ReplaceAll(permissions, " ", " and ")
	class, name := field("tclass"), cmp.Or(field("path"), field("name"))
	if class == "dir" {
		class = "directory"
	}
	if name != "" {
		class += fmt.Sprintf(" %q", name)
	}
	words = fmt.Sprintf("SELinux did not let %q %s a %s with the label %s", field("comm"), permissions, class, field("tcontext"))
	if strings.HasPrefix(class, "cap") {
		words = fmt.Sprintf("SELinux did not let %q use the capability %s", field("comm"), permissions)
	}
	return time.UnixMilli(int64(seconds * 1000)), words, true
}
