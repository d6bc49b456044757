package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/manager-project/manager/libpod/logs"
	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/monitor"
)

// sleeper attaches a client that reads the first bytes and then none until wake.
func (f *fixture) sleeper(wake <-chan struct{}) (result func() (monitor.AttachResult, error)) {
	f.t.Helper()
	attached := make(chan struct{})
	var once sync.Once
	result = f.attachTo(monitor.AttachOptions{Stdout: writerFunc(func(p []byte) (int, error) {
		once.Do(func() { close(attached) })
		<-wake
		return len(p), nil
	})})
	select {
	case <-attached:
	case <-f.ctx().Done():
		f.t.Fatal("no output for the sleeper")
	}
	return result
}

// TestFloodWithSleepers has a container write at full speed for seconds while twelve attached clients
// never read. It does not stand still, and the monitor's memory stays where it was.
func TestFloodWithSleepers(t *testing.T) {
	f := newReal(t, "yes", strings.Repeat("0123456789", 10))
	f.opts.Config.Log.MaxSize, f.opts.Config.Log.MaxFile = 4<<20, 2
	s := f.start()
	wake := make(chan struct{})
	var sleepers []func() (monitor.AttachResult, error)
	for range 12 { // together more than maxBehindAll
		sleepers = append(sleepers, f.sleeper(wake))
	}
	live, err := monitor.ReadLive(f.dir)
	if err != nil {
		t.Fatal(err)
	}
	// For seconds, and until the program has written what is far more than all buffers.
	began, written := time.Now(), 0
	f.eventually("the container does not get on", func() bool {
		st, err := os.Stat(f.opts.Config.Log.Path)
		if err == nil && st.Size() > 4<<20 {
			t.Fatalf("a log file had %d bytes", st.Size())
		}
		written = procNumber(t, live.PID, "io", "wchar")
		return time.Since(began) > 3*time.Second && written > 64<<20
	})
	peak := procNumber(t, live.MonitorPID, "status", "VmHWM")
	t.Logf("the container wrote %d MB, the monitor's peak is %d kB", written>>20, peak)
	if peak > 16<<10 {
		t.Errorf("the monitor took %d kB", peak)
	}
	if err := syscall.Kill(live.PID, syscall.SIGKILL); err != nil {
		t.Error(err)
	}
	f.wait(s)
	close(wake)
	for i, result := range sleepers {
		if _, err := result(); !errors.Is(err, errdefs.ErrUnavailable) || errdefs.Hint(err) == "" {
			t.Errorf("sleeper %d: %v", i, err)
		}
	}
}

// procNumber is a field of a file of /proc/PID.
func procNumber(t *testing.T, pid int, file, field string) int {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, file))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); f[0] == field+":" {
			n, _ := strconv.Atoi(f[1])
			return n
		}
	}
	t.Fatalf("no %s of %d", field, pid)
	return 0
}

