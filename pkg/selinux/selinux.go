// Package selinux makes the SELinux labels of containers, labels files with them, and asks the policy what a label may.
//
// A container has two labels. Its processes have one of a confined type (container_t), its files one that this type may
// use (container_file_t), and both the same level: a pair of categories that no other container has (s0:c12,c345), which
// keeps containers of one type apart. Files that several may use have the level s0.
// Which types there are says the policy's file lxc_contexts.
//
// Where the kernel has no SELinux all of it costs one system call.
package selinux

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"

	lib "github.com/opencontainers/selinux/go-selinux"
	"github.com/opencontainers/selinux/go-selinux/label"
	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/errdefs"
)

// kernelDir is where the kernel shows SELinux.
const kernelDir = "/sys/fs/selinux"

// Words of Options.
const (
	// Nested lets the container see SELinux, and label files itself as far as the policy lets it.
	Nested = "nested"
	// typeWord is followed by the type of the processes.
	typeWord = "type:"
	// levelWord is followed by the level of processes and files.
	levelWord = "level:"
)

// sharedLevel is that of files for all containers.
const sharedLevel = "s0"

// Enabled says whether a policy is loaded. It is looked up once.
var Enabled = sync.OnceValue(func() bool {
	return unix.Access(kernelDir+"/enforce", unix.F_OK) == nil && lib.GetEnabled()
})

// Enforcing says whether the policy refuses, and does not only report.
func Enforcing() bool { return Enabled() && lib.EnforceMode() == lib.Enforcing }

// Options say which labels are wanted. The zero value is an ordinary container.
type Options struct {
	// Words are those of --security-opt label=: type:T, level:L, user:U, role:R and filetype:T. Nested is passed over.
	Words []string
	// Disabled leaves the processes the label that the policy gives them by itself; files get one that no confined
	// container may use.
	Disabled bool
	// Init says that the program is a service manager, for which policies have a type of its own.
	Init bool
}

// Labels are a container's. Both are empty where there is no SELinux, or a policy that names no types for containers.
type Labels struct {
	Process, Mount string
}

// New makes labels. A level that the words do not give is a pair of categories for which taken is false.
//
// A word that the policy does not know is ErrInvalid, a policy without types for containers ErrUnavailable.
func New(o Options, taken func(level string) bool) (Labels, error) {
	if !Enabled() {
		return Labels{}, nil
	}
	words := slices.DeleteFunc(slices.Clone(o.Words), func(w string) bool { return w == Nested })
	if o.Disabled {
		_, mount, err := label.InitLabels([]string{"disable"})
		if !known(mount) {
			// A policy without types for containers: libraries that label by themselves must not try.
			lib.SetDisabled()
			mount = ""
		}
		return Labels{Mount: mount}, err
	}
	has := func(prefix string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.HasPrefix(w, prefix) })
	}
	if o.Init && !has(typeWord) {
		if service, err := lib.InitContainerLabel(); err == nil && service != "" {
			words = append([]string{typeWord + TypeOf(service)}, words...)
		}
	}
	for {
		process, mount, err := label.InitLabels(words)
		if err != nil {
			return Labels{}, errdefs.Invalid("--security-opt", "label="+strings.Join(words, ","), "%w", err).
				WithHint("write label=disable, or label=type:T, user:, role:, level: or filetype:")
		}
		if !has(levelWord) && process != "" && taken(LevelOf(process)) {
			continue
		}
		l := Labels{process, mount}
		return l, l.check(words)
	}
}

// check refuses labels that the kernel would refuse later, and less clearly.
func (l Labels) check(words []string) error {
	if l.Process == "" && len(words) > 0 {
		return errdefs.Unsupported("--security-opt", "label=%s: the SELinux policy of this host names no labels for containers", words[0]).
			WithHint("leave it out, or install a policy module for containers (package container-selinux)")
	}
	for _, context := range []string{l.Process, l.Mount} {
		switch {
		case known(context):
		case len(words) > 0:
			return errdefs.Invalid("--security-opt", "label="+strings.Join(words, ","), "the SELinux policy has no context %s", context).
				WithHint("name types, levels, users and roles that the policy has: \"seinfo --type\" lists them")
		default:
			return &errdefs.Error{
				Op: "label", Kind: "container as", Name: context, Class: errdefs.ErrUnavailable, Cause: errors.New("the SELinux policy of this host has no such context"),
				Hint: "install a policy module for containers (package container-selinux), or give --security-opt label=disable",
			}
		}
	}
	return nil
}

