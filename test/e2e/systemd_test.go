package e2e

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/manager-project/manager/internal/testenv"
)

// unitWait bounds what a unit may take, in an emulated machine on a busy host too.
const unitWait = 3 * time.Minute

// units are systemd units of a test, and the containers they start.
type units struct {
	*testenv.Manager
	t *testing.T
	// name begins the units' names.
	name string
}

func newUnits(t *testing.T) *units {
	t.Helper()
	testenv.Need(t, testenv.Root, testenv.Unified, testenv.Systemd)
	u := &units{Manager: testenv.NewManager(t), t: t, name: fmt.Sprintf("manager-test-%d", os.Getpid())}
	u.Image(t, "busybox")
	return u
}

// systemctl runs a command that has to succeed.
func (u *units) systemctl(args ...string) string {
	u.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), unitWait)
	defer cancel()
	out, err := exec.CommandContext(ctx, "systemctl", args...).CombinedOutput()
	if err != nil {
		journal, _ := exec.CommandContext(ctx, "journalctl", "--no-pager", "-n", "40", "-u", u.service()).CombinedOutput()
		u.t.Fatalf("systemctl %v: %v\n%s\n%s", args, err, out, journal)
	}
	return strings.TrimSpace(string(out))
}

func (u *units) service() string { return u.name + ".service" }

// install writes the service that runs the container c, with more lines of its unit.
func (u *units) install(lines string, options ...string) {
	u.t.Helper()
	words := u.Args(append([]string{"run", "-d", "--replace", "--name", "c", "--network", "none"}, options...)...)
	text := "[Service]\nType=notify\nTimeoutStartSec=" + unitWait.String() + "\n" + lines + "\n"
	for _, e := range u.Env {
		text += "Environment=" + quoteUnit(e) + "\n"
	}
	text += "ExecStart=" + u.Program
	for _, w := range words {
		text += " " + quoteUnit(w)
	}
	u.write(u.service(), text+"\n")
}

func (u *units) write(name, text string) {
	u.t.Helper()
	path := filepath.Join("/run/systemd/system", name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		u.t.Fatal(err)
	}
	u.systemctl("daemon-reload")
	u.t.Cleanup(func() {
		_ = exec.Command("systemctl", "stop", name).Run()
		_ = exec.Command("systemctl", "reset-failed", name).Run()
		_ = os.Remove(path)
		_ = exec.Command("systemctl", "daemon-reload").Run()
	})
}

// quoteUnit quotes a word of a unit file. Source: systemd.syntax(7), systemd.service(5), "Command lines".
func quoteUnit(word string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, `%`, `%%`, `$`, `$$`).Replace(word) + `"`
}

func (u *units) property(name string) string {
	u.t.Helper()
	return u.systemctl("show", "--value", "--property", name, u.service())
}

func (u *units) eventually(property, want string) {
	u.t.Helper()
	until(u.t, unitWait, func() error {
		if got := u.property(property); got != want {
			return fmt.Errorf("%s is %s, want %s (%s)", property, got, want, u.systemctl("show", "--value", "--property", "StatusText", u.service()))
		}
		return nil
	})
}

// outlives waits until the latest sign of life came more than a watchdog's interval after the service was active.
func (u *units) outlives(interval time.Duration) {
	u.t.Helper()
	stamp := func(name string) time.Duration {
		usec, err := strconv.ParseInt(u.property(name), 10, 64)
		if err != nil {
			u.t.Fatal(err)
		}
		return time.Duration(usec) * time.Microsecond
	}
	until(u.t, unitWait, func() error {
		if got := u.property("ActiveState"); got != "active" {
			u.t.Fatalf("the service is %s", got)
		}
		if lived := stamp("WatchdogTimestampMonotonic") - stamp("ActiveEnterTimestampMonotonic"); lived <= interval {
			return fmt.Errorf("the last sign of life came after %v", lived)
		}
		return nil
	})
}

// container inspects the container c.
func (u *units) container(format string) string {
	u.t.Helper()
	return u.MustRun(u.t, "inspect", "--type", "container", "--format", format, "c")
}

// A service is ready when its program runs; its main process is the monitor, and to stop it ends the container well.
func TestSystemdConmon(t *testing.T) {
	u := newUnits(t)
	u.install("", "--sdnotify", "conmon", "busybox", "sh", "-c", `trap "echo bye; exit 3" TERM; echo up; while :; do sleep 0.1; done`)
	u.systemctl("start", u.service())
	if got, want := u.property("MainPID"), u.container("{{.State.ConmonPid}}"); got != want {
		t.Errorf("the main process is %s, the monitor %s", got, want)
	}
	until(t, unitWait, func() error { // its trap is set
		if got := u.MustRun(t, "logs", "c"); got != "up" {
			return fmt.Errorf("log %q", got)
		}
		return nil
	})
	u.systemctl("stop", u.service())
	if got := u.property("ActiveState") + " " + u.property("Result"); got != "inactive success" {
		journal, _ := exec.Command("journalctl", "--no-pager", "-n", "40", "-u", u.service()).CombinedOutput()
		t.Errorf("the service is %s\n%s", got, journal)
	}
	if got := u.container("{{.State.Status}} {{.State.ExitCode}} {{.State.Cause}}"); got != "exited 3 stop" {
		t.Errorf("the container is %s", got)
	}
	if got := u.MustRun(t, "logs", "c"); got != "up\nbye" {
		t.Errorf("log %q", got)
	}
	// A program that ends by itself ends the service, with its code.
	u.install("", "--sdnotify", "conmon", "busybox", "sh", "-c", "sleep 1; exit 5")
	u.systemctl("start", u.service())
	u.eventually("ActiveState", "failed")
	if got := u.property("ExecMainStatus"); got != "5" {
		t.Errorf("the service ended with %s", got)
	}
}

