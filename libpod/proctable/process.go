package proctable

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// ticks is the kernel's USER_HZ, the unit of times in /proc: 100 on every Linux that Go runs on.
const ticks = 100

// clock is the moment of the picture.
type clock struct {
	now    time.Time
	uptime time.Duration
}

func readClock() (clock, error) {
	raw, err := os.ReadFile("/proc/uptime")
	if err != nil {
		return clock{}, err
	}
	text, _, _ := strings.Cut(string(raw), " ")
	seconds, err := strconv.ParseFloat(text, 64)
	return clock{time.Now(), time.Duration(seconds * float64(time.Second))}, err
}

// process is what /proc says of one process.
type process struct {
	pid, init int
	fields    []string // of stat, from the third
	name      string
	status    map[string]string
	clock     clock
}

func readProcess(pid, init int, now clock) (*process, error) {
	dir := fmt.Sprintf("/proc/%d/", pid)
	raw, err := os.ReadFile(dir + "stat")
	if err != nil {
		return nil, gone(err)
	}
	open, end := bytes.IndexByte(raw, '('), bytes.LastIndexByte(raw, ')')
	if open < 0 || end < open {
		return nil, fmt.Errorf("%sstat: no command", dir)
	}
	p := &process{pid: pid, init: init, name: string(raw[open+1 : end]), fields: strings.Fields(string(raw[end+1:])), status: map[string]string{}, clock: now}
	if len(p.fields) < 22 {
		return nil, fmt.Errorf("%sstat: %d fields", dir, len(p.fields))
	}
	status, err := os.ReadFile(dir + "status")
	if err != nil {
		return nil, gone(err)
	}
	for line := range strings.Lines(string(status)) {
		key, value, _ := strings.Cut(line, ":")
		p.status[key] = strings.TrimSpace(value)
	}
	return p, nil
}

// gone gives a process that ended between two reads one error.
func gone(err error) error {
	if errors.Is(err, syscall.ESRCH) {
		return os.ErrNotExist
	}
	return err
}

// stat returns a field by its number in proc_pid_stat(5).
func (p *process) stat(number int) string {
	if i := number - 3; i >= 0 && i < len(p.fields) {
		return p.fields[i]
	}
	return "?"
}

func (p *process) number(field int) uint64 {
	n, _ := strconv.ParseUint(p.stat(field), 10, 64)
	return n
}

// id returns one of the columns of a status line, real (0) or effective (1) ids for example.
func (p *process) id(key string, column int) string {
	if f := strings.Fields(p.status[key]); column < len(f) {
		return f[column]
	}
	return "?"
}

// last returns the innermost value of a line that has one for each pid namespace.
func (p *process) last(key string) string {
	f := strings.Fields(p.status[key])
	if len(f) == 0 {
		return "?"
	}
	return f[len(f)-1]
}

func (p *process) hostPID() string { return strconv.Itoa(p.pid) }

// containerPID is the pid in the namespace of the container's init.
func (p *process) containerPID() string { return p.last("NSpid") }

func (p *process) ppid() string {
	parent := p.stat(4)
	if p.pid == p.init {
		return "0"
	}
	status, err := os.ReadFile(filepath.Join("/proc", parent, "status"))
	if err != nil {
		return "0"
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "NSpid:"); ok {
			f := strings.Fields(rest)
			// A parent outside the namespace has fewer ids than the process; it is 0 inside.
			if len(f) < len(strings.Fields(p.status["NSpid"])) {
				return "0"
			}
			return f[len(f)-1]
		}
	}
	return "0"
}

func (p *process) comm() string { return p.name }

// maxArgs bounds a command line, in bytes, as it is shown.
const maxArgs = 4096

func (p *process) args() string {
	f, err := os.Open(fmt.Sprintf("/proc/%d/cmdline", p.pid))
	if err != nil {
		return "[" + p.name + "]"
	}
	defer func() { _ = f.Close() }()
	buf := make([]byte, maxArgs)
	n, _ := f.Read(buf)
	words := strings.FieldsFunc(string(buf[:n]), func(r rune) bool { return r == 0 })
	if len(words) == 0 {
		return "[" + p.name + "]"
	}
	return strings.Join(words, " ")
}

func (p *process) user() string  { return hostUser(p.id("Uid", 1)) }
func (p *process) group() string { return hostGroup(p.id("Gid", 1)) }

func hostUser(id string) string {
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return id
}

func hostGroup(id string) string {
	if g, err := user.LookupGroupId(id); err == nil {
		return g.Name
	}
	return id
}

func (p *process) age() time.Duration {
	return p.clock.uptime - time.Duration(p.number(22))*time.Second/ticks
}

func (p *process) cpu() time.Duration {
	return time.Duration(p.number(14)+p.number(15)) * time.Second / ticks
}

func (p *process) startTime() string {
	return p.clock.now.Add(-p.age()).Format(time.RFC3339)
}

func (p *process) elapsed() string { return p.age().Truncate(time.Microsecond).String() }

func (p *process) cpuTime() string { return p.cpu().Truncate(10 * time.Millisecond).String() }

func (p *process) cpuPercent() string {
	if p.age() <= 0 {
		return "0.000"
	}
	return fmt.Sprintf("%.3f", 100*p.cpu().Seconds()/p.age().Seconds())
}

// tty decodes the device number of the controlling terminal: pseudo-terminals have the majors
// 136 to 143 (kernel, Documentation/admin-guide/devices.txt).
func (p *process) tty() string {
	n := p.number(7)
	major, minor := n>>8&0xfff, n&0xff|n>>12&0xfff00
	switch {
	case n == 0:
		return "?"
	case major >= 136 && major <= 143:
		return fmt.Sprintf("pts/%d", (major-136)<<8+minor)
	case major == 4:
		return fmt.Sprintf("tty%d", minor)
	}
	return fmt.Sprintf("%d:%d", major, minor)
}

func (p *process) vsz() string { return strconv.FormatUint(p.number(23)/1024, 10) }

func (p *process) seccomp() string {
	switch p.status["Seccomp"] {
	case "0":
		return "disabled"
	case "1":
		return "strict"
	case "2":
		return "filter"
	}
	return "?"
}

func (p *process) label() string { return p.small("attr/current") }
func (p *process) wchan() string { return p.small("wchan") }

func (p *process) small(name string) string {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", p.pid, name))
	if err != nil || len(raw) == 0 {
		return "?"
	}
	return strings.TrimRight(string(raw), "\x00\n")
}
