// Package proctable reads the processes of a container from the host's /proc and lays them
// out as top does. It executes nothing, and asks the container's files nothing: user names
// are the host's, numbers otherwise.
// Source: proc_pid_stat(5), proc_pid_status(5).
package proctable

import (
	"errors"
	"os"
	"slices"
	"strings"

	"github.com/manager-project/manager/pkg/errdefs"
)

// Default are the columns shown when none are asked for.
var Default = []string{"user", "pid", "ppid", "pcpu", "etime", "tty", "time", "args"}

// column is one descriptor: its header and its value.
type column struct {
	header string
	value  func(*process) string
}

var columns = map[string]column{
	"args":    {"COMMAND", (*process).args},
	"comm":    {"COMMAND", (*process).comm},
	"pid":     {"PID", (*process).containerPID},
	"hpid":    {"HPID", (*process).hostPID},
	"ppid":    {"PPID", (*process).ppid},
	"hppid":   {"HPPID", func(p *process) string { return p.stat(4) }},
	"pgid":    {"PGID", func(p *process) string { return p.last("NSpgid") }},
	"user":    {"USER", (*process).user},
	"huser":   {"HUSER", func(p *process) string { return hostUser(p.id("Uid", 1)) }},
	"uid":     {"UID", func(p *process) string { return p.id("Uid", 1) }},
	"group":   {"GROUP", (*process).group},
	"hgroup":  {"HGROUP", func(p *process) string { return hostGroup(p.id("Gid", 1)) }},
	"rgroup":  {"RGROUP", func(p *process) string { return p.id("Gid", 0) }},
	"ruser":   {"RUSER", func(p *process) string { return p.id("Uid", 0) }},
	"nice":    {"NI", func(p *process) string { return p.stat(19) }},
	"state":   {"STATE", func(p *process) string { return p.stat(3) }},
	"stime":   {"STIME", (*process).startTime},
	"etime":   {"ELAPSED", (*process).elapsed},
	"time":    {"TIME", (*process).cpuTime},
	"pcpu":    {"%CPU", (*process).cpuPercent},
	"tty":     {"TTY", (*process).tty},
	"vsz":     {"VSZ", (*process).vsz},
	"rss":     {"RSS", func(p *process) string { return p.id("VmRSS", 0) }},
	"seccomp": {"SECCOMP", (*process).seccomp},
	"capeff":  {"EFFECTIVE CAPS", func(p *process) string { return capabilities(p.status["CapEff"]) }},
	"capprm":  {"PERMITTED CAPS", func(p *process) string { return capabilities(p.status["CapPrm"]) }},
	"capinh":  {"INHERITED CAPS", func(p *process) string { return capabilities(p.status["CapInh"]) }},
	"capbnd":  {"BOUNDING CAPS", func(p *process) string { return capabilities(p.status["CapBnd"]) }},
	"capamb":  {"AMBIENT CAPS", func(p *process) string { return capabilities(p.status["CapAmb"]) }},
	"label":   {"LABEL", (*process).label},
	"hwchan":  {"WCHAN", (*process).wchan},
}

// aliases are AIX descriptors as ps(1) and Docker know them.
var aliases = map[string]string{
	"%C": "pcpu", "%G": "group", "%P": "ppid", "%U": "user", "%a": "args", "%c": "comm", "%g": "rgroup", "%n": "nice",
	"%p": "pid", "%r": "pgid", "%t": "etime", "%u": "ruser", "%x": "time", "%y": "tty", "%z": "vsz", "%cpu": "pcpu", "cmd": "args", "command": "args",
}

// Columns returns the names of all descriptors, sorted.
func Columns() []string {
	names := make([]string, 0, len(columns))
	for name := range columns {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Split cuts descriptors written with commas or spaces apart.
func Split(args []string) []string {
	return strings.FieldsFunc(strings.Join(args, " "), func(r rune) bool { return r == ',' || r == ' ' })
}

// Table returns the header and a row for each process that still runs. init is the host pid
// of the container's first process; it decides which pid namespace "pid" speaks of. An unknown
// descriptor is ErrInvalid.
func Table(init int, pids []int, descriptors []string) ([][]string, error) {
	if len(descriptors) == 0 {
		descriptors = Default
	}
	cols := make([]column, len(descriptors))
	header := make([]string, len(descriptors))
	for i, d := range descriptors {
		name := d
		if full, ok := aliases[d]; ok {
			name = full
		}
		c, ok := columns[name]
		if !ok {
			return nil, errdefs.Invalid("top", d, "no such format descriptor").WithHint("the descriptors are %s", strings.Join(Columns(), " "))
		}
		cols[i], header[i] = c, c.header
	}
	now, err := readClock()
	if err != nil {
		return nil, err
	}
	rows := [][]string{header}
	for _, pid := range pids {
		p, err := readProcess(pid, init, now)
		if errors.Is(err, os.ErrNotExist) {
			continue // ended meanwhile
		}
		if err != nil {
			return nil, err
		}
		row := make([]string, len(cols))
		for i, c := range cols {
			row[i] = c.value(p)
		}
		rows = append(rows, row)
	}
	return rows, nil
}
