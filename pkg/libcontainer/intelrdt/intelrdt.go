// Package intelrdt puts containers into classes of service of the resctrl file system: shares of the last
// level cache and of memory bandwidth.
//
// A Group is a directory of it. What was made here is removed here; what an administrator made is used, and
// must say what the container wants. Without an intelRdt section nothing of it is touched.
//
// Source: OCI runtime-spec 1.3, config-linux.md, "IntelRdt"; kernel filesystems/resctrl.rst.
package intelrdt

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/manager-project/manager/pkg/errdefs"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

const field = "linux.intelRdt"

// Root is the mount point of resctrl in this process's mount namespace. Without one the error is of class
// ErrUnsupported.
func Root() (string, error) {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	return rootIn(f)
}

func rootIn(mountinfo io.Reader) (string, error) {
	s := bufio.NewScanner(mountinfo)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		before, after, ok := strings.Cut(s.Text(), " - ")
		f := strings.Fields(before)
		if ok && len(f) > 4 && strings.HasPrefix(after, "resctrl ") {
			return unescape(f[4]), nil
		}
	}
	if err := s.Err(); err != nil {
		return "", err
	}
	return "", errdefs.Unsupported(field, "no resctrl file system is mounted").WithHint("mount -t resctrl resctrl /sys/fs/resctrl")
}

// unescape undoes the kernel's octal escapes of blanks and backslashes.
func unescape(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}

// Group is a container's place. It is kept with the container's state.
type Group struct {
	// Dir is the absolute directory of the class, Made says that it is the container's own, to be removed with
	// it: a class with a name (closID) outlives the container that made it.
	Dir  string `json:"dir"`
	Made bool   `json:"made,omitempty"`
	// Monitor is the absolute directory of the container's monitoring group, or "".
	Monitor string `json:"monitor,omitempty"`

	root  string
	fresh bool     // the directory is to be made
	lines []string // and these are to be written
}

// Find decides what a container's group is, and makes nothing: a caller notes it down before Make. root is Root's.
// A class of others that says something else is ErrInvalid, one that is not there ErrNotFound.
func Find(root, id string, r *specs.LinuxIntelRdt) (*Group, error) {
	g := &Group{Dir: filepath.Join(root, r.ClosID), root: root, lines: schemata(r), Made: r.ClosID == ""}
	if g.Made {
		g.Dir = filepath.Join(root, id)
	}
	if r.EnableMonitoring {
		g.Monitor = filepath.Join(g.Dir, "mon_groups", id)
	}
	return g, g.check(r)
}

// Fresh says that Make would make the class.
func (g *Group) Fresh() bool { return g.fresh }

// Make makes what Find decided. On failure nothing is left.
func (g *Group) Make() (err error) {
	if g.fresh {
		if err := mkdir(g.Dir, 0o755); err != nil {
			return errdefs.New(errdefs.ErrUnavailable, "", field+".closID", "%w", err)
		}
		defer func() {
			if err != nil {
				err = errors.Join(err, remove(g.Dir))
			}
		}()
		for _, l := range g.lines {
			if err := write(filepath.Join(g.Dir, "schemata"), l+"\n"); err != nil {
				return refused(g.root, "schemata", err)
			}
		}
	}
	if g.Monitor != "" {
		if err := mkdir(g.Monitor, 0o755); err != nil {
			return refused(g.root, "enableMonitoring", err)
		}
	}
	return nil
}

// schemata are the lines to write, in their order.
func schemata(r *specs.LinuxIntelRdt) []string {
	var out []string
	for _, l := range append([]string{r.L3CacheSchema, r.MemBwSchema}, r.Schemata...) {
		if l != "" {
			out = append(out, l)
		}
	}
	return out
}

// The calls that make and remove directories, which resctrl fills by itself; tests put a fake in their place.
var (
	mkdir = os.Mkdir
	rmdir = os.Remove
)

