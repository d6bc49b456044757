package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/internal/testenv"
)

// usernetVariable says that this process is the user of TestUserNetwork.
const usernetVariable = "MANAGER_TEST_USERNET"

// The addresses of the host in which the tests below run, a network namespace of their own.
const (
	hostIP4, otherIP4 = "198.51.100.1", "198.51.100.7"
	hostIP6, otherIP6 = "2001:db8::1", "2001:db8::7"
)

// prepareHost makes that host. Users may have its ports from 53 on, so that the test's name server can listen. Root listens on two,
// by this program, which is the first word of the command to come.
const prepareHost = `
ip link set lo up
ip link add out0 type veth peer name far0
ip link set far0 up
ip address add 198.51.100.1/24 dev out0
ip address add 198.51.100.7/24 dev out0
ip address add 2001:db8::7/64 dev out0 nodad
ip address add 2001:db8::1/64 dev out0 nodad
ip link set out0 up
ip route add default via 198.51.100.254
ip -6 route add default via 2001:db8::fe
echo 53 >/proc/sys/net/ipv4/ip_unprivileged_port_start
echo 0 65535 >/proc/sys/net/ipv4/ping_group_range
echo nameserver 198.51.100.1 >"$HOME/etc-resolv"
mount --bind "$HOME/etc-resolv" /etc/resolv.conf
exec 3<&0
MANAGER_TEST_PEER="tcp:8095 udp:8096 eof" "$1" <&3 3<&- >/dev/null 2>&1 &
exec 3<&-
`

// leash gives a command that prepares such a host a standard input that ends with it, and with this process: root's server goes then,
// which a user's process cannot end.
func leash(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
}

// TestUserNetwork runs the tests that follow as a user on a host of his own.
func TestUserNetwork(t *testing.T) {
	if os.Getenv(runtimeVariable)+os.Getenv(usernetVariable) != "" {
		t.Skip("this is the process that it starts")
	}
	if os.Geteuid() != 0 {
		t.Skip("needs root to become a user")
	}
	for _, program := range []string{"newuidmap", "ip", "pasta", "slirp4netns"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not installed", program)
		}
	}
	if _, err := testenv.BuildImage("busybox"); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := asUserIn(t, prepareHost, userRange, self, "-test.v", "-test.run", "^TestUsernet", "-test.timeout", "10m")
	cmd.Env = append(cmd.Env, usernetVariable+"=1", "MANAGER_BIN="+testenv.Programs(t))
	cmd.SysProcAttr.Unshareflags |= unix.CLONE_NEWNET
	leash(t, cmd)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	retell(t, out, err != nil)
}

// TestRootUserNetwork publishes the same ports as root, who names the driver.
func TestRootUserNetwork(t *testing.T) {
	if os.Getenv(runtimeVariable)+os.Getenv(usernetVariable) != "" {
		t.Skip("this is the process that it starts")
	}
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	for _, program := range []string{"ip", "pasta", "slirp4netns"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not installed", program)
		}
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	script := "set -e\nmount --make-rprivate /\n" + prepareHost + "exec \"$@\"\n"
	cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", script, "sh", self, "-test.v", "-test.run", "^TestUsernet(Ports|Restart|Holder)$", "-test.timeout", "10m")
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir(), usernetVariable+"=1", "MANAGER_BIN="+testenv.Programs(t))
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL, Unshareflags: unix.CLONE_NEWNS | unix.CLONE_NEWNET}
	leash(t, cmd)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	retell(t, out, err != nil)
}