// A container's own restarts keep its service, with another main process; a stop in the back-off is one.
func TestSystemdRestart(t *testing.T) {
	u := newUnits(t)
	u.install("", "--sdnotify", "conmon", "--restart", "on-failure", "busybox", "sh", "-c", "until rm /tmp/end; do sleep 0.1; done 2>/dev/null; exit 1")
	u.systemctl("start", u.service())
	first := u.property("MainPID")
	u.MustRun(t, "exec", "c", "touch", "/tmp/end")
	until(t, unitWait, func() error {
		if got, want := u.property("MainPID"), u.container("{{.State.ConmonPid}}"); got == first || got != want {
			return fmt.Errorf("the main process is %s, the monitor %s, before %s", got, want, first)
		}
		return nil
	})
	if got := u.property("ActiveState") + " " + u.container("{{.State.Status}} {{.RestartCount}}"); got != "active running 1" {
		t.Errorf("service and container are %s", got)
	}
	u.systemctl("stop", u.service())
	u.stoppedWell("stopped")
	// One that ends at once waits ever longer.
	u.install("", "--sdnotify", "conmon", "--restart", "always", "busybox", "true")
	u.systemctl("start", u.service())
	until(t, unitWait, func() error {
		if got := u.container("{{if gt .RestartCount 5}}{{.State.Status}}{{end}}"); got != "restarting" {
			return fmt.Errorf("the container is %q", got)
		}
		return nil
	})
	u.systemctl("stop", u.service())
	u.stoppedWell("stopped in the back-off")
}

// stoppedWell wants service and container to have ended as they were asked to.
func (u *units) stoppedWell(when string) {
	u.t.Helper()
	if got := u.property("ActiveState") + " " + u.property("Result") + " " + u.container("{{.State.Status}}"); got != "inactive success exited" {
		journal, _ := exec.Command("journalctl", "--no-pager", "-n", "60", "-u", u.service()).CombinedOutput()
		u.t.Errorf("%s, service and container are %s\n%s", when, got, journal)
	}
}

// A service is ready when its container is healthy, and not before.
func TestSystemdHealthy(t *testing.T) {
	u := newUnits(t)
	u.install("", "--sdnotify", "healthy", "--health-cmd", "test -e /tmp/ok", "--health-interval", "200ms", "busybox", "sleep", "1000")
	u.systemctl("start", "--no-block", u.service())
	until(t, unitWait, func() error {
		if r := u.Run("inspect", "--format", "{{.State.Health.Status}}", "c"); r.Stdout != "unhealthy\n" {
			return fmt.Errorf("%+v", r)
		}
		return nil
	})
	if got := u.property("ActiveState"); got != "activating" {
		t.Errorf("the service of an unhealthy container is %s", got)
	}
	u.MustRun(t, "exec", "c", "touch", "/tmp/ok")
	u.eventually("ActiveState", "active")
}

// What the program says goes through; when its signs of life stop, the service fails and the container with it.
func TestSystemdContainer(t *testing.T) {
	u := newUnits(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	u.install("WatchdogSec=10", "--env", probeVariable+"=notify", "--volume", self+":/probe:ro", "busybox", "/probe")
	u.systemctl("start", u.service())
	if got := u.property("StatusText"); got != "at work" {
		t.Errorf("status %q", got)
	}
	u.outlives(10 * time.Second)
	u.MustRun(t, "exec", "--env", probeVariable+"=", "c", "touch", "/tmp/hang")
	u.eventually("ActiveState", "failed")
	if got := u.property("Result"); got != "watchdog" {
		t.Errorf("the result is %s", got)
	}
	if got := u.container("{{.State.Status}} {{.State.ExitCode}}"); got != "exited 137" {
		t.Errorf("the container is %s", got)
	}
}

// The monitor gives the signs of life of a container that is not unhealthy.
func TestSystemdWatchdog(t *testing.T) {
	u := newUnits(t)
	u.install("WatchdogSec=10", "--sdnotify", "conmon", "--health-cmd", "! test -e /tmp/bad", "--health-interval", "1s", "--health-retries", "1", "busybox", "sleep", "1000")
	u.systemctl("start", u.service())
	u.outlives(10 * time.Second)
	u.MustRun(t, "exec", "c", "touch", "/tmp/bad")
	u.eventually("ActiveState", "failed")
	if got := u.property("Result"); got != "watchdog" {
		t.Errorf("the result is %s", got)
	}
	if got := u.container("{{.State.Status}}"); got != "exited" {
		t.Errorf("the container is %s", got)
	}
}

// A connection to systemd's socket starts the service, whose program serves it from inside a container without a network.
func TestSystemdSocket(t *testing.T) {
	u := newUnits(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	_ = free.Close()
	u.install("", "--sdnotify", "conmon", "--env", probeVariable+"=accept", "--volume", self+":/probe:ro", "busybox", "/probe")
	socket := u.name + ".socket"
	u.write(socket, "[Socket]\nListenStream="+address+"\nFileDescriptorName=web\n")
	u.systemctl("start", socket)
	if got := u.property("ActiveState"); got != "inactive" {
		t.Errorf("without a connection the service is %s", got)
	}
	for range 2 {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetReadDeadline(time.Now().Add(unitWait))
		got, err := io.ReadAll(conn)
		if err != nil || string(got) != "served by web" {
			t.Errorf("%q, %v", got, err)
		}
		_ = conn.Close()
	}
	u.systemctl("stop", socket, u.service())
}
