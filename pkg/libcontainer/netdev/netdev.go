// Package netdev moves network devices of the host into a container.
//
// The caller does it when the container's init waits: the namespace is there and the program does not run
// yet. A device keeps its attributes and its permanent global addresses, gets its name and is set up. From
// then on it is the container's: it is not managed, and not moved back; the kernel returns a physical device
// when the namespace ends.
//
// Source: OCI runtime-spec 1.3, config-linux.md, "Network Devices".
package netdev

import (
	"errors"
	"fmt"
	"os"
	"sort"
	"strconv"
	"strings"

	"github.com/manager-project/manager/pkg/errdefs"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// move is one device on its way.
type move struct {
	field     string
	link      netlink.Link
	name      string // in the container
	addresses []netlink.Addr
}

// Move moves the devices, named as in the host, into the network namespace of the process. All are
// checked before the first is touched. Errors begin with the field of the configuration; a device that is not
// there is of class ErrNotFound, a name that is taken ErrExists.
func Move(pid int, devices map[string]specs.LinuxNetDevice) error {
	if len(devices) == 0 {
		return nil
	}
	f, err := os.Open("/proc/" + strconv.Itoa(pid) + "/ns/net")
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	host, err := netlink.NewHandle()
	if err != nil {
		return err
	}
	defer host.Close()
	inside, err := netlink.NewHandleAt(netns.NsHandle(int(f.Fd())))
	if err != nil {
		return err
	}
	defer inside.Close()
	moves, err := check(host, inside, devices)
	if err != nil {
		return err
	}
	for _, m := range moves {
		if err := m.carryOut(host, inside, int(f.Fd())); err != nil {
			return &errdefs.Error{Op: m.field, Class: errdefs.ErrUnavailable, Cause: err}
		}
	}
	return nil
}

// check finds the devices, their addresses and their names.
func check(host, inside *netlink.Handle, devices map[string]specs.LinuxNetDevice) ([]move, error) {
	links, err := inside.LinkList()
	if err != nil {
		return nil, err
	}
	taken := map[string]bool{}
	for _, l := range links {
		taken[l.Attrs().Name] = true
	}
	names := make([]string, 0, len(devices))
	for name := range devices {
		names = append(names, name)
	}
	sort.Strings(names)
	var moves []move
	for _, name := range names {
		m := move{field: "linux.netDevices." + name, name: devices[name].Name}
		var missing netlink.LinkNotFoundError
		if m.link, err = host.LinkByName(name); errors.As(err, &missing) {
			return nil, &errdefs.Error{Op: m.field, Class: errdefs.ErrNotFound, Cause: errors.New("the host has no such device")}
		} else if err != nil {
			return nil, err
		}
		if m.name == "" {
			m.name = name
		}
		m.name = numbered(m.name, taken)
		if taken[m.name] {
			return nil, &errdefs.Error{Op: m.field, Class: errdefs.ErrExists, Cause: fmt.Errorf("the container has a device %s", m.name)}
		}
		taken[m.name] = true
		if m.addresses, err = permanent(host, m.link); err != nil {
			return nil, err
		}
		moves = append(moves, m)
	}
	return moves, nil
}

// numbered puts the first free number in the place of "%d".
func numbered(name string, taken map[string]bool) string {
	if !strings.Contains(name, "%d") {
		return name
	}
	for i := 0; ; i++ {
		if n := strings.Replace(name, "%d", strconv.Itoa(i), 1); !taken[n] {
			return n
		}
	}
}

// permanent are the addresses that go with a device: those that were given to it for good and are valid
// everywhere, of every family.
func permanent(h *netlink.Handle, link netlink.Link) ([]netlink.Addr, error) {
	all, err := h.AddrList(link, netlink.FAMILY_ALL)
	if err != nil {
		return nil, err
	}
	var out []netlink.Addr
	for _, a := range all {
		if a.Flags&unix.IFA_F_PERMANENT != 0 && a.Scope == unix.RT_SCOPE_UNIVERSE {
			out = append(out, a)
		}
	}
	return out, nil
}

// carryOut moves and renames the device in one request, so that a name that is taken inside cannot be in
// the way, and then gives it what it lost.
func (m *move) carryOut(host, inside *netlink.Handle, ns int) error {
	if err := host.LinkSetDown(m.link); err != nil {
		return fmt.Errorf("set down: %w", err)
	}
	req := nl.NewNetlinkRequest(unix.RTM_NEWLINK, unix.NLM_F_ACK)
	msg := nl.NewIfInfomsg(unix.AF_UNSPEC)
	msg.Index = int32(m.link.Attrs().Index)
	req.AddData(msg)
	req.AddData(nl.NewRtAttr(unix.IFLA_NET_NS_FD, nl.Uint32Attr(uint32(ns))))
	req.AddData(nl.NewRtAttr(unix.IFLA_IFNAME, nl.ZeroTerminated(m.name)))
	if _, err := req.Execute(unix.NETLINK_ROUTE, 0); err != nil {
		return fmt.Errorf("move: %w", err)
	}
	link, err := inside.LinkByName(m.name)
	if err != nil {
		return fmt.Errorf("find in the container: %w", err)
	}
	for _, a := range m.addresses {
		a.Label = "" // it has the old name in it
		a.LinkIndex = link.Attrs().Index
		a.Flags &^= unix.IFA_F_TENTATIVE | unix.IFA_F_DADFAILED
		if err := inside.AddrAdd(link, &a); err != nil && !errors.Is(err, unix.EEXIST) {
			return fmt.Errorf("address %s: %w", a.IPNet, err)
		}
	}
	if err := inside.LinkSetUp(link); err != nil {
		return fmt.Errorf("set up: %w", err)
	}
	return nil
}
