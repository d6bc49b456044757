package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/internal/testenv"
)

// parents are the cgroups that the peers make for their containers and never remove.
var parents = []string{"libpod_parent", "docker"}

// world is the private folder and what was done to the machine.
type world struct {
	ctx     context.Context
	o       *options
	dir     string
	rootfs  string // tar of the image for all
	peers   []*peer
	missing []string
	undo    []func() error
	had     []string // the parents that existed before
}

// A peer is a container engine or runtime, set up to be measured.
type peer struct {
	name, version string
	// as is what its commands begin with when another user runs them; nil for root.
	as []string
	// scratch is a folder that it may write to; "" is the world's.
	scratch string
	// prefix are the program and its private options.
	prefix []string
	env    []string
	// engine says that it has images and a list; else it runs bundles.
	engine bool
	// image is how it names the image for all.
	image string
	// bundle is a runtime's bundle that runs true; live is one that sleeps.
	bundle, live string
	// helper is a part of the arguments of the processes that stay with a container.
	helper string
	// cleanup ends its containers.
	cleanup func() error
}

// command is a command line of the peer.
func (p *peer) command(args ...string) []string { return slices.Concat(p.as, p.prefix, args) }

// newWorld makes the folder and the image.
func newWorld(ctx context.Context, o *options) (*world, error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("the peers are set up as root; please run as root")
	}
	rootfs, err := testenv.BuildRootfsTar()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "mbench")
	if err != nil {
		return nil, err
	}
	return &world{ctx: ctx, o: o, dir: dir, rootfs: rootfs, had: cgroupFolders()}, nil
}

// cgroupFolders lists the peers' parent cgroups that exist.
func cgroupFolders() []string {
	var all []string
	for _, name := range parents {
		for _, pattern := range []string{"/sys/fs/cgroup/*/", "/sys/fs/cgroup/"} {
			if found, err := filepath.Glob(pattern + name); err == nil {
				all = append(all, found...)
			}
		}
	}
	return all
}

// run runs a command of the setup and returns what it printed. Its output goes to files, not
// pipes: what a detached start leaves running may hold them, and is not waited for.
func (w *world) run(env []string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(w.ctx), 3*time.Minute)
	defer cancel()
	stdout, err := os.CreateTemp(w.dir, "out")
	if err != nil {
		return "", err
	}
	defer discard(stdout)
	stderr, err := os.CreateTemp(w.dir, "err")
	if err != nil {
		return "", err
	}
	defer discard(stderr)
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env, cmd.Stdout, cmd.Stderr = append(os.Environ(), env...), stdout, stderr
	failed := cmd.Run()
	out, err := os.ReadFile(stdout.Name())
	if err != nil {
		return "", err
	}
	if failed != nil {
		why, err := os.ReadFile(stderr.Name())
		return "", errors.Join(fmt.Errorf("%s: %w: %s", strings.Join(args, " "), failed, lastLine(string(why))), err)
	}
	return strings.TrimSpace(string(out)), nil
}

// discard closes and removes a temporary file.
func discard(file *os.File) {
	file.Close()
	os.Remove(file.Name())
}

// lastLine is the last line of a text that says something.
func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}

// close ends the peers' containers, undoes the setup in reverse order, and takes the mounts,
// the cgroups and the folder away.
func (w *world) close() error {
	var errs []error
	for _, p := range w.peers {
		if p.cleanup != nil {
			errs = append(errs, p.cleanup())
		}
	}
	for _, undo := range slices.Backward(w.undo) {
		errs = append(errs, undo())
	}
	marks := testenv.Marks{Dirs: []string{w.dir}}
	for deadline := time.Now().Add(15 * time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		if list, err := testenv.Processes(marks); err == nil && len(list) == 0 {
			break
		}
	}
	w.unmount()
	left, err := testenv.Remains(marks)
	errs = append(errs, err)
	for _, thing := range left {
		errs = append(errs, errors.New("left behind: "+thing))
	}
	for _, path := range cgroupFolders() {
		if !slices.Contains(w.had, path) {
			removeCgroup(path)
		}
	}
	errs = append(errs, os.RemoveAll(w.dir))
	return errors.Join(errs...)
}

// unmount takes away the mounts below the folder, the deepest first.
func (w *world) unmount() {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return
	}
	var points []string
	for line := range strings.Lines(string(text)) {
		if words := strings.Fields(line); len(words) > 4 && strings.HasPrefix(words[4], w.dir+"/") {
			points = append(points, words[4])
		}
	}
	for _, point := range slices.Backward(points) {
		unix.Unmount(point, unix.MNT_DETACH)
	}
}

// removeCgroup removes an empty tree of cgroups.
func removeCgroup(path string) {
	for _, child := range childCgroups(path) {
		removeCgroup(child)
	}
	unix.Rmdir(path)
}

// childCgroups lists the cgroups directly below one.
func childCgroups(path string) []string {
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil // gone already
	}
	var children []string
	for _, e := range entries {
		if e.IsDir() {
			children = append(children, filepath.Join(path, e.Name()))
		}
	}
	return children
}
