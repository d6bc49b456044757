package container

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/manager-project/manager/cmd/manager/cli/command"
	"github.com/manager-project/manager/cmd/manager/cli/flags"
	"github.com/manager-project/manager/libpod"
	"github.com/manager-project/manager/libpod/logs"
	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/spec"
	"github.com/spf13/pflag"
)

// fakeCore records calls and knows the containers "a", "b" and "up"; "up" runs.
type fakeCore struct {
	mu    sync.Mutex
	calls []string
	run   libpod.RunReport
	exec  libpod.ExecReport
	got   libpod.ExecOptions
	lines []logs.Line
}

func (f *fakeCore) note(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, fmt.Sprintf(format, args...))
}

func (f *fakeCore) Select(_ context.Context, s libpod.Selection) ([]string, error) {
	if s.All {
		return []string{"id-a", "id-b"}, nil
	}
	if s.Latest {
		return []string{"id-b"}, nil
	}
	var ids []string
	for _, n := range s.Names {
		switch {
		case slices.Contains([]string{"a", "b", "up"}, n):
			ids = append(ids, "id-"+n)
		case !s.Ignore:
			return ids, errdefs.NotFound("container", n)
		}
	}
	return ids, nil
}

func (f *fakeCore) Stop(_ context.Context, id string, o libpod.StopOptions) (libpod.StopReport, error) {
	if o.Timeout == nil {
		f.note("stop %s", id)
	} else {
		f.note("stop %s %d", id, *o.Timeout)
	}
	return libpod.StopReport{}, nil
}

func (f *fakeCore) RemovalRounds(context.Context, []string) (map[string]int, error) { return nil, nil }

func (f *fakeCore) Remove(_ context.Context, id string, o libpod.RemoveOptions) ([]string, error) {
	if id == "id-up" && !o.Force {
		return nil, errdefs.New(errdefs.ErrState, "container", "up", "it is running")
	}
	f.note("rm %s force=%t volumes=%t", id, o.Force, o.Volumes)
	return []string{id}, nil
}

func (f *fakeCore) Run(_ context.Context, req *spec.Request, o libpod.RunOptions) (libpod.RunReport, error) {
	f.note("run %s %v attached=%t", req.Image, req.Command, o.Streams != nil)
	return f.run, nil
}

func (f *fakeCore) Exec(_ context.Context, id string, o libpod.ExecOptions) (libpod.ExecReport, error) {
	f.note("exec %s", id)
	f.got = o
	return f.exec, nil
}

func (f *fakeCore) Wait(_ context.Context, id string, _ libpod.WaitOptions) (int, error) {
	return len(id), nil
}

func (f *fakeCore) Inspect(_ context.Context, id string) (libpod.Record, error) {
	return libpod.Record{Config: &spec.Config{Name: strings.TrimPrefix(id, "id-")}}, nil
}

func (f *fakeCore) Logs(_ context.Context, _ string, _ libpod.LogsOptions, each func(logs.Line) error) error {
	for _, l := range f.lines {
		if err := each(l); err != nil {
			return err
		}
	}
	return nil
}

func newApp() (*command.App, *bytes.Buffer, *bytes.Buffer) {
	var out, errOut bytes.Buffer
	return &command.App{In: os.Stdin, Out: &out, Err: &errOut}, &out, &errOut
}

func TestStopGoesOnAfterAnError(t *testing.T) {
	app, out, _ := newApp()
	core := &fakeCore{}
	two := uint(2)
	err := stop(t.Context(), app, core, libpod.Selection{Names: []string{"a", "nope", "b"}}, &two)
	if !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("error %v", err)
	}
	slices.Sort(core.calls)
	if want := []string{"stop id-a 2", "stop id-b 2"}; !slices.Equal(core.calls, want) {
		t.Errorf("calls %q", core.calls)
	}
	if out.String() != "a\nb\n" {
		t.Errorf("printed %q", out.String())
	}
}

