package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/libcontainer/launch"
	"github.com/manager-project/manager/pkg/monitor"
)

// attachTo attaches another client in the background and returns once the monitor has agreed.
func (f *fixture) attachTo(o monitor.AttachOptions) (result func() (monitor.AttachResult, error)) {
	type answer struct {
		r   monitor.AttachResult
		err error
	}
	ch := make(chan answer, 1)
	go func() {
		r, err := monitor.Attach(f.ctx(), f.dir, o)
		ch <- answer{r, err}
	}()
	return func() (monitor.AttachResult, error) {
		a := <-ch
		return a.r, a.err
	}
}

func TestOneByteWrites(t *testing.T) {
	f := shell(t, "i=0; while [ $i -lt 2000 ]; do printf x; i=$((i+1)); done")
	s := f.ready()
	var out output
	a, err := s.Attach(f.ctx(), monitor.AttachOptions{Stdout: &out})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Start(f.ctx()); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Wait(f.ctx()); err != nil {
		t.Fatal(err)
	}
	want := strings.Repeat("x", 2000)
	if out.String() != want || f.logText("stdout") != want {
		t.Errorf("%d bytes shown, %d logged", len(out.String()), len(f.logText("stdout")))
	}
	st, err := os.Stat(f.opts.Config.Log.Path)
	if err != nil || st.Size() > 20*2000 {
		t.Errorf("the log takes %d bytes, %v", st.Size(), err)
	}
}

