package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"

	"go.podman.io/storage/pkg/reexec"
	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/rootless"
)

// The names under which the program is started to try the namespaces from inside. A process keeps no
// capabilities when it is executed before its ids are mapped, so it waits for that under the first name and
// becomes the second.
const (
	roleWait = "manager-doctor-wait"
	roleTry  = "manager-doctor-try"
)

func init() {
	reexec.Register(roleWait, waitForMap)
	reexec.Register(roleTry, tryInside)
}

// step is a call that failed inside.
type step struct {
	Op    string
	Errno syscall.Errno
}

func (s *step) error() error {
	if s == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", s.Op, s.Errno)
}

// insideReport is what the inner process says.
type insideReport struct{ Place, Overlay, Chown *step }

// try makes the namespaces and has a process look around in them. What it makes it takes away.
func try(ctx context.Context, user bool, graphRoot string) (t Trial) {
	dir, err := os.MkdirTemp(nearest(graphRoot), "."+trialName()+"-")
	if err != nil {
		t.Place = strip(err)
		dir = ""
	} else {
		defer func() { _ = os.RemoveAll(dir) }()
	}
	flags := uintptr(unix.CLONE_NEWNS)
	if user {
		flags |= unix.CLONE_NEWUSER
	}
	cmd := exec.CommandContext(ctx, "/proc/self/exe")
	cmd.Args, cmd.Env, cmd.Dir = []string{roleWait, dir, fmt.Sprint(user)}, []string{}, "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags, Pdeathsig: syscall.SIGKILL}
	runtime.LockOSThread() // it is this thread whose end would kill it
	defer runtime.UnlockOSThread()
	in, err := cmd.StdinPipe()
	if err != nil {
		return Trial{Other: err}
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return Trial{Other: err}
	}
	if err := cmd.Start(); err != nil {
		t.Clone = strip(err)
		return t
	}
	if user {
		t.Map = rootless.Map(cmd.Process.Pid)
	}
	if t.Map != nil {
		_ = cmd.Process.Kill()
	}
	_ = in.Close() // the word to go on
	var r insideReport
	decodeErr := json.NewDecoder(io.LimitReader(out, 1<<16)).Decode(&r)
	waitErr := cmd.Wait()
	if t.Map != nil {
		return t
	}
	if decodeErr != nil {
		t.Other = errors.Join(ctx.Err(), waitErr)
		if t.Other == nil {
			t.Other = decodeErr
		}
		return t
	}
	if t.Place == nil {
		t.Place = r.Place.error()
	}
	t.Overlay, t.Chown = r.Overlay.error(), r.Chown.error()
	return t
}

// waitForMap waits until standard input is closed, and becomes the one that tries.
func waitForMap() {
	if _, err := io.Copy(io.Discard, os.Stdin); err == nil {
		_ = syscall.Exec("/proc/self/exe", append([]string{roleTry}, os.Args[1:]...), []string{})
	}
}

// tryInside mounts an overlay in the directory of its first argument; the second says whether it is in a
// user namespace. The mounts go with its namespace.
func tryInside() {
	if len(os.Args) != 3 {
		return
	}
	r := insideReport{}
	if dir := os.Args[1]; dir != "" {
		r = tryMounts(dir, os.Args[2] == "true")
	}
	_ = json.NewEncoder(os.Stdout).Encode(r)
}

func tryMounts(dir string, user bool) (r insideReport) {
	failed := func(op string, err error) *step {
		if err == nil {
			return nil
		}
		s := &step{Op: op, Errno: unix.EIO}
		errors.As(err, &s.Errno)
		return s
	}
	lower, upper, work, merged := filepath.Join(dir, "l"), filepath.Join(dir, "u"), filepath.Join(dir, "w"), filepath.Join(dir, "m")
	for _, d := range []string{lower, upper, work, merged} {
		if r.Place = failed("make a directory", os.Mkdir(d, 0o755)); r.Place != nil {
			return r
		}
	}
	file := filepath.Join(lower, "file")
	if r.Place = failed("write a file", os.WriteFile(file, []byte("x"), 0o600)); r.Place != nil {
		return r
	}
	if !user || rootless.MapsRange() {
		r.Chown = failed("chown", os.Chown(file, 1, 1))
	}
	if r.Overlay = failed("keep mounts to itself", unix.Mount("", "/", "", unix.MS_PRIVATE|unix.MS_REC, "")); r.Overlay != nil {
		return r
	}
	if r.Overlay = failed("go to the store", os.Chdir(dir)); r.Overlay != nil {
		return r
	}
	options := "lowerdir=l,upperdir=u,workdir=w"
	if user {
		options += ",userxattr"
	}
	if r.Overlay = failed("mount", unix.Mount("overlay", "m", "overlay", 0, options)); r.Overlay != nil {
		return r
	}
	// As the layers of images: a file is taken over, and one is hidden.
	r.Overlay = failed("change a file", os.Chmod("m/file", 0o644))
	if r.Overlay == nil {
		r.Overlay = failed("remove a file", os.Remove("m/file"))
	}
	_ = unix.Unmount("m", 0)
	for _, d := range []string{"l", "u", "w"} {
		_ = os.RemoveAll(d)
	}
	return r
}
