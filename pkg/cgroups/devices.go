package cgroups

import (
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/manager-project/manager/pkg/errdefs"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// deviceRule is one rule; any stands for every number.
type deviceRule struct {
	kind         byte // 'a', 'b' or 'c'
	major, minor int64
	access       string
	allow        bool
}

const anyNumber = -1

// alwaysAllowed are the rules that every container with device rules gets on top of its own:
// making any node, and using those that the specification puts into every /dev.
var alwaysAllowed = []deviceRule{
	{'c', anyNumber, anyNumber, "m", true},
	{'b', anyNumber, anyNumber, "m", true},
	{'c', 1, 3, "rwm", true},
	{'c', 1, 5, "rwm", true},
	{'c', 1, 7, "rwm", true}, // null zero full
	{'c', 1, 8, "rwm", true},
	{'c', 1, 9, "rwm", true}, // random urandom
	{'c', 5, 0, "rwm", true},
	{'c', 136, anyNumber, "rwm", true},
	{'c', 5, 2, "rwm", true},    // tty pts ptmx
	{'c', 10, 200, "rwm", true}, // net/tun, which is of use only with capabilities in a network namespace
}

// deviceRules translates the rules in their order. Without any, access stays as the parent's.
func deviceRules(r *specs.LinuxResources) ([]deviceRule, error) {
	if len(r.Devices) == 0 {
		return nil, nil
	}
	var rules []deviceRule
	for i := range r.Devices {
		d := &r.Devices[i]
		field := fmt.Sprintf("%sdevices[%d].", fieldResources, i)
		rule := deviceRule{kind: 'a', major: anyNumber, minor: anyNumber, access: d.Access, allow: d.Allow}
		switch d.Type {
		case "", "a":
		case "c", "u": // an unbuffered character device; the specification has it for nodes, not for rules
			rule.kind = 'c'
		case "b":
			rule.kind = 'b'
		default:
			return nil, errdefs.Invalid(field+"type", d.Type, "want a, b or c")
		}
		for name, n := range map[string]struct{ from, to *int64 }{"major": {d.Major, &rule.major}, "minor": {d.Minor, &rule.minor}} {
			if n.from == nil {
				continue
			}
			if *n.from < anyNumber || *n.from > 1<<32-1 {
				return nil, errdefs.Invalid(field+name, signed(*n.from), "want a device number")
			}
			*n.to = *n.from
		}
		if d.Access == "" || strings.Trim(d.Access, "rwm") != "" {
			return nil, errdefs.Invalid(field+"access", d.Access, "want letters of rwm")
		}
		rules = append(rules, rule)
	}
	return append(rules, alwaysAllowed...), nil
}

// setDevices applies the rules: files of version 1, a program in the kernel on version 2.
func (c *Cgroup) setDevices(rules []deviceRule) error {
	if len(rules) == 0 {
		return nil
	}
	var err error
	if dir, ok := c.v1["devices"]; ok {
		err = writeDevices(dir, rules)
	} else if c.unified != "" {
		err = attachDeviceProgram(c.unified, rules)
	}
	if err != nil && c.rootless && (errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES)) {
		return nil // a user namespace can neither set rules nor make nodes
	}
	if err != nil {
		return fmt.Errorf("cgroup %s: device rules: %w", c.path, err)
	}
	return nil
}

// writeDevices writes the rules one after the other; the kernel keeps their sum.
func writeDevices(dir string, rules []deviceRule) error {
	open := map[bool]int{}
	names := map[bool]string{true: filepath.Join(dir, "devices.allow"), false: filepath.Join(dir, "devices.deny")}
	for allow, name := range names {
		fd, err := openFD(name, unix.O_WRONLY)
		if err != nil {
			return err
		}
		defer func() { _ = unix.Close(fd) }()
		open[allow] = fd
	}
	for _, r := range rules {
		if err := writeFD(open[r.allow], names[r.allow], r.v1()); err != nil {
			return err
		}
	}
	return nil
}

// v1 is the rule in the words of the version 1 files.
func (r deviceRule) v1() string {
	if r.kind == 'a' && r.major == anyNumber && r.minor == anyNumber && len(r.access) == 3 {
		return "a"
	}
	return fmt.Sprintf("%c %s:%s %s", r.kind, number(r.major), number(r.minor), r.access)
}

func number(n int64) string {
	if n == anyNumber {
		return "*"
	}
	return strconv.FormatInt(n, 10)
}