// usernet is a manager of the user that the tests below are for.
func usernet(t *testing.T) (m *testenv.Manager, self string) {
	t.Helper()
	if os.Getenv(usernetVariable) == "" {
		t.Skip("TestUserNetwork runs it")
	}
	m = testenv.NewManager(t)
	m.Image(t, "busybox")
	self = filepath.Join(m.Dir, "peer")
	raw, err := os.ReadFile("/proc/self/exe")
	if err == nil {
		err = os.WriteFile(self, raw, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	return m, self
}

// drivers are the ways to the network; nothing is installed for the last.
var drivers = []string{"pasta", "slirp4netns", "builtin"}

// withDriver makes a driver the one that is found first.
func withDriver(t *testing.T, m *testenv.Manager, driver string) []string {
	if driver == "builtin" {
		before := m.Env
		m.Env = append(slices.Clone(before), "PATH=/nonexistent")
		t.Cleanup(func() { m.Env = before })
	}
	if driver == "builtin" && os.Geteuid() != 0 {
		return nil
	}
	return []string{"--network", driver}
}

// peer runs a server in a container.
func peer(t *testing.T, m *testenv.Manager, self, name, words string, options ...string) {
	t.Helper()
	args := append([]string{"run", "-d", "--name", name, "-v", self + ":/peer:ro", "-e", peerVariable + "=" + words}, options...)
	m.MustRun(t, append(args, "busybox", "/peer")...)
}

// sees wants the server behind a port to see a client's address.
func sees(t *testing.T, kind, from, to, want string) {
	t.Helper()
	got, err := soonSeenAs(kind, from, to)
	if err != nil {
		t.Errorf("%s from %s to %s: %v", kind, from, to, err)
	} else if got != want {
		t.Errorf("%s from %s to %s: the container sees %s, want %s", kind, from, to, got, want)
	}
}

// refuses wants nobody to listen.
func refuses(t *testing.T, to string) {
	t.Helper()
	if _, err := seenAs("tcp", "", to); !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("%s: %v, want it refused", to, err)
	}
}

// contains wants an output to have all of these.
func contains(t *testing.T, out string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}

// fails wants a command to fail with a message that has all of these.
func fails(t *testing.T, m *testenv.Manager, args []string, wants ...string) {
	t.Helper()
	r := m.Run(args...)
	if r.Code != 125 || strings.Count(r.Stderr, "\n") != 1 {
		t.Errorf("%v: exit code %d\n%s%s", args, r.Code, r.Stdout, r.Stderr)
	}
	contains(t, r.Stderr, wants...)
}

// Published ports lead to the container over both protocols and both versions of IP, the client's address is kept, and
// every command shows them.
func TestUsernetPorts(t *testing.T) {
	for _, driver := range drivers {
		t.Run(driver, func(t *testing.T) {
			m, self := usernet(t)
			options := append(withDriver(t, m, driver), "-p", "8080:80", "-p", "8081:81/udp", "-p", "127.0.0.1:9100-9102:100-102",
				"-p", "[::1]:9100:80", "-p", "8084:84", "-P", "--expose", "83")
			peer(t, m, self, "web", "tcp:80 udp:81 tcp:83 tcp4:84 tcp:100 tcp:101 tcp:102", options...)

			sees(t, "tcp", otherIP4, hostIP4+":8080", otherIP4)
			sees(t, "tcp", otherIP6, "["+hostIP6+"]:8080", otherIP6)
			sees(t, "udp", otherIP4, hostIP4+":8081", otherIP4)
			sees(t, "tcp", "", "127.0.0.1:8080", "10.0.2.2")
			sees(t, "udp", "", "127.0.0.1:8081", "10.0.2.2")
			sees(t, "tcp", "", "[::1]:9100", "::1")
			sees(t, "udp", "", "[::1]:8081", "::1")
			if driver != "pasta" { // to which the host's address of IPv6 is its own
				sees(t, "udp", otherIP6, "["+hostIP6+"]:8081", otherIP6)
			}
			for _, port := range []string{"9100", "9101", "9102"} {
				sees(t, "tcp", "", "127.0.0.1:"+port, "10.0.2.2")
			}
			refuses(t, hostIP4+":9100")
			// A server of IPv4 alone has no address for a client of IPv6 but its own.
			sees(t, "tcp", otherIP6, "["+hostIP6+"]:8084", "10.0.2.100")
			random := m.MustRun(t, "port", "web", "83")
			sees(t, "tcp", otherIP4, strings.Replace(random, "0.0.0.0", hostIP4, 1), otherIP4)

			want := "80/tcp -> 0.0.0.0:8080\n81/udp -> 0.0.0.0:8081\n100/tcp -> 127.0.0.1:9100\n101/tcp -> 127.0.0.1:9101\n102/tcp -> 127.0.0.1:9102\n80/tcp -> [::1]:9100\n84/tcp -> 0.0.0.0:8084\n83/tcp -> " + random
			if got := m.MustRun(t, "port", "web"); got != want {
				t.Errorf("port:\n%s\nwant\n%s", got, want)
			}
			contains(t, m.MustRun(t, "port", "web", "81/udp"), "0.0.0.0:8081")
			contains(t, m.MustRun(t, "ps"), "0.0.0.0:8080->80/tcp, 0.0.0.0:8081->81/udp, 127.0.0.1:9100-9102->100-102/tcp, [::1]:9100->80/tcp")
			for filter, want := range map[string]string{"publish=101": "web", "publish=85": "", "network=" + driver: "web", "network=host": ""} {
				if got := m.MustRun(t, "ps", "--format", "{{.Names}}", "--filter", filter); got != want {
					t.Errorf("ps --filter %s: %q", filter, got)
				}
			}
			checkInspect(t, m, driver)
			// A container reaches its own published port.
			for _, name := range []string{"host.containers.internal:8080", hostIP4 + ":8080"} {
				got := m.MustRun(t, "exec", "-e", peerVariable+"=dial:"+name, "web", "/peer")
				if got != hostIP4 {
					t.Errorf("own port by %s: seen as %q", name, got)
				}
			}
			m.MustRun(t, "stop", "-t", "0", "web")
			refuses(t, hostIP4+":8080")
			m.MustRun(t, "start", "web")
			sees(t, "tcp", otherIP4, hostIP4+":8080", otherIP4)
			m.MustRun(t, "rm", "-f", "-t", "0", "web")
			refuses(t, hostIP4+":8080")
		})
	}
}

func checkInspect(t *testing.T, m *testenv.Manager, driver string) {
	t.Helper()
	var all []struct {
		NetworkSettings struct {
			IPAddress string
			Ports     map[string][]struct{ HostIp, HostPort string }
			Networks  map[string]struct{ IPAddress string }
		}
		HostConfig struct {
			NetworkMode  string
			PortBindings map[string][]struct{ HostIp, HostPort string }
		}
	}
	if err := json.Unmarshal([]byte(m.MustRun(t, "inspect", "web")), &all); err != nil {
		t.Fatal(err)
	}
	n, h := all[0].NetworkSettings, all[0].HostConfig
	for _, ports := range []map[string][]struct{ HostIp, HostPort string }{n.Ports, h.PortBindings} {
		if got := fmt.Sprint(ports["80/tcp"], ports["101/tcp"]); got != "[{0.0.0.0 8080} {::1 9100}] [{127.0.0.1 9101}]" {
			t.Errorf("inspect: %s", got)
		}
	}
	if h.NetworkMode != driver || n.IPAddress != "10.0.2.100" || n.Networks[driver].IPAddress != "10.0.2.100" {
		t.Errorf("inspect: %+v %+v", n, h)
	}
}

// A port that cannot be had is said before anything is made, with who has it or how to get it.
func TestUsernetRefused(t *testing.T) {
	m, self := usernet(t)
	peer(t, m, self, "first", "tcp:80", "-p", "8080:80")
	run := func(words ...string) []string {
		return append(append([]string{"run", "--rm", "--name", "second"}, words...), "busybox", "true")
	}
	fails(t, m, run("-p", "127.0.0.1:8080:80"), "port 127.0.0.1:8080/tcp", "in use by container first")
	fails(t, m, run("-p", "22:80"), "ports below 53 are root's", "--publish 8022:80", "net.ipv4.ip_unprivileged_port_start=22", "nft", "as root")
	fails(t, m, run("-p", "203.0.113.9:8081:80"), "no such address")
	fails(t, m, run("-p", "8081:80", "-p", "127.0.0.1:8081:81"), "leads to 80/tcp already")
	fails(t, m, run("-p", "8081-8082:80"), "2 ports of the host and 1 of the container")
	fails(t, m, run("-p", "80", "--network", "none"), "--network \"none\"", "no port can be published")
	for _, command := range []string{"run", "create"} {
		for option, want := range map[string]string{
			"pasta:--bogus": "unrecognized option '--bogus'", "pasta:-i,nosuch0": "nosuch0", "pasta:-f": "is for manager itself", "pasta:sh": "neither an option",
			"slirp4netns:mtu=x": "not a number", "slirp4netns:bogus=1": "no such option", "slirp4netns:outbound_addr=nosuch0": "nor an interface",
		} {
			fails(t, m, []string{command, "--name", "second", "--network", option, "busybox", "true"}, `--network "`+option+`"`, want)
		}
	}
	fails(t, m, []string{"port", "first", "81"}, "81/tcp is not published")
	r := m.Run(run("--network", "host", "-p", "8081:80")...)
	if r.Code != 0 || !strings.Contains(r.Stderr, "--publish has nothing to do") {
		t.Errorf("with --network host: exit code %d, %s", r.Code, r.Stderr)
	}
	if got := m.MustRun(t, "ps", "-a", "--format", "{{.Names}}"); got != "first" {
		t.Errorf("containers: %s", got)
	}
	// What only the driver can find out leaves the container as it was made.
	fails(t, m, []string{"run", "--name", "third", "--network", "pasta:-t,8080", "busybox", "true"}, "container third", "pasta:-t,8080", "8080", "make the container anew")
	fails(t, m, []string{"run", "--rm", "--name", "fourth", "--network", "pasta:-l,/nowhere/log", "busybox", "true"}, "/nowhere/log")
	if got := m.MustRun(t, "ps", "-a", "--format", "{{.Names}} {{.State}}", "--filter", "status=created"); got != "third created" {
		t.Errorf("containers: %s", got)
	}
}

// Who has a port is named: a process of the user's by its id, another user's process to its own user and to root.
func TestUsernetHolder(t *testing.T) {
	m, _ := usernet(t)
	network := withDriver(t, m, "slirp4netns")
	l, err := net.Listen("tcp", hostIP4+":8090")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	u, err := net.ListenPacket("udp", hostIP4+":8091")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = u.Close() }()
	own := fmt.Sprintf("in use by process %d (", os.Getpid())
	roots, cure := "in use by a process of user root (0)", "ss -lnp sport = "
	if os.Geteuid() == 0 {
		roots, cure = "in use by process ", "choose another port"
	}
	// Root's server may not listen yet.
	for _, server := range []string{"tcp", "udp"} {
		if _, err := soonSeenAs(server, "", hostIP4+map[string]string{"tcp": ":8095", "udp": ":8096"}[server]); err != nil {
			t.Fatal(err)
		}
	}
	for port, wants := range map[string][]string{
		"8090:80": {"port 0.0.0.0:8090/tcp", own}, hostIP4 + ":8090:80": {"port " + hostIP4 + ":8090/tcp", own},
		"8091:80/udp": {"port 0.0.0.0:8091/udp", own}, "8088-8091:1-4": {"port 0.0.0.0:8090/tcp", own},
		"8095:80": {"port 0.0.0.0:8095/tcp", roots, cure}, "8096:80/udp": {"port 0.0.0.0:8096/udp", roots, cure},
	} {
		args := append([]string{"run", "--rm", "-p", port}, network...)
		fails(t, m, append(args, "busybox", "true"), wants...)
	}
	// A start cannot tell outside of the user's namespaces which ports it is about.
	m.MustRun(t, append(append([]string{"create", "--name", "later", "-p", "8090:80"}, network...), "busybox", "true")...)
	want := "a process of your own (\"ss -lnp sport = 8090\""
	if os.Geteuid() == 0 {
		want = own
	}
	fails(t, m, []string{"start", "later"}, want)
	got := m.MustRun(t, append(append([]string{"run", "--rm", "--env-host", "-p", "8099:80"}, network...), "busybox", "env")...)
	if strings.Contains(got, "_MANAGER_SOCKETS") {
		t.Errorf("the container's environment:\n%s", got)
	}
}