func TestRemoveCodes(t *testing.T) {
	codes := Rm().Codes
	for _, c := range []struct {
		names []string
		force bool
		code  int
		out   string
	}{
		{[]string{"a"}, false, 0, "a\n"},
		{[]string{"nope"}, false, 1, ""},
		{[]string{"nope", "a"}, false, 1, "a\n"},
		{[]string{"up"}, false, 2, ""},
		{[]string{"nope", "up"}, false, 2, ""},
		{[]string{"nope", "up"}, true, 0, "up\n"},
	} {
		app, out, _ := newApp()
		err := remove(t.Context(), app, &fakeCore{}, libpod.Selection{Names: c.names}, libpod.RemoveOptions{Force: c.force})
		if code := command.Code(err, codes); code != c.code || out.String() != c.out {
			t.Errorf("rm %v force=%t: code %d %q, want %d %q", c.names, c.force, code, out.String(), c.code, c.out)
		}
	}
}

func TestRun(t *testing.T) {
	for _, c := range []struct {
		detach bool
		report libpod.RunReport
		code   int
		out    string
	}{
		{false, libpod.RunReport{ID: "x"}, 0, ""},
		{false, libpod.RunReport{ID: "x", ExitCode: 7}, 7, ""},
		{false, libpod.RunReport{ID: "x", ExitCode: 7, Detached: true}, 0, ""},
		{true, libpod.RunReport{ID: "x", ExitCode: 7, Detached: true}, 0, "x\n"},
	} {
		app, out, _ := newApp()
		core := &fakeCore{run: c.report}
		req := newRequest()
		req.Image, req.Command, req.Life.Detach = "img", []string{"ls"}, c.detach
		err := run(t.Context(), app, core, req, nil)
		if code := command.Code(err, nil); code != c.code || out.String() != c.out {
			t.Errorf("%+v: code %d %q", c, code, out.String())
		}
		if want := fmt.Sprintf("run img [ls] attached=%t", !c.detach); core.calls[0] != want {
			t.Errorf("call %q, want %q", core.calls[0], want)
		}
	}
}

// parse binds a command's table and parses args as cobra would.
func parse(t *testing.T, table []flags.Flag, args ...string) (*pflag.FlagSet, error) {
	t.Helper()
	fs := pflag.NewFlagSet("test", pflag.ContinueOnError)
	fs.SetInterspersed(false)
	flags.Bind(fs, table)
	if err := fs.Parse(args); err != nil {
		return fs, err
	}
	return fs, flags.Check(fs, table)
}

func TestRunFlagsFillTheRequest(t *testing.T) {
	req := newRequest()
	fs, err := parse(t, append(createFlags(req), runOnlyFlags(req)...),
		"-it", "--rm", "-e", "A=1,2", "-e", "B", "-v", "/a:/b", "--cap-add", "x,y", "--entrypoint", "", "--net", "none",
		"-m", "10m", "--pids-limit", "-1", "--stop-timeout=0", "--restart", "on-failure:3", "--tls-verify=false", "-c", "5",
		"--detach-keys=", "--pull", "missing", "--oom-score-adj", "-5", "img", "sh", "-c", "x")
	if err != nil {
		t.Fatal(err)
	}
	want := newRequest()
	empty, limit, stopTimeout, no, adj := "", int64(-1), uint(0), false, -5
	want.Process.TTY, want.Process.Interactive, want.Life.Remove = true, true, true
	want.Process.Env = []string{"A=1,2", "B"}
	want.Mounts.Volume = []string{"/a:/b"}
	want.Security.CapAdd = []string{"x", "y"}
	want.Process.Entrypoint, want.Life.DetachKeys = &empty, &empty
	want.Net.Network = []string{"none"}
	want.Limits.Memory, want.Limits.PidsLimit, want.Limits.CPUShares = "10m", &limit, 5
	want.Life.StopTimeout, want.Life.TLSVerify, want.Life.Pull, want.Life.Restart = &stopTimeout, &no, "missing", "on-failure:3"
	want.Process.OOMScoreAdj = &adj
	if d := cmp.Diff(want, req); d != "" {
		t.Error(d)
	}
	if got := fs.Args(); !slices.Equal(got, []string{"img", "sh", "-c", "x"}) {
		t.Errorf("arguments %q", got)
	}
}

