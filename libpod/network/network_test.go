package network

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/spec"
)

func TestPlan(t *testing.T) {
	for _, c := range []struct {
		driver, options, want string
	}{
		{spec.NetPasta, "", "10.0.2.100/24 10.0.2.2 10.0.2.3 false"},
		{spec.NetPasta, "-a,10.9.0.5,--gateway=10.9.0.1,--dns-forward,10.9.0.9,--map-gw", "10.9.0.5/24 10.9.0.1 10.9.0.9 true"},
		{spec.NetPasta, "-afd00::5,-a10.9.0.6", "10.9.0.6/24 10.0.2.2 10.0.2.3 false"},
		{spec.NetSlirp4netns, "", "10.0.2.100/24 10.0.2.2 10.0.2.3 false"},
		{spec.NetSlirp4netns, "cidr=192.168.7.0/24,allow_host_loopback=true", "192.168.7.100/24 192.168.7.2 192.168.7.3 true"},
		{spec.NetBuiltin, "", "10.0.2.100/24 10.0.2.2 10.0.2.2 false"},
	} {
		n := &spec.Net{Driver: c.driver}
		if c.options != "" {
			n.DriverOptions = strings.Split(c.options, ",")
		}
		a, err := Plan(n)
		if err != nil {
			t.Errorf("%s:%s: %v", c.driver, c.options, err)
			continue
		}
		loopback := map[bool]string{true: "true", false: "false"}[a.HostLoopback]
		if got := strings.Join([]string{a.Container.String(), a.Gateway.String(), a.DNS.String(), loopback}, " "); got != c.want {
			t.Errorf("%s:%s: %s", c.driver, c.options, got)
		}
	}
	if a, err := Plan(&spec.Net{}); a != nil || err != nil {
		t.Errorf("without a driver: %v, %v", a, err)
	}
	for _, word := range []string{"mtu=x", "mtu=0", "cidr=10.0.0.5/24", "cidr=fd00::/64", "cidr=10.0.0.0/30", "enable_ipv6=maybe", "outbound_addr=", "port_handler=x", "nonsense"} {
		if _, err := Plan(&spec.Net{Driver: spec.NetSlirp4netns, DriverOptions: []string{word}}); !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("slirp4netns:%s: %v", word, err)
		}
	}
}

func TestPastaArgs(t *testing.T) {
	for options, want := range map[string]string{
		"":                    "--config-net --pid /run/x/pasta.pid -a 10.0.2.100 -n 24 -g 10.0.2.2 --no-map-gw --dns-forward 10.0.2.3 -t none -u none -T none -U none --netns /run/x/netns",
		"--map-gw,-t,8080":    "--config-net --pid /run/x/pasta.pid -a 10.0.2.100 -n 24 -g 10.0.2.2 --dns-forward 10.0.2.3 -u none -T none -U none -t 8080 --netns /run/x/netns",
		"-i,eth1,--udp-ns=53": "--config-net --pid /run/x/pasta.pid --no-map-gw --dns-forward 10.0.2.3 -t none -u none -T none -i eth1 --udp-ns=53 --netns /run/x/netns",
	} {
		q := &Request{Net: &spec.Net{Driver: spec.NetPasta}, Dir: "/run/x"}
		if options != "" {
			q.Net.DriverOptions = strings.Split(options, ",")
		}
		a, err := Plan(q.Net)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(pastaArgs(q, a), " "); got != want {
			t.Errorf("%q:\n%s\nwant\n%s", options, got, want)
		}
	}
}

