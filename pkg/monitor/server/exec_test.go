package server

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/libcontainer/compile"
	"github.com/manager-project/manager/pkg/libcontainer/launch"
	"github.com/manager-project/manager/pkg/monitor"
)

// TestRealExecSession starts a second process in a container with a monitor of its own.
func TestRealExecSession(t *testing.T) {
	f := newReal(t, "sleep", "60")
	f.start().Release()
	live, err := monitor.ReadLive(f.dir)
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.PidfdOpen(live.PID, 0)
	if err != nil {
		t.Fatal(err)
	}
	target := os.NewFile(uintptr(fd), "init")
	defer func() { _ = target.Close() }()
	p, h, err := compile.Exec(&specs.Process{
		Args: []string{"sh", "-c", "cat /proc/1/cmdline > /tmp/proof; exit 8"}, Cwd: "/", Env: []string{"PATH=/bin"},
	}, compile.ExecOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	e := newReal(t)
	if e.opts.Launch.Plan, err = p.Encode(); err != nil {
		t.Fatal(err)
	}
	e.opts.Launch.Join = &launch.JoinTarget{
		PIDFD: target,
		Flags: unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS | unix.CLONE_NEWNS,
	}
	e.opts.Config.Log = monitor.LogConfig{Driver: monitor.LogNone}
	s, err := monitor.Spawn(e.ctx(), e.opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Release(); e.killLeft() })
	if _, err := s.Start(e.ctx()); err != nil {
		t.Fatal(err)
	}
	if rec := e.wait(s); rec.Code != 8 {
		t.Errorf("record %+v", rec)
	}
	proof, err := os.ReadFile(filepath.Join(f.spec.Root.Path, "tmp/proof"))
	if err != nil || !strings.HasPrefix(string(proof), "sleep\x0060") {
		t.Errorf("it ran elsewhere: %q, %v", proof, err)
	}
	if rec, err := monitor.ReadExit(f.dir); err == nil {
		t.Errorf("the container ended: %+v", rec)
	}
}
