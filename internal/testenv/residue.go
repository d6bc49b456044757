package testenv

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// Marks are what a test's things can be known by. Other tests and other people use the
// machine at the same time, so only what carries a mark counts as the test's own.
type Marks struct {
	// Dirs are absolute folders private to the test: a mount in or from them, a process that
	// has one in its program, arguments, environment, working directory, open files or mounts.
	Dirs []string
	// Cgroups are names private to the test: a cgroup whose path has one as a part, and a
	// process in such a cgroup.
	Cgroups []string
	// Watch are folders in which nothing new may remain. Unlike Dirs they may be shared only
	// with things that make no entries meanwhile.
	Watch []string
	// Alone says that the test has the machine's network to itself: every new link and nft
	// table counts.
	Alone bool
}

// patience is how long asynchronous teardown (a monitor's clean-up, the kernel's release of
// a cgroup or of a network namespace) may take before what remains counts as left behind.
const patience = 5 * time.Second

// Residue takes a picture of the machine and registers a clean-up of the test that takes
// another and fails with a line for each thing that is new, carries a mark and is still
// there after five seconds. Clean-ups run in reverse order: call it before creating things.
func Residue(t testing.TB, marks Marks) {
	t.Helper()
	before, err := picture(&marks)
	if err != nil {
		t.Fatalf("residue: %v", err)
	}
	t.Cleanup(func() {
		left, err := remains(&marks, before)
		if err != nil {
			t.Errorf("residue: %v", err)
		}
		for _, thing := range left {
			t.Errorf("left behind: %s", thing)
		}
	})
}

// Remains returns what carries the marks now, after waiting up to five seconds for it to go.
func Remains(marks Marks) ([]string, error) {
	return remains(&marks, nil)
}

// Picture lists what carries the marks now: one line a thing, its kind first.
func Picture(marks Marks) ([]string, error) { return picture(&marks) }

// remains takes pictures until nothing is new or patience is over.
func remains(marks *Marks, before []string) ([]string, error) {
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		now, err := picture(marks)
		if err != nil {
			return nil, err
		}
		left := slices.DeleteFunc(now, func(thing string) bool { return slices.Contains(before, thing) })
		if len(left) == 0 || time.Now().After(deadline) {
			return left, nil
		}
	}
}

// picture lists what carries the marks: one line a thing, its kind first.
func picture(marks *Marks) ([]string, error) {
	var things []string
	for _, look := range []func(*Marks) ([]string, error){
		mounts, cgroups, processes, descriptors, entries, links, tables,
	} {
		found, err := look(marks)
		if err != nil {
			return nil, err
		}
		things = append(things, found...)
	}
	slices.Sort(things)
	return slices.Compact(things), nil
}

// inDirs says whether the text names one of the private folders or something below it.
func (m *Marks) inDirs(text string) bool {
	return slices.ContainsFunc(m.Dirs, func(dir string) bool { return mentions(text, dir) })
}

// mentions says whether the path dir occurs in the text as a whole, not as the beginning of
// a longer name.
func mentions(text, dir string) bool {
	for {
		at := strings.Index(text, dir)
		if at < 0 {
			return false
		}
		text = text[at+len(dir):]
		if text == "" || !strings.ContainsAny(text[:1], "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") {
			return true
		}
	}
}

// inCgroups says whether the path has a private name as one of its parts.
func (m *Marks) inCgroups(path string) bool {
	return slices.ContainsFunc(strings.Split(path, "/"), func(part string) bool { return slices.Contains(m.Cgroups, part) })
}

// entries lists what is in the watched folders.
func entries(m *Marks) ([]string, error) {
	var found []string
	for _, dir := range m.Watch {
		list, err := os.ReadDir(dir)
		if err != nil && !os.IsNotExist(err) {
			return nil, err
		}
		for _, e := range list {
			found = append(found, "file "+filepath.Join(dir, e.Name()))
		}
	}
	return found, nil
}