// The holder of a port is named by its process.
func TestCheck(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	c, err := net.ListenPacket("udp6", "[::1]:0")
	if err != nil {
		t.Skip("no IPv6 here")
	}
	defer func() { _ = c.Close() }()
	for _, p := range []spec.Port{
		{HostPort: uint16(l.Addr().(*net.TCPAddr).Port), Protocol: "tcp"},
		{HostIP: "127.0.0.1", HostPort: uint16(l.Addr().(*net.TCPAddr).Port), Protocol: "tcp"},
		{HostIP: "::1", HostPort: uint16(c.LocalAddr().(*net.UDPAddr).Port), Protocol: "udp"},
	} {
		p.ContainerPort, p.Range = 80, 1
		err := Check([]spec.Port{p}, Owners{})
		if !errors.Is(err, errdefs.ErrInUse) || !strings.Contains(err.Error(), "in use by process "+pidText()) {
			t.Errorf("%v: %v", p, err)
		}
		err = Check([]spec.Port{p}, Owners{Container: func(spec.Port) string { return "container web" }})
		if !errors.Is(err, errdefs.ErrInUse) || !strings.Contains(err.Error(), "in use by container web") {
			t.Errorf("%v: %v", p, err)
		}
	}
	n, err := FreePort("", "tcp", func(uint16) bool { return false })
	if err != nil || Check([]spec.Port{{HostPort: n, ContainerPort: 80, Range: 1, Protocol: "tcp"}}, Owners{}) != nil {
		t.Errorf("free port %d: %v", n, err)
	}
	if _, err := FreePort("", "tcp", func(uint16) bool { return true }); !errors.Is(err, errdefs.ErrUnavailable) {
		t.Errorf("no free port: %v", err)
	}
	if err := PortError(spec.Port{HostPort: 80, ContainerPort: 80, Range: 1, Protocol: "tcp"}, syscall.EACCES, Owners{}); !errors.Is(err, errdefs.ErrPermission) {
		t.Errorf("%v", err)
	}
}

func pidText() string {
	self, _ := os.Readlink("/proc/self")
	return self
}

// A process that was started and not noted is found by its command line, and another is not.
func TestTeardownFindsStrays(t *testing.T) {
	start := func(name, dir string) *exec.Cmd {
		cmd := &exec.Cmd{Path: "/bin/sh", Args: []string{name, "-c", "read line", filepath.Join(dir, netnsFile)}}
		if _, err := cmd.StdinPipe(); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
		return cmd
	}
	dir, other := t.TempDir(), t.TempDir()
	r := &record{}
	if err := r.write(dir); err != nil {
		t.Fatal(err)
	}
	want := map[int]bool{start(HelperName, dir).Process.Pid: true, start("slirp4netns", dir).Process.Pid: true}
	start(HelperName, other)
	start("vi", dir)
	// The words are there once the program is executed.
	for deadline := time.Now().Add(20 * time.Second); len(strays(dir)) < len(want) && time.Now().Before(deadline); {
		time.Sleep(5 * time.Millisecond)
	}
	err := Teardown(dir, func(p Process) error {
		if !want[p.PID] {
			t.Errorf("process %d is somebody else's", p.PID)
		}
		delete(want, p.PID)
		return unix.Kill(p.PID, unix.SIGKILL)
	})
	if err != nil || len(want) > 0 {
		t.Errorf("%v; not ended: %v", err, want)
	}
	if err := Teardown(dir, func(Process) error { t.Error("twice"); return nil }); err != nil {
		t.Error(err)
	}
}