// TestUnreadStdin fills the standard input of a program that never reads it. Signals and sizes still
// arrive, the client can leave, and another one can come.
func TestUnreadStdin(t *testing.T) {
	f := shell(t, "trap 'stty size <&1; exit 9' TERM; echo ready; while :; do sleep 0.02; done")
	f.opts.Config.Stdin = true
	s := f.ready()
	var out output
	signals := make(chan syscall.Signal)
	taken := make(chan struct{})
	var n atomic.Int64
	input := readerFunc(func(p []byte) (int, error) {
		// More than all buffers on the way hold: this client's Read returns no more once they are full.
		if n.Add(int64(len(p))) > 64<<10 {
			select {
			case <-taken:
			default:
				close(taken)
			}
		}
		return len(p), nil
	})
	a, err := s.Attach(f.ctx(), monitor.AttachOptions{Stdin: input, Stdout: &out, Signals: signals})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Start(f.ctx()); err != nil {
		t.Fatal(err)
	}
	<-taken
	f.eventually("input is taken", func() bool {
		before := n.Load()
		time.Sleep(100 * time.Millisecond)
		return n.Load() == before && strings.Contains(out.String(), "ready")
	})
	signals <- syscall.SIGTERM
	if res, err := a.Wait(f.ctx()); err != nil || res.Exit == nil || res.Exit.Code != 9 {
		t.Errorf("%+v, %v", res.Exit, err)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// TestTwoTerminalsResize has two clients of one terminal change its size: the last one counts.
func TestTwoTerminalsResize(t *testing.T) {
	f := shell(t, "trap 'stty size' WINCH; echo ready; while :; do sleep 0.02; done")
	f.plan.Terminal = true
	s := f.ready()
	var first output
	if _, err := s.Attach(f.ctx(), monitor.AttachOptions{Stdout: &first}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Start(f.ctx()); err != nil {
		t.Fatal(err)
	}
	f.eventually("it is not ready", func() bool { return strings.Contains(first.String(), "ready") })
	var outs [2]output
	var sizes [2]chan monitor.Size
	for i := range sizes {
		sizes[i] = make(chan monitor.Size)
		f.attachTo(monitor.AttachOptions{Stdout: &outs[i], Resize: sizes[i]})
		sizes[i] <- monitor.Size{Rows: 5, Columns: uint16(7 + i)} // taken once it is attached
	}
	// A client that comes with the size that there is gets a picture, too.
	sizes[0] <- monitor.Size{Rows: 6, Columns: 6}
	f.eventually("6 6 is not shown", func() bool { return strings.Contains(outs[1].String(), "6 6\r\n") })
	var third output
	size := make(chan monitor.Size)
	f.attachTo(monitor.AttachOptions{Stdout: &third, Resize: size})
	size <- monitor.Size{Rows: 6, Columns: 6}
	f.eventually("6 6 is not shown to the third", func() bool { return strings.Contains(third.String(), "6 6\r\n") })
	for i, z := range []monitor.Size{{Rows: 10, Columns: 20}, {Rows: 30, Columns: 40}, {Rows: 50, Columns: 60}, {Rows: 70, Columns: 80}} {
		sizes[i%2] <- z
		want := fmt.Sprintf("%d %d\r\n", z.Rows, z.Columns)
		for j := range outs {
			f.eventually(want+" is not shown", func() bool { return strings.Contains(outs[j].String(), want) })
		}
	}
}

// TestFollowersAcrossRotation has several readers follow the log of a container that writes as fast as it
// can through many rotations; one of them dawdles.
func TestFollowersAcrossRotation(t *testing.T) {
	f := newFixture(t, "seq", "200000")
	f.opts.Config.Log.MaxSize, f.opts.Config.Log.MaxFile = 256<<10, 64
	s := f.ready()
	done := make(chan struct{})
	var wait sync.WaitGroup
	var outs [3]bytes.Buffer
	for i := range outs {
		wait.Go(func() {
			n := 0
			err := logs.Read(f.ctx(), logs.Options{
				Path: f.opts.Config.Log.Path, Files: 64, Driver: logs.K8sFile, Tail: logs.All, Follow: true, Done: done,
				Lost: func() { t.Error("lines were lost") },
			}, func(l logs.Line) error {
				if n++; i == 2 && n%20000 == 0 {
					time.Sleep(20 * time.Millisecond)
				}
				outs[i].Write(l.Text)
				if !l.Partial {
					outs[i].WriteByte('\n')
				}
				return nil
			})
			if err != nil {
				t.Errorf("reader %d: %v", i, err)
			}
		})
	}
	if _, err := s.Start(f.ctx()); err != nil {
		t.Fatal(err)
	}
	f.wait(s)
	close(done)
	wait.Wait()
	var want bytes.Buffer
	for i := range 200000 {
		fmt.Fprintln(&want, i+1)
	}
	for i := range outs {
		if !bytes.Equal(outs[i].Bytes(), want.Bytes()) {
			t.Errorf("reader %d got %d bytes, not %d", i, outs[i].Len(), want.Len())
		}
	}
	files, err := filepath.Glob(f.opts.Config.Log.Path + ".*")
	if err != nil || len(files) < 10 {
		t.Errorf("only %d rotations, %v", len(files), err)
	}
}

// TestLogFiles keeps as many files as asked for, each full, and reads them as one.
func TestLogFiles(t *testing.T) {
	for _, files := range []int{1, 2, 5} {
		f := newFixture(t, "seq", "20000")
		f.opts.Config.Log.MaxSize, f.opts.Config.Log.MaxFile = 64<<10, files
		f.wait(f.start())
		found, err := filepath.Glob(f.opts.Config.Log.Path + "*")
		if err != nil || len(found) != files {
			t.Errorf("%d files: %v, %v", files, found, err)
		}
		for _, path := range found {
			st, err := os.Stat(path)
			if err != nil || st.Size() > 64<<10 || path != f.opts.Config.Log.Path && st.Size() < 60<<10 {
				t.Errorf("%s: %v, %v", path, st.Size(), err)
			}
		}
		var want bytes.Buffer
		for i := range 20000 {
			fmt.Fprintln(&want, i+1)
		}
		got := f.logText("stdout")
		if !strings.HasSuffix(want.String(), "\n"+got) || len(got) < (files-1)*6000 {
			t.Errorf("%d files have %d bytes from %.20q", files, len(got), got)
		}
	}
}

// TestRotationWithoutRoom cannot make the next file: the old one grows on, the others stay, and the new one
// comes as soon as it can.
func TestRotationWithoutRoom(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ctr.log")
	b, err := newBuffer()
	if err != nil {
		t.Fatal(err)
	}
	l, err := openFile(&monitor.Config{Log: monitor.LogConfig{Path: path, MaxSize: 200, MaxFile: 3}}, k8sFormat{}, b, func(int, string) {})
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	line := func(text string) {
		l.begin()
		l.emit(monitor.KindStdout, time.Now(), []byte(text), nil, true)
		l.flush()
	}
	long := strings.Repeat("x", 120)
	line("1" + long)
	line("2" + long)
	l.path = filepath.Join(path, "not-a-directory") // neither renamed to nor made
	line("3" + long)
	l.path, l.moved = path, true // as if it had been renamed before the failure
	if err := os.Rename(path, path+".9"); err != nil {
		t.Fatal(err)
	}
	line("4" + long)
	for name, want := range map[string]string{path: "4", path + ".1": "1", path + ".9": "23"} {
		text, err := os.ReadFile(name)
		got := ""
		for l := range strings.Lines(string(text)) {
			if _, rest, ok := strings.Cut(l, " F "); ok {
				got += rest[:1]
			}
		}
		if err != nil || got != want {
			t.Errorf("%s has %q, not %q: %v", filepath.Base(name), got, want, err)
		}
	}
}

// TestJSONAttributes has tag and labels with each record, and still Docker's fields.
func TestJSONAttributes(t *testing.T) {
	f := newFixture(t, "printf", `a\nb "c"\n`)
	f.opts.Config.Log.Driver, f.opts.Config.Log.Tag, f.opts.Config.Log.Labels = monitor.LogJSONFile, `my "tag"`, []string{"A=x=y", "B="}
	f.wait(f.start())
	text, err := os.ReadFile(f.opts.Config.Log.Path)
	if err != nil || strings.Count(string(text), `","stream":"stdout","attrs":{"tag":"my \"tag\"","A":"x=y","B":""},"time":"`) != 2 {
		t.Errorf("%s, %v", text, err)
	}
	if got := f.logText("stdout"); got != "a\nb \"c\"\n" {
		t.Errorf("read back: %q", got)
	}
}

// TestStdinAsAsked has a client that sends input and leaves without an end, as one that is killed does. With
// StdinOnce the program's input ends there; without it the next client goes on.
func TestStdinAsAsked(t *testing.T) {
	for _, once := range []bool{true, false} {
		f := shell(t, "while read x; do echo got $x; done; echo end")
		f.opts.Config.Stdin, f.opts.Config.StdinOnce = true, once
		s := f.start()
		in, typed, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		var first output
		ctx, leave := context.WithCancel(f.ctx())
		left := make(chan error, 1)
		go func() {
			_, err := monitor.Attach(ctx, f.dir, monitor.AttachOptions{Stdin: in, Stdout: &first})
			left <- err
		}()
		if _, err := typed.WriteString("one\n"); err != nil {
			t.Fatal(err)
		}
		f.eventually("the first client sees nothing", func() bool { return strings.Contains(first.String(), "got one\n") })
		leave()
		if err := <-left; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		want := "got one\nend\n"
		if !once {
			want = "got one\ngot two\nend\n"
			if _, err := monitor.Attach(f.ctx(), f.dir, monitor.AttachOptions{Stdin: strings.NewReader("two\n")}); err != nil {
				t.Errorf("the second client: %v", err)
			}
		}
		f.wait(s)
		if got := f.logText("stdout"); got != want {
			t.Errorf("once %v: %q, not %q", once, got, want)
		}
		_, _ = in.Close(), typed.Close()
	}
}
