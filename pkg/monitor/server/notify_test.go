package server

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/manager-project/manager/pkg/monitor"
)

// manager plays the service manager: a socket whose messages are kept.
type manager struct {
	t    *testing.T
	conn *net.UnixConn
}

func listenNotify(t *testing.T, address string) *manager {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: address, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &manager{t, conn}
}

func (m *manager) next() string {
	m.t.Helper()
	_ = m.conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	buf := make([]byte, 8192)
	n, err := m.conn.Read(buf)
	if err != nil {
		m.t.Fatalf("no message: %v", err)
	}
	return string(buf[:n])
}

// silent wants no message to be there.
func (m *manager) silent() {
	m.t.Helper()
	_ = m.conn.SetReadDeadline(time.Now())
	buf := make([]byte, 8192)
	if n, err := m.conn.Read(buf); err == nil {
		m.t.Errorf("message %q", buf[:n])
	}
}

// serviced makes the fixture's container one of a service manager.
func (f *fixture) serviced(mode string) *manager {
	f.t.Helper()
	path := filepath.Join(f.t.TempDir(), "notify")
	f.opts.Config.Notify = &monitor.NotifyConfig{Socket: path, Mode: mode}
	f.opts.Config.Stop = &monitor.StopConfig{Signal: int(syscall.SIGTERM), Timeout: time.Minute}
	if mode == monitor.NotifyContainer {
		if err := os.Mkdir(filepath.Join(f.dir, monitor.NotifyDir), 0o755); err != nil {
			f.t.Fatal(err)
		}
	}
	return listenNotify(f.t, path)
}

func TestNotifyConmon(t *testing.T) {
	f := newFixture(t, "sleep", "60")
	m := f.serviced(monitor.NotifyConmon)
	f.ready()
	m.silent() // it is not released
	g := newFixture(t, "sleep", "60")
	m = g.serviced(monitor.NotifyConmon)
	s := g.start()
	if got := m.next(); got != "READY=1" {
		t.Errorf("%q", got)
	}
	g.signalMonitor(syscall.SIGTERM)
	if got := m.next(); got != "STOPPING=1" {
		t.Errorf("%q", got)
	}
	g.wait(s)
}

func TestNotifyAbstract(t *testing.T) {
	f := newFixture(t, "sleep", "60")
	f.serviced(monitor.NotifyConmon)
	f.opts.Config.Notify.Socket = "@monitor-test-" + filepath.Base(filepath.Dir(f.dir))
	m := listenNotify(t, f.opts.Config.Notify.Socket)
	f.start()
	if got := m.next(); got != "READY=1" {
		t.Errorf("%q", got)
	}
}