// What pasta or slirp4netns would refuse at the start is refused before, by name.
func TestCheckOptions(t *testing.T) {
	for _, name := range []string{spec.NetPasta, spec.NetSlirp4netns} {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("%s is not installed", name)
		}
	}
	for words, want := range map[string]string{
		"pasta":          "",
		"pasta:--map-gw": "",
		"pasta:-a,10.9.0.5,--gateway=10.9.0.1,--map-gw": "",
		"pasta:-t,22,-t,192.0.2.1/80:81,-U,none,-4q":    "",
		"pasta:-m1400,--ns-mac-addr=02:00:00:00:00:01":  "",
		"pasta:--bogus":                     "unrecognized option '--bogus'",
		"pasta:-Z":                          "invalid option -- 'Z'",
		"pasta:--no":                        "option '--no' is ambiguous",
		"pasta:--no-tcp=3":                  "doesn't allow an argument",
		"pasta:--pcap":                      "no value",
		"pasta:-4,-a":                       "no value",
		"pasta:-a,10.0.0.999":               "Invalid address: 10.0.0.999",
		"pasta:-n,99":                       "Invalid netmask: 99",
		"pasta:-i,nosuch0":                  "nosuch0",
		"pasta:bogus":                       "neither an option",
		"pasta:-t,22,25":                    "-t,22,-t,25",
		"pasta:--no-tcp,sh":                 "neither an option",
		"pasta:--,sh":                       "neither an option",
		"pasta:-f":                          "-f is for manager",
		"pasta:-4qf":                        "-f is for manager",
		"pasta:--foregr":                    "--foreground is for manager",
		"pasta:--netns=/x":                  "--netns is for manager",
		"pasta:--version":                   "--version is for manager",
		"pasta:-m,abc":                      "a number of 0 to 65535",
		"pasta:-Mzz":                        "a MAC address",
		"pasta:--tcp-ports=bogus":           "a port or range",
		"slirp4netns:outbound_addr=nosuch0": "neither an address nor an interface",
		"slirp4netns:outbound_addr=lo":      "",
	} {
		driver, options, _ := strings.Cut(words, ":")
		n := &spec.Net{Driver: driver}
		if options != "" {
			n.DriverOptions = strings.Split(options, ",")
		}
		err := CheckOptions(t.Context(), n)
		switch {
		case want == "" && err == nil:
		case want == "" || !errors.Is(err, errdefs.ErrInvalid) || !strings.Contains(err.Error()+errdefs.Hint(err), want):
			t.Errorf("%s: %v (%s), want %q", words, err, errdefs.Hint(err), want)
		}
	}
	t.Setenv("PATH", "/nonexistent")
	if err := CheckOptions(t.Context(), &spec.Net{Driver: spec.NetPasta}); !errors.Is(err, errdefs.ErrUnavailable) {
		t.Errorf("not installed: %v", err)
	}
	if err := CheckOptions(t.Context(), &spec.Net{Driver: spec.NetPasta, DriverFound: true}); err != nil {
		t.Errorf("found, and gone since: %v", err)
	}
}

// A driver that is ended before it is ready leaves no child; one that has ended cannot be.
func TestEndWithChildren(t *testing.T) {
	pidfd := -1
	cmd := exec.Command("sh", "-c", "sleep 1000 & echo $!; wait")
	cmd.SysProcAttr = &syscall.SysProcAttr{PidFD: &pidfd}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(pidfd) }()
	var child int
	if _, err := fmt.Fscan(out, &child); err != nil {
		t.Fatal(err)
	}
	if !endWithChildren(cmd.Process.Pid, pidfd) {
		t.Error("it was not in time")
	}
	if err := cmd.Wait(); err == nil || err.Error() != "signal: killed" {
		t.Errorf("it ended by %v", err)
	}
	if _, err := io.ReadAll(out); err != nil && !errors.Is(err, os.ErrClosed) { // the child has the pipe too
		t.Error(err)
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", child))
		if err != nil || strings.Contains(string(stat), ") Z ") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("its child lives")
		}
	}
	if endWithChildren(cmd.Process.Pid, pidfd) {
		t.Error("it had ended")
	}
}

// Routes that are no default routes, or go nowhere, are not waited for.
func TestAwaitDefaults(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to make a network namespace")
	}
	done := make(chan error, 1)
	steps := make(chan string)
	go inPassing(func() {
		done <- func() error {
			if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
				return err
			}
			routes, err := hearRoutes()
			if err != nil {
				return err
			}
			defer func() { _ = routes.Close() }()
			heard := make(chan error, 1)
			go func() { heard <- awaitDefaults(routes, unix.AF_INET, unix.AF_INET6) }()
			for step := range steps {
				select {
				case err := <-heard:
					return fmt.Errorf("before %q: %v", step, err)
				default:
				}
				if out, err := exec.Command("ip", strings.Fields(step)...).CombinedOutput(); err != nil {
					return fmt.Errorf("ip %s: %v: %s", step, err, out)
				}
				time.Sleep(20 * time.Millisecond) // it would hear of it by then
			}
			return <-heard
		}()
	})
	for _, step := range []string{
		"link set lo up", "route add 192.0.2.0/24 dev lo", "route add unreachable default metric 9", "-6 route add 2001:db8::/64 dev lo",
		"-6 route add default dev lo", "route add default dev lo",
	} {
		select {
		case steps <- step:
		case err := <-done:
			t.Fatal(err)
		}
	}
	close(steps)
	if err := <-done; err != nil {
		t.Error(err)
	}
}