// Every driver leads to the host by both versions of IP and both protocols, and by ping, which is answered by who is there.
func TestUsernetOut(t *testing.T) {
	for _, driver := range drivers {
		t.Run(driver, func(t *testing.T) {
			m, self := usernet(t)
			network := append(withDriver(t, m, driver), "-v", self+":/peer:ro", "--cap-add", "NET_RAW")
			m.MustRun(t, append(append([]string{"run", "-d", "--name", "c"}, network...), "busybox", "sleep", "1000")...)
			for _, host := range []string{hostIP4, "[" + hostIP6 + "]"} {
				if driver == "slirp4netns" && host != hostIP4 {
					continue // its IPv6 waits for an announcement of routers
				}
				if driver == "pasta" && host != hostIP4 {
					host = "[" + otherIP6 + "]" // the other is the container's own with pasta
				}
				for word, port := range map[string]string{"dial": ":8095", "dialudp": ":8096"} {
					got := m.MustRun(t, "exec", "-e", peerVariable+"="+word+":"+host+port, "c", "/peer")
					if got != strings.Trim(host, "[]") && got != hostIP6 {
						t.Errorf("%s by %s: seen as %q", host, word, got)
					}
				}
			}
			if driver != "builtin" {
				return
			}
			for addr, want := range map[string]string{
				hostIP4: "1 packets received", hostIP6: "1 packets received", "10.0.2.2": "1 packets received",
				"198.51.100.77": "0 packets received", "2001:db8::77": "0 packets received", "10.0.2.77": "0 packets received",
			} {
				contains(t, m.Run("exec", "c", "ping", "-c", "1", "-W", "2", addr).Stdout, want)
			}
			for _, addr := range []string{"127.0.0.1", "::1", "::ffff:127.0.0.1"} { // the container's own
				if r := m.Run("exec", "c", "nc", "-w", "2", addr, "8095"); r.Code == 0 {
					t.Errorf("%s leads to the host's loopback device: %s", addr, r.Stdout)
				}
			}
		})
	}
}

