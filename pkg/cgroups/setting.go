package cgroups

import (
	"strconv"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// version is the kernel interface that a controller is reached by.
type version int

const (
	absent version = iota
	v1
	v2
)

// setting is one value for one control file.
type setting struct {
	// controller has its version 1 name: "blkio" is io on version 2.
	controller string
	// file is the control file's name in the cgroup's directory.
	file string
	// value is what is written, without a newline.
	value string
	// field is the JSON field that asks for it, for the error.
	field string
	// group names values that the kernel checks against each other: those of a group may be
	// written in any order, and one that is refused is tried again after the others.
	group string
	// ifExists skips the setting where the kernel does not have the file, since the absence of
	// the file means what the value says.
	ifExists bool
	// unset is what takes the value's line away in a file with a line for each device, or ""
	// for a file of one value.
	unset string
}

// builder translates the specification's resources into settings. It only reads what it is
// given, so it is tested without a kernel.
type builder struct {
	r *specs.LinuxResources
	// version says by which interface a controller is reached.
	version func(controller string) version
	// current reads a control file of the cgroup as it is, or "".
	current func(controller, file string) string
	list    []setting
	err     error
}

// settings are the writes that resources ask for, in their order. Device rules and unified
// settings have their own ways.
func (b *builder) settings() ([]setting, error) {
	for _, step := range []func(){b.memory, b.cpu, b.cpuset, b.blockIO, b.pids, b.hugetlb, b.rdma, b.network} {
		step()
		if b.err != nil {
			return nil, b.err
		}
	}
	return b.list, nil
}

func (b *builder) add(s setting) { b.list = append(b.list, s) }

// put adds a setting without specialities.
func (b *builder) put(controller, file, value, field string) {
	b.add(setting{controller: controller, file: file, value: value, field: field})
}

func (b *builder) fail(err error) {
	if b.err == nil {
		b.err = err
	}
}

// given is the value of a number that is set; 0 has the meaning of unset in most fields.
func given[T comparable](p *T) (T, bool) {
	var zero T
	if p == nil || *p == zero {
		return zero, false
	}
	return *p, true
}

// maximum is a number in version 2's words: -1 is max.
func maximum(n int64) string {
	if n < 0 {
		return "max"
	}
	return strconv.FormatInt(n, 10)
}

func signed(n int64) string    { return strconv.FormatInt(n, 10) }
func unsigned(n uint64) string { return strconv.FormatUint(n, 10) }
