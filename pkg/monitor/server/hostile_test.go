package server

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/monitor"
)

func (f *fixture) dial() int {
	f.t.Helper()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		f.t.Fatal(err)
	}
	if err := unix.Connect(fd, &unix.SockaddrUnix{Name: filepath.Join(f.dir, monitor.SocketFile)}); err != nil {
		f.t.Fatal(err)
	}
	return fd
}

func TestGarbageOnSocket(t *testing.T) {
	f := shell(t, "read x; echo alive")
	f.opts.Config.Stdin = true
	f.start().Release()
	live, err := monitor.ReadLive(f.dir)
	if err != nil {
		t.Fatal(err)
	}
	before := countFDs(t, live.MonitorPID)
	for i := range 300 {
		fd := f.dial()
		packet := make([]byte, rand.IntN(2*monitor.MaxPacket))
		for j := range packet {
			packet[j] = byte(rand.Uint32())
		}
		switch {
		case i%3 == 0 && len(packet) > 0:
			packet[0] = byte(monitor.KindAttach)
		case i%7 == 0:
			packet = bytes.Repeat([]byte{byte(monitor.KindStdin)}, monitor.MaxPacket+1)
		case i%5 == 0:
			packet = []byte{byte(monitor.KindAbort)} // the owner's alone
		}
		var oob []byte
		if i%2 == 0 {
			oob = unix.UnixRights(fd, fd)
		}
		_ = unix.Sendmsg(fd, packet, oob, nil, unix.MSG_NOSIGNAL)
		_ = unix.Close(fd)
	}
	f.eventually(fmt.Sprintf("more than %d descriptors", before), func() bool { return countFDs(t, live.MonitorPID) <= before })
	var out output
	if _, err := monitor.Attach(f.ctx(), f.dir, monitor.AttachOptions{Stdin: strings.NewReader("x\n"), Stdout: &out}); err != nil || out.String() != "alive\n" {
		t.Errorf("%q, %v", out.String(), err)
	}
}

func countFDs(t *testing.T, pid int) int {
	t.Helper()
	d, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Fatal(err)
	}
	return len(d)
}

func TestAttachDetachManyTimes(t *testing.T) {
	f := shell(t, "read x")
	f.opts.Config.Stdin = true
	f.start().Release()
	live, err := monitor.ReadLive(f.dir)
	if err != nil {
		t.Fatal(err)
	}
	before, mine := countFDs(t, live.MonitorPID), countFDs(t, os.Getpid())
	for range 500 {
		o := monitor.AttachOptions{Stdin: strings.NewReader("\x01"), Stdout: io.Discard, DetachKeys: []byte{1}}
		if res, err := monitor.Attach(f.ctx(), f.dir, o); err != nil || !res.Detached {
			t.Fatalf("%+v, %v", res, err)
		}
	}
	f.eventually("descriptors are left", func() bool {
		return countFDs(t, live.MonitorPID) <= before && countFDs(t, os.Getpid()) <= mine
	})
	if _, err := monitor.Attach(f.ctx(), f.dir, monitor.AttachOptions{Stdin: strings.NewReader("x\n"), Stdout: io.Discard}); err != nil {
		t.Error(err)
	}
}

func TestManyDescriptorsAndLongPath(t *testing.T) {
	f := newFixture(t, "true")
	f.dir = filepath.Join(f.dir, strings.Repeat("long", 50))
	if err := os.Mkdir(f.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	f.opts.Config.RunDir = f.dir
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = null.Close() }()
	for range 700 {
		f.opts.Launch.OpenFiles = append(f.opts.Launch.OpenFiles, null)
	}
	f.plan.Padding = strings.Repeat("p", 64<<10)
	s := f.start()
	if e := f.wait(s); e.Code != 0 {
		t.Errorf("record %+v", e)
	}
	st, err := os.Stat(filepath.Join(f.dir, monitor.LiveFile))
	if err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", st.Mode(), err)
	}
}

func TestLockNeverLeaks(t *testing.T) {
	f := shell(t, "ls -l /proc/self/fd >&2; sleep 0.01")
	f.wait(f.start())
	if got := f.logText("stderr"); strings.Contains(got, monitor.LockFile) || strings.Contains(got, "socket") {
		t.Errorf("the init has\n%s", got)
	}
}
