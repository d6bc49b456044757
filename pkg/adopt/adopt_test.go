package adopt

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestMain lets the test program send a terminal, as a runtime does: argv is "send-terminal SOCKET".
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "send-terminal" {
		if err := sendTerminal(os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func sendTerminal(path string) error {
	f, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return err
	}
	conn, err := net.Dial("unix", path)
	if err != nil {
		return err
	}
	_, _, err = conn.(*net.UnixConn).WriteMsgUnix([]byte("/dev/ptmx"), unix.UnixRights(int(f.Fd())), nil)
	return err
}

// script is a command that runs a shell script; $PID is the pid file, $LOG the log.
func script(t *testing.T, text string) Command {
	t.Helper()
	dir := t.TempDir()
	c := Command{
		Argv: []string{"/bin/sh", "-c", text}, PIDFile: filepath.Join(dir, "pid"), Log: filepath.Join(dir, "log"), Alone: true,
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c.Env = []string{"PATH=" + os.Getenv("PATH"), "PID=" + c.PIDFile, "LOG=" + c.Log, "SELF=" + self}
	return c
}

// leave is the part of a script that leaves a process behind.
const leave = `sh -c 'sleep 0.2; exit 7' & echo $! >$PID`

func TestAdopts(t *testing.T) {
	c, err := Start(script(t, leave))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Signal(unix.SIGKILL); !errors.Is(err, unix.ESRCH) {
		t.Errorf("a signal before it is there: %v", err)
	}
	if _, err := c.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	if start, err := c.StartTime(); err != nil || start == 0 || c.PID() <= 1 {
		t.Errorf("process %d, start %d, %v", c.PID(), start, err)
	}
	for range 2 {
		if st, err := c.Wait(); err != nil || st.Code != 7 {
			t.Errorf("%+v, %v", st, err)
		}
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if on := isSubreaper(t); on {
		t.Error("still a subreaper")
	}
}

// isSubreaper says whether an orphan comes to this process.
func isSubreaper(t *testing.T) bool {
	t.Helper()
	if out, err := exec.Command("sh", "-c", "sleep 0.3 >/dev/null 2>&1 &").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return len(children()) > 0
}

func TestSignalEndsIt(t *testing.T) {
	c, err := Start(script(t, `sleep 100 & echo $! >$PID`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.Signal(unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if st, err := c.Wait(); err != nil || st.Signal != unix.SIGTERM || st.Code != 143 {
		t.Errorf("%+v, %v", st, err)
	}
}

func TestFailures(t *testing.T) {
	for name, c := range map[string]struct{ script, want string }{
		"the log":           {`echo '{"level":"error","msg":"no such luck"}' >$LOG; echo other >&2; exit 3`, "no such luck"},
		"nothing":           {`exit 3`, "it ended with 3 and did not say why"},
		"killed":            {`kill -9 $$`, "it was killed by signal 9"},
		"no pid file":       {`exit 0`, "the runtime wrote no pid file"},
		"empty pid file":    {`: >$PID`, `the runtime's pid file says ""`},
		"words":             {`echo 12x >$PID`, `the runtime's pid file says "12x"`},
		"init":              {`echo 1 >$PID`, `the runtime's pid file says "1"`},
		"negative":          {`echo -5 >$PID`, `the runtime's pid file says "-5"`},
		"somebody else's":   {`echo $PPID >$PID`, "which it did not make"},
		"long":              {`printf %0100d 5 >$PID`, `the runtime's pid file says "00000000000000000000000000000000"`},
		"a link":            {`ln -s /proc/self/stat $PID`, "too many levels of symbolic links"},
		"left half-made":    {`sleep 1000 & exit 4`, "it ended with 4"},
		"a program missing": {``, "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := script(t, c.script)
			if c.script == "" {
				cmd.Argv = []string{"/no/such/program"}
			}
			child, err := Start(cmd)
			if err == nil {
				_, err = child.Ready(t.Context())
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
			if left := children(); len(left) != 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

func TestCancelKillsMakerAndMade(t *testing.T) {
	cmd := script(t, `sleep 1000 & echo $! >$PID.early; sleep 1000`)
	c, err := Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for {
			if _, err := os.Stat(cmd.PIDFile + ".early"); err == nil {
				cancel()
				return
			}
			time.Sleep(time.Millisecond)
		}
	}()
	if _, err := c.Ready(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if left := children(); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	if st, err := c.Wait(); err != nil || st.Code != 0 {
		t.Errorf("a process that never was: %+v, %v", st, err)
	}
}

func TestConsole(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("long/", 40))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	console, err := ListenConsole(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = console.Close() }()
	cmd := script(t, `"$SELF" send-terminal "$SOCKET" || exit; `+leave)
	cmd.Env = append(cmd.Env, "SOCKET="+console.Path())
	cmd.Console = console
	c, err := Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	tty, err := c.Ready(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tty.Close() }()
	if _, err := unix.IoctlGetInt(int(tty.Fd()), unix.TIOCGPTN); err != nil {
		t.Errorf("not the master of a terminal: %v", err)
	}
	if _, err := c.Wait(); err != nil {
		t.Error(err)
	}
	if err := console.Close(); err != nil {
		t.Error(err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("left in the directory: %v, %v", entries, err)
	}
}

func TestConsoleThatDoesNotCome(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":    leave,
		"no socket":  leave + `; rm -f "$SOCKET"`,
		"said aloud": `echo "usage: wrong" >&2; exit 1`,
	} {
		t.Run(name, func(t *testing.T) {
			console, err := ListenConsole(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = console.Close() }()
			cmd := script(t, text)
			cmd.Env, cmd.Console = append(cmd.Env, "SOCKET="+console.Path()), console
			c, err := Start(cmd)
			if err != nil {
				t.Fatal(err)
			}
			_, err = c.Ready(t.Context())
			want := "sent no terminal"
			if name == "said aloud" {
				want = "usage: wrong"
			}
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("error %v", err)
			}
			if left := children(); len(left) != 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

func TestRun(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(log, []byte(`{"level":"error","msg":"of an earlier command"}`+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(ctx context.Context, text string) error {
		return Run(ctx, []string{"/bin/sh", "-c", text}, []string{"PATH=" + os.Getenv("PATH"), "LOG=" + log}, log)
	}
	if err := run(t.Context(), "exit 0"); err != nil {
		t.Error(err)
	}
	if err := run(t.Context(), "echo first; echo second >&2; exit 2"); err == nil || err.Error() != "first second" {
		t.Errorf("error %v", err)
	}
	if err := run(t.Context(), `echo aloud; echo '{"level":"error","msg":"logged"}' >>$LOG; exit 2`); err == nil || err.Error() != "logged" {
		t.Errorf("error %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := run(ctx, "sleep 1000"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
}

// What the maker leaves open is only what it was given.
func TestDescriptors(t *testing.T) {
	leak, err := os.Open("/dev/zero")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = leak.Close() }()
	given, err := os.Open("/dev/full")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = given.Close() }()
	cmd := script(t, `ls -l /proc/$$/fd >$LOG; `+leave)
	cmd.ExtraFiles = []*os.File{given}
	c, err := Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Wait(); err != nil {
		t.Error(err)
	}
	list, err := os.ReadFile(cmd.Log)
	if err != nil {
		t.Fatal(err)
	}
	if s := string(list); !strings.Contains(s, "3 -> /dev/full") || strings.Contains(s, "/dev/zero") || strings.Contains(s, "pidfd") {
		t.Errorf("descriptors:\n%s", s)
	}
}