// check looks at a directory that is there, and decides whether it is to be made.
func (g *Group) check(r *specs.LinuxIntelRdt) error {
	st, err := os.Lstat(g.Dir)
	switch {
	case err == nil && !st.IsDir():
		return errdefs.New(errdefs.ErrInvalid, "", field+".closID", "%s is not a directory", g.Dir)
	case err == nil && g.Made:
		return errdefs.New(errdefs.ErrExists, "", field, "%s is there already", g.Dir)
	case err == nil:
		return g.compare(g.lines)
	case !errors.Is(err, os.ErrNotExist):
		return err
	case r.ClosID != "" && len(g.lines) == 0:
		return errdefs.New(errdefs.ErrNotFound, "", field+".closID", "there is no class %s, and no schemata to make it with", r.ClosID)
	}
	g.fresh = true
	return nil
}

// compare makes sure that a class of others says what the container wants.
func (g *Group) compare(lines []string) error {
	if len(lines) == 0 {
		return nil
	}
	b, err := os.ReadFile(filepath.Join(g.Dir, "schemata"))
	if err != nil {
		return err
	}
	have := map[string]map[string]string{}
	for _, l := range strings.Split(string(b), "\n") {
		resource, values := parse(l)
		have[resource] = values
	}
	for _, l := range lines {
		resource, values := parse(l)
		for domain, v := range values {
			if h, ok := have[resource][domain]; !ok || !same(h, v) {
				return errdefs.New(errdefs.ErrInvalid, "", field, "%s has %s:%s=%s, not %s", g.Dir, resource, domain, h, v)
			}
		}
	}
	return nil
}

// parse reads "L3:0=ff;1=3".
func parse(line string) (resource string, values map[string]string) {
	resource, list, _ := strings.Cut(strings.TrimSpace(line), ":")
	values = map[string]string{}
	for _, v := range strings.Split(list, ";") {
		if domain, value, ok := strings.Cut(strings.TrimSpace(v), "="); ok {
			values[strings.TrimSpace(domain)] = strings.TrimSpace(value)
		}
	}
	return strings.TrimSpace(resource), values
}

// same compares masks and percentages without their leading zeros.
func same(a, b string) bool {
	return strings.EqualFold(strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0"))
}

// Add puts a process, whose children follow it, into the group and its monitoring group.
func (g *Group) Add(pid int) error {
	for _, dir := range []string{g.Dir, g.Monitor} {
		if dir == "" {
			continue
		}
		if err := write(filepath.Join(dir, "tasks"), strconv.Itoa(pid)+"\n"); err != nil {
			return errdefs.New(errdefs.ErrUnavailable, "", field, "%w", err)
		}
	}
	return nil
}

// AddAll is Add for all threads of a process that runs already. One that has ended is no error.
func (g *Group) AddAll(pid int) error {
	threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	for _, thread := range threads {
		tid, _ := strconv.Atoi(thread.Name())
		if aerr := g.Add(tid); !errors.Is(aerr, unix.ESRCH) {
			err = errors.Join(err, aerr)
		}
	}
	return err
}

// Set writes other schemata into the container's own class.
func (g *Group) Set(r *specs.LinuxIntelRdt) error {
	if !g.Made {
		return errdefs.New(errdefs.ErrState, "", field, "%s belongs to others", g.Dir)
	}
	for _, l := range schemata(r) {
		if err := write(filepath.Join(g.Dir, "schemata"), l+"\n"); err != nil {
			return refused(filepath.Dir(g.Dir), "schemata", err)
		}
	}
	return nil
}

// Remove removes the container's own class and monitoring group. What is gone already is no error.
func (g *Group) Remove() error {
	var errs []error
	if g.Monitor != "" {
		errs = append(errs, remove(g.Monitor))
	}
	if g.Made {
		errs = append(errs, remove(g.Dir))
	}
	return errors.Join(errs...)
}

func remove(dir string) error {
	if err := rmdir(dir); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

func write(file, text string) error {
	f, err := os.OpenFile(file, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// refused adds what the kernel says about a failure of its own.
func refused(root, name string, err error) error {
	if b, rerr := os.ReadFile(filepath.Join(root, "info", "last_cmd_status")); rerr == nil {
		if text := strings.TrimSpace(string(b)); text != "" && text != "ok" {
			err = fmt.Errorf("%w (%s)", err, text)
		}
	}
	return errdefs.New(errdefs.ErrInvalid, "", field+"."+name, "%w", err)
}