func TestNotifyHealthy(t *testing.T) {
	f := newFixture(t, "sleep", "60")
	ok := filepath.Join(f.dir, "ok")
	f.checked("test -e "+ok, nil)
	m := f.serviced(monitor.NotifyHealthy)
	f.start()
	f.eventuallyHealth(monitor.HealthUnhealthy)
	m.silent()
	if err := os.WriteFile(ok, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := m.next(); got != "READY=1" {
		t.Errorf("%q", got)
	}
}

// Signs of life come until the container is unhealthy, and again when it has recovered.
func TestNotifyWatchdog(t *testing.T) {
	f := newFixture(t, "sleep", "60")
	bad := filepath.Join(f.dir, "bad")
	f.checked("! test -e "+bad, nil)
	m := f.serviced(monitor.NotifyConmon)
	f.opts.Config.Notify.Watchdog = 20 * time.Millisecond
	f.start()
	for want := range slices.Values([]string{"READY=1", "WATCHDOG=1", "WATCHDOG=1", "WATCHDOG=1"}) {
		if got := m.next(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if err := os.WriteFile(bad, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	f.eventuallyHealth(monitor.HealthUnhealthy)
	m.drain()
	// Some checks later there is still none.
	last := f.eventuallyHealth(monitor.HealthUnhealthy).FailingStreak
	f.eventually("no more checks", func() bool { return f.eventuallyHealth(monitor.HealthUnhealthy).FailingStreak > last+4 })
	m.silent()
	if err := os.Remove(bad); err != nil {
		t.Fatal(err)
	}
	if got := m.next(); got != "WATCHDOG=1" {
		t.Errorf("%q", got)
	}
}

// drain reads what is there.
func (m *manager) drain() {
	_ = m.conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	buf := make([]byte, 8192)
	for {
		if _, err := m.conn.Read(buf); err != nil {
			return
		}
	}
}

func (f *fixture) inside() *net.UnixConn {
	f.t.Helper()
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: filepath.Join(f.dir, monitor.NotifyDir, monitor.NotifySocket), Net: "unixgram"})
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// What the container says is passed on, but for what is the host's.
func TestNotifyContainer(t *testing.T) {
	f := newFixture(t, "sleep", "60")
	m := f.serviced(monitor.NotifyContainer)
	f.start()
	conn := f.inside()
	for said, want := range map[string]string{
		"READY=1\nSTATUS=up and about\nMAINPID=1": "READY=1\nSTATUS=up and about",
		"WATCHDOG=1": "WATCHDOG=1", "EXTEND_TIMEOUT_USEC=5000000": "EXTEND_TIMEOUT_USEC=5000000",
		"MAINPIDFD=1\nSTOPPING=1": "STOPPING=1", "X_READY=1\nRELOADING=1\nMONOTONIC_USEC=7": "RELOADING=1\nMONOTONIC_USEC=7",
	} {
		if _, err := conn.Write([]byte(said)); err != nil {
			t.Fatal(err)
		}
		if got := m.next(); got != want {
			t.Errorf("%q became %q, want %q", said, got, want)
		}
	}
	// None of these is passed on: what comes next is.
	for _, said := range []string{
		"MAINPID=1", "FDSTORE=1", "FDSTOREREMOVE=1\nFDNAME=x", "NOTIFYACCESS=all", "BARRIER=1", "READY", "", "=1", "STATUS=\x1b[31m", "STATUS=\xff", strings.Repeat("STATUS=x\n", 1000), "ready=1",
	} {
		if _, err := conn.Write([]byte(said)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := conn.Write([]byte("STATUS=last")); err != nil {
		t.Fatal(err)
	}
	if got := m.next(); got != "STATUS=last" {
		t.Errorf("%q was passed on", got)
	}
}

// A barrier's descriptor is closed at once: who waits for that goes on. Source: sd_notify_barrier(3).
func TestNotifyBarrier(t *testing.T) {
	f := newFixture(t, "sleep", "60")
	f.serviced(monitor.NotifyContainer)
	f.start()
	conn := f.inside()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	raw, err := conn.File()
	if err == nil {
		err = syscall.Sendmsg(int(raw.Fd()), []byte("BARRIER=1"), syscall.UnixRights(int(w.Fd())), nil, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = raw.Close() }()
	_ = w.Close()
	_ = r.SetReadDeadline(time.Now().Add(20 * time.Second))
	if n, err := r.Read(make([]byte, 1)); n != 0 || err == nil || os.IsTimeout(err) {
		t.Errorf("the barrier is not passed: %v", err)
	}
}

// A flood of messages neither keeps the monitor from its work nor reaches the manager at that rate.
func TestNotifyFlood(t *testing.T) {
	f := shell(t, "trap 'exit 4' TERM; while :; do sleep 0.01; done")
	m := f.serviced(monitor.NotifyContainer)
	s := f.start()
	conn := f.inside()
	done := make(chan int)
	go func() {
		for n := 0; ; n++ {
			if _, err := conn.Write([]byte("STATUS=" + strings.Repeat("x", 1000))); err != nil {
				done <- n
				return
			}
		}
	}()
	begin := time.Now()
	for range 3 * noticeBurst {
		m.next()
	}
	if took := time.Since(begin); took < 2*noticePause {
		t.Errorf("%d messages passed in %v", 3*noticeBurst, took)
	}
	f.signalMonitor(syscall.SIGTERM)
	if rec := f.wait(s); rec.Code != 4 || rec.Cause != monitor.CauseStop {
		t.Errorf("record %+v", rec)
	}
	<-done // the socket is gone, which ends the writer
}

// The monitor is the service's main process, and ends as one.
func TestNotifyExitCode(t *testing.T) {
	dir := t.TempDir()
	s := &server{cfg: monitor.Config{Generation: 3, RunDir: dir}}
	s.status.Code = 5
	want := func(what string, code int) {
		t.Helper()
		if got := s.mainExitCode(); got != code {
			t.Errorf("%s: %d, want %d", what, got, code)
		}
	}
	want("without a service manager", 0)
	s.notifier = &notifier{}
	want("its own end", 5)
	for _, stop := range []struct {
		monitor.Stop
		code int
	}{
		{monitor.Stop{Generation: 2, By: monitor.StopByStop}, 5},
		{monitor.Stop{Generation: 3, By: monitor.StopByHealth}, 5},
		{monitor.Stop{Generation: 3, By: monitor.StopByStop}, 0},
	} {
		if err := monitor.WriteStop(dir, stop.Stop); err != nil {
			t.Fatal(err)
		}
		want(stop.By, stop.code)
	}
	s.ending = monitor.CauseStop
	want("stopped by a signal to the monitor", 0)
}
