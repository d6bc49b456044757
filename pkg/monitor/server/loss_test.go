package server

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/eventlog"
	"github.com/manager-project/manager/pkg/monitor"
)

// keepEvents lets the fixture's monitor keep events, and returns the log.
func (f *fixture) keepEvents() eventlog.Log {
	to := eventlog.Log{Path: filepath.Join(f.t.TempDir(), "events.log")}
	f.opts.Config.Events = &monitor.Events{Log: to, About: eventlog.Event{Type: eventlog.Container, Name: "web"}, Started: eventlog.Start, Ended: eventlog.Died}
	return to
}

// lossEvents are what the events say of a lossy log, a reason each.
func lossEvents(t *testing.T, from eventlog.Log) (reasons []string) {
	t.Helper()
	err := from.Read(context.Background(), eventlog.ReadOptions{FromStart: true}, func(e eventlog.Event) error {
		if e.Status == eventlog.LogLost {
			reasons = append(reasons, e.Name+": "+e.Error)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return reasons
}

// TestLogLoss has a log file that cannot grow for a while, as on a full disk. To the byte, what is not in the log is
// counted, while the container runs and in its exit record, and there is one event.
func TestLogLoss(t *testing.T) {
	const total = 108894 // what seq 20000 writes
	for _, driver := range []string{monitor.LogK8sFile, monitor.LogJSONFile} {
		t.Run(driver, func(t *testing.T) {
			f := shell(t, "read x; seq 20000; echo full; read x; echo after; read x; exit 5")
			f.opts.Config.Stdin, f.opts.Config.Log.Driver = true, driver
			events := f.keepEvents()
			s := f.ready()
			in, typed, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _, _ = in.Close(), typed.Close() }()
			var out output
			a, err := s.Attach(f.ctx(), monitor.AttachOptions{Stdin: in, Stdout: &out, Lossless: true})
			if err != nil {
				t.Fatal(err)
			}
			live, err := s.Start(f.ctx())
			if err != nil {
				t.Fatal(err)
			}
			grow := func(to uint64) {
				t.Helper()
				if err := unix.Prlimit(live.MonitorPID, unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: to, Max: unix.RLIM_INFINITY}, nil); err != nil {
					t.Fatal(err)
				}
				if _, err := typed.WriteString("go on\n"); err != nil {
					t.Fatal(err)
				}
			}
			grow(100_001)
			f.eventually("the container stands still", func() bool { return strings.HasSuffix(out.String(), "\nfull\n") })
			var loss monitor.LogLoss
			f.eventually("the record lags behind", func() bool {
				loss, err = monitor.ReadLogLoss(f.dir)
				return err == nil && int(loss.Bytes)+len(strings.TrimSuffix(f.logText("stdout"), "\n")) >= total+len("full\n")-1
			})
			if loss.Generation != 7 || loss.Since.IsZero() || loss.Error != unix.EFBIG.Error() {
				t.Errorf("%+v", loss)
			}
			grow(unix.RLIM_INFINITY)
			f.eventually("what came after is not in the log", func() bool { return strings.HasSuffix(f.logText("stdout"), "\nafter\n") })
			grow(unix.RLIM_INFINITY)
			res, err := a.Wait(f.ctx())
			if err != nil || res.Exit.Code != 5 || res.Exit.LogLoss == nil {
				t.Fatalf("%+v, %v", res.Exit, err)
			}
			kept := strings.TrimSuffix(f.logText("stdout"), "after\n")
			if lost := int(res.Exit.LogLoss.Bytes); len(kept) < 1000 || uint64(lost) != loss.Bytes || !accounted(kept, lost, total+len("full\n")) {
				t.Errorf("%d bytes in the log, %d lost, %d before", len(kept), lost, loss.Bytes)
			}
			if got := lossEvents(t, events); len(got) != 1 || got[0] != "web: "+unix.EFBIG.Error() {
				t.Errorf("events %q", got)
			}
		})
	}
}

// accounted reports whether what is in the log and what was lost make the whole. The log's last record may have been
// written in part: it is a line then, whose end is not one of the output, or no record at all to a reader of JSON.
func accounted(kept string, lost, whole int) bool {
	missing := whole - len(kept) - lost
	return missing >= -1 && missing <= len("20000\n")
}

// TestOnlyFilesAreRotated has a log that is no file, however much is written there.
func TestOnlyFilesAreRotated(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "fifo")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	reader, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = reader.Close() }()
	b, err := newBuffer()
	if err != nil {
		t.Fatal(err)
	}
	l, err := openFile(&monitor.Config{Log: monitor.LogConfig{Path: path, MaxSize: 200, MaxFile: 3}}, k8sFormat{}, b, func(n int, why string) { t.Errorf("%d bytes lost: %s", n, why) })
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	for range 100 {
		l.begin()
		l.emit(monitor.KindStdout, time.Now().UTC(), []byte("a line"), nil, true)
		l.flush()
	}
	names, err := os.ReadDir(dir)
	if err != nil || len(names) != 1 || names[0].Type() != os.ModeNamedPipe {
		t.Errorf("there is %v, %v", names, err)
	}
}

// TestLossIsToldLater has events on a disk that is full too: the event is kept as soon as there is room.
func TestLossIsToldLater(t *testing.T) {
	f := shell(t, "echo lost; read x; exit 0")
	f.opts.Config.Stdin, f.opts.Config.Log.Path = true, "/dev/full"
	f.keepEvents()
	events := &f.opts.Config.Events.Log
	events.Path = filepath.Join(t.TempDir(), "not", "yet")
	s := f.start()
	f.eventually("nothing is lost", func() bool { _, err := monitor.ReadLogLoss(f.dir); return err == nil })
	if err := os.Mkdir(filepath.Dir(events.Path), 0o700); err != nil {
		t.Fatal(err)
	}
	f.eventually("it is not told", func() bool { return len(lossEvents(t, *events)) > 0 })
	live, err := monitor.ReadLive(f.dir)
	if err == nil {
		err = unix.Kill(live.PID, unix.SIGKILL)
	}
	if err != nil {
		t.Fatal(err)
	}
	if e := f.wait(s); e.LogLoss == nil || e.LogLoss.Bytes != uint64(len("lost\n")) || time.Since(e.LogLoss.Since) < 0 {
		t.Errorf("%+v", e)
	}
	if got := lossEvents(t, *events); len(got) != 1 {
		t.Errorf("events %q", got)
	}
}