// A container resolves names through the host's resolver, unless it is told which to ask.
func TestUsernetNames(t *testing.T) {
	for _, addr := range []string{hostIP4, otherIP4} {
		nameServer(t, addr)
	}
	for _, driver := range drivers {
		t.Run(driver, func(t *testing.T) {
			m, _ := usernet(t)
			network := withDriver(t, m, driver)
			for _, dns := range [][]string{nil, {"--dns", otherIP4}} {
				args := append(append([]string{"run", "--rm"}, network...), dns...)
				out := m.MustRun(t, append(args, "busybox", "nslookup", "-type=a", "name.example")...)
				want := "203.0.113.1"
				if dns != nil {
					want = "203.0.113.7"
				}
				contains(t, out, want)
			}
			hosts := m.MustRun(t, append(append([]string{"run", "--rm", "--name", "me"}, network...), "busybox", "cat", "/etc/hosts")...)
			contains(t, hosts, hostIP4+"\thost.containers.internal", "10.0.2.100\t")
		})
	}
}

// nameServer answers every question with 203.0.113.N, where N is the end of its own address.
func nameServer(t *testing.T, addr string) {
	t.Helper()
	if os.Getenv(usernetVariable) == "" {
		return
	}
	c, err := net.ListenPacket("udp", addr+":53")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	last := net.ParseIP(addr).To4()[3]
	go func() {
		buf := make([]byte, 1500)
		for {
			n, from, err := c.ReadFrom(buf)
			if err != nil {
				return
			}
			var q dnsmessage.Message
			if q.Unpack(buf[:n]) != nil || len(q.Questions) == 0 {
				continue
			}
			a := dnsmessage.Message{Header: dnsmessage.Header{ID: q.ID, Response: true}, Questions: q.Questions[:1]}
			if q.Questions[0].Type == dnsmessage.TypeA {
				a.Answers = []dnsmessage.Resource{{
					Header: dnsmessage.ResourceHeader{Name: q.Questions[0].Name, Class: dnsmessage.ClassINET, TTL: 1},
					Body:   &dnsmessage.AResource{A: [4]byte{203, 0, 113, last}},
				}}
			}
			if raw, err := a.Pack(); err == nil {
				_, _ = c.WriteTo(raw, from)
			}
		}
	}()
}