func TestRefusedFlags(t *testing.T) {
	for _, args := range [][]string{
		{"--pod", "p"},
		{"--secret", "s"},
		{"--decryption-key", "k"},
		{"--conmon-pidfile", "f"},
		{"--disable-content-trust=false"},
		{"--ip", "1.2.3.4"},
		{"--mac-address", "x"},
	} {
		req := newRequest()
		if _, err := parse(t, append(createFlags(req), runOnlyFlags(req)...), args...); !errors.Is(err, errdefs.ErrUnsupported) {
			t.Errorf("%q: %v", args, err)
		}
	}
	for _, args := range [][]string{{"--userns", "host"}, {"--disable-content-trust"}} {
		req := newRequest()
		if _, err := parse(t, append(createFlags(req), runOnlyFlags(req)...), args...); err != nil {
			t.Errorf("%q: %v", args, err)
		}
	}
}

func TestExec(t *testing.T) {
	var o execOptions
	fs, err := parse(t, execFlags(&o), "-u", "7", "--preserve-fds", "2", "-e", "A=1", "a", "ls", "-l")
	if err != nil {
		t.Fatal(err)
	}
	name, err := execTarget(&o, fs.Args())
	if err != nil {
		t.Fatal(err)
	}
	app, _, _ := newApp()
	core := &fakeCore{exec: libpod.ExecReport{ExitCode: 3}}
	if err := execIn(t.Context(), app, core, name, o); command.Code(err, nil) != 3 {
		t.Errorf("error %v", err)
	}
	if core.got.User != "7" || !slices.Equal(core.got.Command, []string{"ls", "-l"}) || !slices.Equal(core.got.PreserveFDs, []uint{3, 4}) || core.got.Streams == nil || core.got.Streams.Stdin != nil {
		t.Errorf("options %+v", core.got)
	}
	app, out, _ := newApp()
	core = &fakeCore{exec: libpod.ExecReport{SessionID: "s1"}}
	o.Detach = true
	if err := execIn(t.Context(), app, core, name, o); err != nil || out.String() != "s1\n" || core.got.Streams != nil {
		t.Errorf("detached: %v %q", err, out.String())
	}
}

func TestWaitPrintsCodes(t *testing.T) {
	app, out, _ := newApp()
	o := waitOptions{selection: libpod.Selection{Names: []string{"a", "nope", "up"}}, interval: "10"}
	w, err := o.coreOptions()
	if err != nil {
		t.Fatal(err)
	}
	if err := wait(t.Context(), app, &fakeCore{}, o, w); !errors.Is(err, errdefs.ErrNotFound) || out.String() != "4\n5\n" {
		t.Errorf("%v %q", err, out.String())
	}
	o.selection.Ignore = true
	out.Reset()
	if err := wait(t.Context(), app, &fakeCore{}, o, w); err != nil || out.String() != "-1\n4\n5\n" {
		t.Errorf("--ignore: %v %q", err, out.String())
	}
}

func TestLogsStreams(t *testing.T) {
	core := &fakeCore{lines: []logs.Line{
		{Stream: "stdout", Text: []byte("one"), Partial: true}, {Stream: "stdout", Text: []byte("two")}, {Stream: "stderr", Text: []byte("bad")},
	}}
	app, out, errOut := newApp()
	if err := showLogs(t.Context(), app, core, libpod.Selection{Names: []string{"a"}}, logsOptions{}); err != nil {
		t.Fatal(err)
	}
	if out.String() != "onetwo\n" || errOut.String() != "bad\n" {
		t.Errorf("%q %q", out.String(), errOut.String())
	}
}