func TestBinaryAndHugeLines(t *testing.T) {
	data := make([]byte, 3<<20)
	for i := range data {
		data[i] = byte(i * i >> 3)
	}
	for i := 1 << 20; i < 2<<20; i++ {
		data[i] = 0 // a mebibyte without a newline
	}
	in := filepath.Join(t.TempDir(), "in")
	if err := os.WriteFile(in, data, 0o600); err != nil {
		t.Fatal(err)
	}
	f := newFixture(t, "cat", in)
	s := f.ready()
	var out output
	a, err := s.Attach(f.ctx(), monitor.AttachOptions{Stdout: &out, Lossless: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Start(f.ctx()); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Wait(f.ctx()); err != nil {
		t.Fatal(err)
	}
	if out.String() != string(data) {
		t.Error("the client got other bytes")
	}
	if f.logText("stdout") != string(data) {
		t.Error("the log has other bytes")
	}
}

func TestGrandchildHoldsPipe(t *testing.T) {
	f := shell(t, "(sleep 0.05; echo late; sleep 30) & echo early; exit 4")
	s := f.ready()
	var out output
	a, err := s.Attach(f.ctx(), monitor.AttachOptions{Stdout: &out})
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	if _, err := s.Start(f.ctx()); err != nil {
		t.Fatal(err)
	}
	res, err := a.Wait(f.ctx())
	if err != nil || res.Exit.Code != 4 {
		t.Fatalf("%+v, %v", res.Exit, err)
	}
	if d := time.Since(begin); d > 20*time.Second {
		t.Errorf("the exit took %v", d)
	}
	if out.String() != "early\nlate\n" || f.logText("stdout") != "early\nlate\n" {
		t.Errorf("shown %q, logged %q", out.String(), f.logText("stdout"))
	}
}

// TestSlowClient has a client that never reads: it must hold up neither container nor log.
func TestSlowClient(t *testing.T) {
	f := shell(t, "read x; seq 2000000; exit 0")
	f.opts.Config.Stdin = true
	s := f.start()
	block := make(chan struct{})
	slow := f.attachTo(monitor.AttachOptions{Stdin: strings.NewReader("go\n"), Stdout: writerFunc(func(p []byte) (int, error) {
		<-block
		return len(p), nil
	})})
	e := f.wait(s)
	close(block)
	if e.Code != 0 {
		t.Errorf("record %+v", e)
	}
	if _, err := slow(); !errors.Is(err, errdefs.ErrUnavailable) {
		t.Errorf("the slow client: %v", err)
	}
	if got := f.logText("stdout"); len(got) != 14888896 {
		t.Errorf("the log has %d bytes", len(got))
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// TestLosslessHolds has an owner who reads slowly and must get everything.
func TestLosslessHolds(t *testing.T) {
	f := newFixture(t, "seq", "500000")
	s := f.ready()
	n := 0
	a, err := s.Attach(f.ctx(), monitor.AttachOptions{Lossless: true, Stdout: writerFunc(func(p []byte) (int, error) {
		if n == 0 {
			time.Sleep(300 * time.Millisecond)
		}
		n += len(p)
		return len(p), nil
	})})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Start(f.ctx()); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Wait(f.ctx()); err != nil {
		t.Fatal(err)
	}
	if n != 3388895 {
		t.Errorf("the owner got %d bytes", n)
	}
}

func TestStdinHalfClose(t *testing.T) {
	f := newFixture(t, "cat")
	f.opts.Config.Stdin = true
	s := f.ready()
	input := strings.Repeat("0123456789abcdef\n", 100000)
	var out output
	a, err := s.Attach(f.ctx(), monitor.AttachOptions{Stdin: strings.NewReader(input), Stdout: &out, Lossless: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Start(f.ctx()); err != nil {
		t.Fatal(err)
	}
	res, err := a.Wait(f.ctx())
	if err != nil || res.Exit.Code != 0 || out.String() != input {
		t.Errorf("%+v, %v, %d bytes", res.Exit, err, len(out.String()))
	}
}

func TestSeveralAttachers(t *testing.T) {
	f := shell(t, "while read x; do [ $x = end ] && exit 0; echo got $x; echo err >&2; done")
	f.opts.Config.Stdin = true
	s := f.start()
	in1, w1, _ := os.Pipe()
	defer func() { _ = in1.Close() }()
	var outs [3]output
	results := []func() (monitor.AttachResult, error){
		f.attachTo(monitor.AttachOptions{Stdin: in1, Stdout: &outs[0], Stderr: &outs[0]}),
		f.attachTo(monitor.AttachOptions{Stdout: &outs[1]}),
	}
	// Who shows a word that was typed has been attached before then.
	typed := 0
	shown := func(word string, by *output) {
		t.Helper()
		f.eventually("nothing shown", func() bool {
			typed++
			_, _ = w1.WriteString(word + "\n")
			time.Sleep(20 * time.Millisecond)
			return strings.Contains(by.String(), "got "+word+"\n")
		})
		f.eventually("not all shown", func() bool {
			return strings.Count(outs[0].String(), "got ") == typed && strings.Count(outs[0].String(), "err\n") == typed
		})
	}
	shown("one", &outs[1])
	results = append(results, f.attachTo(monitor.AttachOptions{Stdout: &outs[2]}))
	shown("two", &outs[2])
	_, _ = w1.WriteString("end\n")
	for i, r := range results {
		if res, err := r(); err != nil || res.Exit == nil || res.Exit.Code != 0 {
			t.Errorf("client %d: %+v, %v", i, res, err)
		}
	}
	if strings.Contains(outs[1].String(), "err") {
		t.Errorf("standard error goes to who has not asked for it: %q", outs[1].String())
	}
	if strings.Contains(outs[2].String(), "one") {
		t.Errorf("the late client got %q", outs[2].String())
	}
	f.wait(s)
}

func TestDetachKeysAndReattach(t *testing.T) {
	f := shell(t, "read x; echo got $x")
	f.opts.Config.Stdin = true
	f.start().Release()
	keys, err := monitor.ParseDetachKeys(monitor.DefaultDetachKeys)
	if err != nil {
		t.Fatal(err)
	}
	in, w, _ := os.Pipe()
	_, _ = w.WriteString("wo\x10\x11never")
	res, err := monitor.Attach(f.ctx(), f.dir, monitor.AttachOptions{Stdin: in, Stdout: io.Discard, DetachKeys: keys})
	if err != nil || !res.Detached {
		t.Fatalf("%+v, %v", res, err)
	}
	var out output
	res, err = monitor.Attach(f.ctx(), f.dir, monitor.AttachOptions{Stdin: strings.NewReader("rd\n"), Stdout: &out})
	if err != nil || res.Exit == nil || out.String() != "got word\n" {
		t.Errorf("%+v, %v, %q", res, err, out.String())
	}
}

func TestTerminalResizeAndSignal(t *testing.T) {
	f := shell(t, "trap 'stty size; exit 9' TERM; stty size; while :; do sleep 0.02; done")
	f.plan.Terminal = true
	f.opts.Config.ConsoleRows, f.opts.Config.ConsoleColumns = 12, 34
	s := f.ready()
	var out output
	resize, signals := make(chan monitor.Size), make(chan syscall.Signal)
	a, err := s.Attach(f.ctx(), monitor.AttachOptions{Stdout: &out, Resize: resize, Signals: signals})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Start(f.ctx()); err != nil {
		t.Fatal(err)
	}
	f.eventually("no size", func() bool { return strings.Contains(out.String(), "12 34") })
	resize <- monitor.Size{Rows: 56, Columns: 78}
	signals <- syscall.SIGTERM
	res, err := a.Wait(f.ctx())
	if err != nil || res.Exit.Code != 9 || !strings.Contains(out.String(), "56 78") {
		t.Errorf("%+v, %v, %q", res.Exit, err, out.String())
	}
}

// TestSignals has the monitor ignore what the init must not. The stand-in for the init keeps
// what this test was started with.
func TestSignals(t *testing.T) {
	f := shell(t, "grep SigIgn /proc/self/status; sleep 0.3; echo done")
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, ignored, _ := strings.Cut(string(status), "SigIgn:\t")
	ignored, _, _ = strings.Cut(ignored, "\n")
	s := f.start()
	live, err := monitor.ReadLive(f.dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, sig := range []syscall.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGPIPE} {
		if err := syscall.Kill(live.MonitorPID, sig); err != nil {
			t.Fatal(err)
		}
	}
	f.wait(s)
	if got := f.logText("stdout"); got != "SigIgn:\t"+ignored+"\ndone\n" {
		t.Errorf("the init said %q", got)
	}
}

func TestTimeout(t *testing.T) {
	f := newFixture(t, "sleep", "30")
	f.opts.Config.Timeout = 50 * time.Millisecond
	if e := f.wait(f.start()); e.Cause != monitor.CauseTimeout || e.Code != 137 {
		t.Errorf("record %+v", e)
	}
}

func TestOOMCause(t *testing.T) {
	for text, want := range map[string]string{
		"low 0\noom 1\noom_kill 2\n":                    monitor.CauseOOM,
		"oom_kill_disable 0\nunder_oom 0\noom_kill 0\n": monitor.CauseSignal,
	} {
		f := shell(t, "kill -9 $$")
		f.opts.Config.MemoryEvents = filepath.Join(f.dir, "events")
		if err := os.WriteFile(f.opts.Config.MemoryEvents, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if e := f.wait(f.start()); e.Cause != want || e.OOMKilled != (want == monitor.CauseOOM) {
			t.Errorf("%q: record %+v", text, e)
		}
	}
}

func TestCleanupCommand(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(f *fixture, s *monitor.Session)
		want bool
	}{
		{"released", func(_ *fixture, s *monitor.Session) { s.Release() }, true},
		{"owner gone after the exit", func(f *fixture, s *monitor.Session) { f.wait(s); s.Release() }, true},
		{"owner cleaned up", func(f *fixture, s *monitor.Session) { f.wait(s); _ = s.Done() }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := shell(t, "sleep 0.1")
			mark := filepath.Join(t.TempDir(), "mark")
			f.opts.Config.CleanupCommand = []string{"/bin/sh", "-c", "echo $WORD > " + mark}
			f.opts.Config.CleanupEnv = []string{"WORD=cleaned"}
			s := f.start()
			tt.end(f, s)
			f.eventuallyDead()
			if !tt.want {
				time.Sleep(200 * time.Millisecond)
				if _, err := os.Stat(mark); err == nil {
					t.Error("cleaned up twice")
				}
				return
			}
			f.eventually("not cleaned up", func() bool { b, _ := os.ReadFile(mark); return string(b) == "cleaned\n" })
		})
	}
}

func TestWaitWithoutSession(t *testing.T) {
	f := shell(t, "sleep 0.2; exit 6")
	f.start().Release()
	for _, when := range []string{"running", "ended"} {
		e, err := monitor.Wait(f.ctx(), f.dir)
		if err != nil || e.Code != 6 {
			t.Errorf("%s: %+v, %v", when, e, err)
		}
	}
	if _, err := monitor.Wait(f.ctx(), t.TempDir()); !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("never started: %v", err)
	}
	if _, err := monitor.Attach(f.ctx(), f.dir, monitor.AttachOptions{Stdout: io.Discard}); !errors.Is(err, errdefs.ErrState) {
		t.Errorf("attach after the end: %v", err)
	}
}

func TestRotation(t *testing.T) {
	f := newFixture(t, "seq", "20000")
	f.opts.Config.Log.MaxSize, f.opts.Config.Log.MaxFile = 200<<10, 2
	f.wait(f.start())
	var want bytes.Buffer
	for i := range 20000 {
		fmt.Fprintln(&want, i+1)
	}
	got := f.logText("stdout")
	if len(got) < 5000 || !strings.HasSuffix(want.String(), "\n"+got) {
		t.Errorf("the log has %d bytes from %.20q", len(got), got)
	}
	for _, name := range []string{"", ".1"} {
		st, err := os.Stat(f.opts.Config.Log.Path + name)
		if err != nil || st.Size() > 200<<10 {
			t.Errorf("size %v, %v", st, err)
		}
	}
}

func TestLogThatCannotBeOpened(t *testing.T) {
	for _, c := range []monitor.LogConfig{
		{Driver: monitor.LogK8sFile, Path: "/no/such/directory/ctr.log"},
		{Driver: "sundial", Path: "/dev/null"},
	} {
		f := newFixture(t, "true")
		f.opts.Config.Log = c
		s := f.spawn()
		_, err := s.Start(f.ctx())
		var fail *launch.Failure
		if !errors.As(err, &fail) || fail.Stage != "log" || fail.ExitCode() != 125 {
			t.Errorf("%+v: %v", c, err)
		}
		s.Release()
		f.eventuallyDead()
	}
}

// TestFullDisk has a log that takes nothing; the container and its clients must not notice.
func TestFullDisk(t *testing.T) {
	f := newFixture(t, "seq", "100000")
	f.opts.Config.Log.Path = "/dev/full"
	events := f.keepEvents()
	s := f.ready()
	var out output
	a, err := s.Attach(f.ctx(), monitor.AttachOptions{Stdout: &out, Lossless: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Start(f.ctx()); err != nil {
		t.Fatal(err)
	}
	if res, err := a.Wait(f.ctx()); err != nil || res.Exit.Code != 0 || len(out.String()) != 588895 ||
		res.Exit.LogLoss == nil || res.Exit.LogLoss.Bytes != 588895 {
		t.Errorf("%+v, %v, %d bytes", res.Exit, err, len(out.String()))
	}
	if got := lossEvents(t, events); len(got) != 1 {
		t.Errorf("events %q", got)
	}
}

func TestSecondMonitorIsRefused(t *testing.T) {
	f := shell(t, "read x; echo first")
	f.opts.Config.Stdin = true
	f.start().Release()
	mark := filepath.Join(t.TempDir(), "mark")
	g := shell(t, "true")
	g.opts.Config.RunDir = f.dir
	g.opts.Config.CleanupCommand = []string{"/bin/sh", "-c", "echo > " + mark}
	s := g.spawn()
	if _, err := s.Ready(f.ctx()); err == nil || !strings.Contains(err.Error(), "another monitor") {
		t.Errorf("second monitor: %v", err)
	}
	s.Release()
	var out output
	if _, err := monitor.Attach(f.ctx(), f.dir, monitor.AttachOptions{Stdin: strings.NewReader("x\n"), Stdout: &out}); err != nil || out.String() != "first\n" {
		t.Errorf("the first: %q, %v", out.String(), err)
	}
	if _, err := os.Stat(mark); err == nil {
		t.Error("the refused monitor cleaned up")
	}
}

func TestJSONLog(t *testing.T) {
	f := newFixture(t, "printf", `a "q"\\ \000 é 🙂\nlast`)
	f.opts.Config.Log.Driver = monitor.LogJSONFile
	f.wait(f.start())
	if got := f.logText("stdout"); got != "a \"q\"\\ \x00 é 🙂\nlast" {
		t.Errorf("%q", got)
	}
}

func TestKilledOwner(t *testing.T) {
	// The owner's death is its connection's end; a process of its own shows it for real.
	if os.Getenv("MONITOR_TEST_OWNER") != "" {
		ownerMain(t)
		return
	}
	for _, when := range []string{"before", "after"} {
		t.Run(when, func(t *testing.T) {
			dir := t.TempDir()
			cmd := exec.Command("/proc/self/exe", "-test.run=^TestKilledOwner$")
			cmd.Env = append(os.Environ(), "MONITOR_TEST_OWNER="+when, "MONITOR_TEST_DIR="+dir, "TMPDIR="+t.TempDir())
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			f := &fixture{t: t, dir: dir}
			f.eventually("not there", func() bool { _, err := os.Stat(filepath.Join(dir, "killme")); return err == nil })
			live, err := monitor.ReadLive(dir)
			if err != nil {
				t.Fatal(err)
			}
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			if when == "before" {
				f.eventuallyDead()
				if err := syscall.Kill(live.PID, 0); err != syscall.ESRCH {
					t.Errorf("init: %v", err)
				}
				return
			}
			var out output
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			defer cancel()
			if _, err := monitor.Attach(ctx, dir, monitor.AttachOptions{Stdin: strings.NewReader("x\n"), Stdout: &out}); err != nil || out.String() != "still here\n" {
				t.Errorf("%q, %v", out.String(), err)
			}
		})
	}
}

func ownerMain(t *testing.T) {
	f := shell(t, "read x; echo still here")
	f.dir = os.Getenv("MONITOR_TEST_DIR")
	f.opts.Config.RunDir, f.opts.Config.Stdin = f.dir, true
	f.opts.Config.Log.Path = filepath.Join(f.dir, "ctr.log")
	if os.Getenv("MONITOR_TEST_OWNER") == "before" {
		f.ready()
	} else {
		f.start()
	}
	_ = os.WriteFile(filepath.Join(f.dir, "killme"), nil, 0o600)
	time.Sleep(time.Minute)
}

// TestLabelledPipes: pipes with an SELinux label are pipes like others, to the last byte, and their names are gone.
func TestLabelledPipes(t *testing.T) {
	const label = "u:object_r:f:s0"
	if err := unix.Setxattr(t.TempDir(), "security.selinux", []byte(label), 0); err != nil {
		t.Skip("labels cannot be written here: ", err)
	}
	f := shell(t, "cat; echo err >&2; echo again >/dev/stdout")
	f.opts.Config.PipeLabel, f.opts.Config.Stdin = label, true
	s := f.ready()
	live, err := monitor.ReadLive(f.dir)
	if err != nil {
		t.Fatal(err)
	}
	for fd := range 3 {
		buf := make([]byte, 256)
		n, err := unix.Getxattr(fmt.Sprintf("/proc/%d/fd/%d", live.PID, fd), "security.selinux", buf)
		if err != nil || strings.TrimRight(string(buf[:n]), "\x00") != label {
			t.Errorf("descriptor %d: %q, %v", fd, buf[:max(n, 0)], err)
		}
	}
	if left, err := filepath.Glob(filepath.Join(f.dir, "pipe-*")); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
	text := strings.Repeat("0123456789abcde\n", 20000)
	var out, errs output
	a, err := s.Attach(f.ctx(), monitor.AttachOptions{Stdin: strings.NewReader(text), Stdout: &out, Stderr: &errs})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Start(f.ctx()); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Wait(f.ctx()); err != nil {
		t.Fatal(err)
	}
	if out.String() != text+"again\n" || errs.String() != "err\n" {
		t.Errorf("%d bytes of output, %q", len(out.String()), errs.String())
	}
}