// The network comes back with a container that its policy restarts; a helper that was killed harms nothing but itself.
func TestUsernetRestart(t *testing.T) {
	for _, driver := range drivers {
		t.Run(driver, func(t *testing.T) {
			m, self := usernet(t)
			peer(t, m, self, "web", "tcp:80", append(withDriver(t, m, driver), "--restart", "always", "-p", "8080:80")...)
			sees(t, "tcp", otherIP4, hostIP4+":8080", otherIP4)
			pid := m.MustRun(t, "inspect", "--format", "{{.State.Pid}}", "web")
			kill(t, pid)
			for deadline := time.Now().Add(60 * time.Second); ; time.Sleep(20 * time.Millisecond) {
				if now := m.MustRun(t, "inspect", "--format", "{{.State.Pid}}", "web"); now != pid && now != "0" {
					break
				}
				if time.Now().After(deadline) {
					t.Fatal("it is not restarted")
				}
			}
			sees(t, "tcp", otherIP4, hostIP4+":8080", otherIP4)

			for _, p := range networkProcesses(t, m) {
				kill(t, fmt.Sprint(p.PID))
			}
			if got := m.MustRun(t, "exec", "web", "echo", "here"); got != "here" {
				t.Errorf("exec: %s", got)
			}
			m.MustRun(t, "restart", "-t", "0", "web")
			sees(t, "tcp", otherIP4, hostIP4+":8080", otherIP4)
			m.MustRun(t, "rm", "-f", "-t", "0", "web")
			noNetwork(t, m, "removed")
		})
	}
}