// known says whether the policy has a context; "" counts as known, and so does one about which we may not ask.
func known(context string) bool {
	return context == "" || !errors.Is(lib.SecurityCheckContext(context), unix.EINVAL)
}

// field is one of a context's four fields: user, role, type, level.
func field(context string, n int) string {
	parts := strings.SplitN(context, ":", 4)
	if n >= len(parts) {
		return ""
	}
	return parts[n]
}

// TypeOf is a context's type.
func TypeOf(context string) string { return field(context, 2) }

// LevelOf is a context's level with its categories, "" if it has none.
func LevelOf(context string) string { return field(context, 3) }

// WithLevel is a context with another level.
func WithLevel(context, level string) string {
	parts := strings.SplitN(context, ":", 4)
	if len(parts) < 4 {
		return context
	}
	parts[3] = level
	return strings.Join(parts, ":")
}

// Shared is a file label for all containers, of the type of a given one.
func Shared(file string) string { return WithLevel(file, sharedLevel) }

// SharedFiles is the label of files for all containers, as new volumes have it; "" where there is none.
func SharedFiles() string {
	if !Enabled() {
		return ""
	}
	_, mount, err := label.InitLabels([]string{levelWord + sharedLevel})
	if err != nil || !known(mount) {
		return ""
	}
	return mount
}

// ReadOnlyFiles is the label of files that containers read, execute and do not change, as layers of images have it; "" where
// there is none.
func ReadOnlyFiles() string {
	files := SharedFiles()
	if files == "" {
		return ""
	}
	// The library answers once it has made labels, and with that of files where the policy has no other.
	//lint:ignore SA1019 nothing else reads the policy's ro_file
	ro := lib.ROFileLabel()
	if TypeOf(ro) == TypeOf(files) || !known(ro) {
		return ""
	}
	return ro
}

// Current is the label of this process, "" where there is no SELinux.
func Current() string {
	if !Enabled() {
		return ""
	}
	context, err := lib.CurrentLabel()
	if err != nil {
		return ""
	}
	return context
}

// Allowed asks the policy whether a process with one label may do something to an object with another. class and
// permission are the policy's words ("file", "entrypoint"). A policy that does not know them, or does not answer us, is
// an error. Source: kernel, security/selinux/selinuxfs.c, sel_write_access.
func Allowed(process, object, class, permission string) (bool, error) {
	dir := kernelDir + "/class/" + class
	index, err := readNumber(dir + "/index")
	if err != nil {
		return false, err
	}
	bit, err := readNumber(dir + "/perms/" + permission)
	if err != nil {
		return false, err
	}
	f, err := os.OpenFile(kernelDir+"/access", os.O_RDWR, 0)
	if err != nil {
		return false, err
	}
	defer func() { _ = f.Close() }()
	if _, err := fmt.Fprintf(f, "%s %s %d", process, object, index); err != nil {
		return false, err
	}
	answer := make([]byte, 256)
	n, err := f.Read(answer)
	if err != nil {
		return false, err
	}
	word, _, _ := bytes.Cut(answer[:n], []byte(" "))
	allowed, err := strconv.ParseUint(string(word), 16, 32)
	return allowed&(1<<(bit-1)) != 0, err
}

// readNumber reads a number from 1 on.
func readNumber(path string) (uint64, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 16)
	if err == nil && n == 0 {
		err = fmt.Errorf("%s: %w", path, unix.EINVAL)
	}
	return n, err
}

// Program is the label of the host's programs, which containers may execute and not change.
func Program() string {
	files := SharedFiles()
	parts := strings.SplitN(files, ":", 4)
	if len(parts) < 4 {
		return ""
	}
	parts[2] = "bin_t"
	if program := strings.Join(parts, ":"); known(program) {
		return program
	}
	return ""
}
