package userspace

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"unsafe"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/spec"
)

// namespace is the container's network namespace: a thread in it carries out calls.
type namespace struct {
	calls chan func()
	links *netlink.Handle
}

// enter joins the namespace with a thread that never leaves.
func enter(path string) (*namespace, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	n := &namespace{calls: make(chan func())}
	joined := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread is of no use to anybody else
		err := unix.Setns(int(f.Fd()), unix.CLONE_NEWNET)
		if err == nil {
			// The sockets of the handle belong to the namespace in which they were made.
			n.links, err = netlink.NewHandle(unix.NETLINK_ROUTE)
		}
		joined <- err
		if err != nil {
			return
		}
		for call := range n.calls {
			call()
		}
	}()
	if err := <-joined; err != nil {
		return nil, fmt.Errorf("join the network namespace: %w", err)
	}
	return n, nil
}

// do carries out a call in the namespace.
func (n *namespace) do(call func() error) error {
	done := make(chan error)
	n.calls <- func() { done <- call() }
	return <-done
}

// socket makes a socket in the namespace. It stays in there whoever uses it.
func (n *namespace) socket(family, kind int) (fd int, err error) {
	err = n.do(func() error {
		fd, err = unix.Socket(family, kind|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		return err
	})
	return fd, err
}

// tapName is the interface's, as slirp4netns calls it.
const tapName = "tap0"

// makeTap makes the tap device and gives it its address and the way out.
func (n *namespace) makeTap(addr netip.Prefix, gateway netip.Addr, mtu int) (*os.File, error) {
	var tap *os.File
	err := n.do(func() (err error) {
		tap, err = openTap(tapName)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("make the interface %s: %w", tapName, err)
	}
	if err := n.configure(addr, gateway, mtu); err != nil {
		_ = tap.Close()
		return nil, fmt.Errorf("configure the interface %s: %w", tapName, err)
	}
	return tap, nil
}

// openTap makes a tap device that lasts as long as the file. Source: kernel tuntap.rst.
func openTap(name string) (*os.File, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: "/dev/net/tun", Err: err}
	}
	var req struct {
		name  [unix.IFNAMSIZ]byte
		flags uint16
		_     [22]byte
	}
	copy(req.name[:], name)
	req.flags = unix.IFF_TAP | unix.IFF_NO_PI
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.TUNSETIFF, uintptr(unsafe.Pointer(&req))); errno != 0 {
		_ = unix.Close(fd)
		return nil, os.NewSyscallError("TUNSETIFF", errno)
	}
	return os.NewFile(uintptr(fd), name), nil
}

func (n *namespace) configure(addr netip.Prefix, gateway netip.Addr, mtu int) error {
	link, err := n.links.LinkByName(tapName)
	if err != nil {
		return err
	}
	if err := n.links.LinkSetMTU(link, mtu); err != nil {
		return err
	}
	if err := n.links.LinkSetUp(link); err != nil {
		return err
	}
	return n.addAddress(addr, gateway)
}

// addAddress gives the tap device an address and the way out by it. The container is alone in its network, so that nobody else can
// have an address of IPv6, which is not looked for.
func (n *namespace) addAddress(addr netip.Prefix, gateway netip.Addr) error {
	link, err := n.links.LinkByName(tapName)
	if err != nil {
		return err
	}
	a := &netlink.Addr{IPNet: &net.IPNet{IP: addr.Addr().AsSlice(), Mask: net.CIDRMask(addr.Bits(), addr.Addr().BitLen())}}
	if addr.Addr().Is6() {
		a.Flags = unix.IFA_F_NODAD
	}
	if err := n.links.AddrAdd(link, a); err != nil {
		return err
	}
	return n.links.RouteAdd(&netlink.Route{LinkIndex: link.Attrs().Index, Gw: gateway.AsSlice()})
}

// The tables of routes to clients, which are local there. Both numbers are free in a new namespace.
const (
	tableTCP = 100
	tableUDP = 101
)

// returnReplies makes what leaves from a published port come back to the helper's sockets. IPv6 may be switched off.
func (n *namespace) returnReplies(ports []spec.Port) error {
	lo, err := n.links.LinkByName("lo")
	if err != nil {
		return err
	}
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		everywhere := &net.IPNet{IP: net.IPv4zero.To4(), Mask: net.CIDRMask(0, 32)}
		if family == netlink.FAMILY_V6 {
			everywhere = &net.IPNet{IP: net.IPv6zero, Mask: net.CIDRMask(0, 128)}
		}
		err := n.links.RouteAdd(&netlink.Route{
			LinkIndex: lo.Attrs().Index, Dst: everywhere, Table: tableTCP, Type: unix.RTN_LOCAL, Scope: netlink.SCOPE_HOST, Family: family,
		})
		if err == nil {
			err = n.addRules(family, ports)
		}
		if err != nil && family == netlink.FAMILY_V4 {
			return err
		}
	}
	return nil
}

func (n *namespace) addRules(family int, ports []spec.Port) error {
	for _, p := range ports {
		r := netlink.NewRule()
		r.Family, r.Priority, r.Table, r.IPProto = family, tableTCP, tableTCP, unix.IPPROTO_TCP
		if p.Protocol == "udp" {
			r.Priority, r.Table, r.IPProto = tableUDP, tableUDP, unix.IPPROTO_UDP
		}
		r.Sport = netlink.NewRulePortRange(p.ContainerPort, p.ContainerPort+p.Range-1)
		if err := n.links.RuleAdd(r); err != nil && !os.IsExist(err) {
			return err
		}
	}
	return nil
}

// client makes replies to one udp client come back, or lets them leave again. source is the address that the container
// answers from.
func (n *namespace) client(addr, source netip.Addr, present bool) error {
	lo, err := n.links.LinkByName("lo")
	if err != nil {
		return err
	}
	r := &netlink.Route{
		LinkIndex: lo.Attrs().Index, Table: tableUDP, Type: unix.RTN_LOCAL, Scope: netlink.SCOPE_HOST, Src: source.AsSlice(),
		Dst: &net.IPNet{IP: addr.AsSlice(), Mask: net.CIDRMask(addr.BitLen(), addr.BitLen())},
	}
	if present {
		return n.links.RouteReplace(r)
	}
	return n.links.RouteDel(r)
}
