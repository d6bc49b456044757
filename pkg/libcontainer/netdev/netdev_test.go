package netdev

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sort"
	"strings"
	"syscall"
	"testing"

	"github.com/manager-project/manager/pkg/errdefs"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// twoHosts puts this thread into a network namespace of its own, which plays the host, and starts a process in
// another, the container.
func twoHosts(t *testing.T) (pid int, inside *netlink.Handle) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	runtime.LockOSThread() // and never unlocked: the thread dies with the test
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Skip("no network namespaces: ", err)
	}
	c := exec.Command("sleep", "100")
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
	ns, err := netns.GetFromPid(c.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ns.Close() })
	if inside, err = netlink.NewHandleAt(ns); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(inside.Close)
	return c.Process.Pid, inside
}

func device(t *testing.T, h *netlink.Handle, name string, addresses ...string) netlink.Link {
	t.Helper()
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU = name, 1300
	var err error
	if err = h.LinkAdd(&netlink.Dummy{LinkAttrs: attrs}); errors.Is(err, unix.EOPNOTSUPP) {
		err = h.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: "p" + name})
	}
	if err != nil {
		t.Fatal(err)
	}
	l, err := h.LinkByName(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.LinkSetUp(l); err != nil {
		t.Fatal(err)
	}
	for _, a := range addresses {
		addr, err := netlink.ParseAddr(a)
		if err != nil {
			t.Fatal(err)
		}
		if addr.IP.To4() == nil {
			addr.Flags |= unix.IFA_F_NODAD
		}
		if err := h.AddrAdd(l, addr); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

func addresses(t *testing.T, h *netlink.Handle, l netlink.Link) string {
	t.Helper()
	list, err := permanent(h, l)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, a := range list {
		out = append(out, a.IPNet.String())
	}
	sort.Strings(out)
	return strings.Join(out, " ")
}

func TestMoveKeepsWhatADeviceHas(t *testing.T) {
	pid, inside := twoHosts(t)
	host, err := netlink.NewHandle()
	if err != nil {
		t.Fatal(err)
	}
	defer host.Close()
	before := device(t, host, "one", "10.1.2.3/24", "10.1.2.4/24", "fd00::5/64")
	device(t, host, "two")
	err = Move(pid, map[string]specs.LinuxNetDevice{"one": {Name: "eth5"}, "two": {}})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"one", "two"} {
		if _, err := host.LinkByName(name); err == nil {
			t.Errorf("%s is still in the host", name)
		}
	}
	l, err := inside.LinkByName("eth5")
	if err != nil {
		t.Fatal(err)
	}
	if a := l.Attrs(); a.MTU != 1300 || a.HardwareAddr.String() != before.Attrs().HardwareAddr.String() || a.Flags&1 == 0 {
		t.Errorf("device %+v", a)
	}
	if got := addresses(t, inside, l); got != "10.1.2.3/24 10.1.2.4/24 fd00::5/64" {
		t.Errorf("addresses %q", got)
	}
	if l, err = inside.LinkByName("two"); err != nil || l.Attrs().Flags&1 == 0 {
		t.Errorf("%+v, %v", l, err)
	}
}

func TestNamesInside(t *testing.T) {
	pid, inside := twoHosts(t)
	host, err := netlink.NewHandle()
	if err != nil {
		t.Fatal(err)
	}
	defer host.Close()
	device(t, inside, "eth0")
	device(t, inside, "src")
	device(t, host, "src", "10.9.9.9/32")
	device(t, host, "other")
	for devices, want := range map[string]error{
		"src:eth0": errdefs.ErrExists, "other: nothing:": errdefs.ErrNotFound, "other:lo": errdefs.ErrExists, "src:": errdefs.ErrExists,
	} {
		if err := Move(pid, parse(devices)); !errors.Is(err, want) || !strings.HasPrefix(fmt.Sprint(err), "linux.netDevices.") {
			t.Errorf("%s: %v", devices, err)
		}
		for _, name := range []string{"src", "other"} {
			if _, err := host.LinkByName(name); err != nil {
				t.Fatalf("%s: %s was moved though the whole was refused", devices, name)
			}
		}
	}
	// The source's own name is taken inside, its new one is a pattern.
	if err := Move(pid, parse("src:eth%d other:eth%d")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"eth1", "eth2", "src"} {
		if _, err := inside.LinkByName(name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := Move(pid, nil); err != nil {
		t.Error(err)
	}
	if err := Move(1<<22, parse("a:b")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no process: %v", err)
	}
}

func parse(text string) map[string]specs.LinuxNetDevice {
	out := map[string]specs.LinuxNetDevice{}
	for _, f := range strings.Fields(text) {
		name, inside, _ := strings.Cut(f, ":")
		out[name] = specs.LinuxNetDevice{Name: inside}
	}
	return out
}