func kill(t *testing.T, pid string) {
	t.Helper()
	var n int
	if _, err := fmt.Sscan(pid, &n); err != nil || n <= 1 {
		t.Fatalf("pid %q", pid)
	}
	if err := unix.Kill(n, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

// networkProcesses are the manager's processes that carry networks.
func networkProcesses(t *testing.T, m *testenv.Manager) []testenv.Process {
	t.Helper()
	all, err := testenv.Processes(m.Marks())
	if err != nil {
		t.Fatal(err)
	}
	var found []testenv.Process
	for _, p := range all {
		switch name, _, _ := strings.Cut(p.Command, " "); filepath.Base(name) {
		case "pasta", "slirp4netns", "manager-network":
			found = append(found, p)
		}
	}
	return found
}

// noNetwork wants no process of a network beside a container that does not run. One that has been told to end may be on its way, and a
// child of a killed command that is about to become another program has the command's lock for that moment.
func noNetwork(t *testing.T, m *testenv.Manager, when string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		state := m.MustRun(t, "ps", "-a", "--format", "{{.State}}")
		left := networkProcesses(t, m)
		if len(left) == 0 || state == "running" {
			return
		}
		if time.Now().After(deadline) {
			t.Errorf("%s: state %q, left %v", when, state, left)
			return
		}
	}
}

// A command that is killed at any moment of a start leaves no process of a network, and the next command knows what is.
func TestUsernetKilled(t *testing.T) {
	for _, driver := range drivers {
		t.Run(driver, func(t *testing.T) {
			m, _ := usernet(t)
			network := withDriver(t, m, driver)
			args := append(append([]string{"run", "-d", "--name", "x", "-p", "8080:80"}, network...), "busybox", "sleep", "1000")
			began := time.Now()
			m.MustRun(t, args...)
			whole := time.Since(began)
			const tries = 12
			for i := range tries {
				m.MustRun(t, "rm", "-f", "-t", "0", "--ignore", "x")
				ctx, cancel := context.WithTimeout(t.Context(), whole*time.Duration(i+1)/tries)
				_ = m.Command(ctx, args...).Run() // CommandContext kills it
				cancel()
				noNetwork(t, m, fmt.Sprintf("killed after %d of %d", i+1, tries))
			}
			m.MustRun(t, "rm", "-f", "-t", "0", "--ignore", "x")
			noNetwork(t, m, "removed")
		})
	}
}
