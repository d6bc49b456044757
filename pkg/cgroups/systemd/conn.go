// Package systemd asks systemd over D-Bus for the scopes in which containers run.
//
// A scope is a unit for processes that somebody else starts. systemd makes its cgroup, and with
// Delegate=yes leaves what is below and in it to us. It knows two managers: the system's, spoken
// to over the system bus or, by root, directly; and each user's own, over the user's bus.
//
// A connection is made for one operation and closed. Nothing here reads or writes cgroup files.
package systemd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/godbus/dbus/v5"

	"github.com/manager-project/manager/pkg/errdefs"
)

// Conn is a connection to one service manager. It is used by one goroutine at a time.
type Conn struct {
	bus     *dbus.Conn
	manager dbus.BusObject
	jobs    chan *dbus.Signal
}

const (
	service = "org.freedesktop.systemd1"
	iface   = service + ".Manager"
	scope   = service + ".Scope"
	private = "unix:path=/run/systemd/private"
	system  = "unix:path=/run/dbus/system_bus_socket"
)

// Connect reaches the system's manager, or with user the caller's own. ErrUnavailable when none
// answers. The caller closes the connection; ctx ends it, too.
func Connect(ctx context.Context, user bool) (*Conn, error) {
	var errs []error
	for _, address := range addresses(user) {
		c, err := connect(ctx, address)
		if err == nil {
			return c, nil
		}
		errs = append(errs, fmt.Errorf("%s: %w", address, err))
	}
	e := &errdefs.Error{Op: "reach", Kind: "systemd", Class: errdefs.ErrUnavailable, Cause: errors.Join(errs...)}
	if user {
		return nil, e.WithHint("log in through systemd-logind or enable lingering, or use the cgroupfs manager")
	}
	return nil, e.WithHint("start systemd, or use the cgroupfs manager")
}

// addresses are the sockets to try. Root can do without a bus; a user's manager has a private
// socket as well.
func addresses(user bool) []string {
	if !user {
		if a := os.Getenv("DBUS_SYSTEM_BUS_ADDRESS"); a != "" {
			return []string{a}
		}
		return []string{system, private}
	}
	var list []string
	if a := os.Getenv("DBUS_SESSION_BUS_ADDRESS"); a != "" {
		list = append(list, a)
	}
	dir := os.Getenv("XDG_RUNTIME_DIR")
	if dir == "" {
		dir = "/run/user/" + strconv.Itoa(hostUID())
	}
	return append(list, "unix:path="+dbus.EscapeBusAddressValue(dir+"/bus"), "unix:path="+dbus.EscapeBusAddressValue(dir+"/systemd/private"))
}

func connect(ctx context.Context, address string) (*Conn, error) {
	bus, err := dbus.Dial(address, dbus.WithContext(ctx))
	if err != nil {
		return nil, err
	}
	if err := introduce(bus, strings.HasSuffix(address, "/systemd/private")); err != nil {
		_ = bus.Close()
		return nil, err
	}
	return &Conn{bus: bus, manager: bus.Object(service, "/org/freedesktop/systemd1")}, nil
}

// introduce authenticates by the socket's credentials. They are the host's, also in a user
// namespace. A bus wants a greeting, systemd's own socket has no bus behind it.
func introduce(bus *dbus.Conn, direct bool) error {
	if err := bus.Auth([]dbus.Auth{dbus.AuthExternal(strconv.Itoa(hostUID()))}); err != nil {
		return err
	}
	if direct {
		return nil
	}
	return bus.Hello()
}

// hostUID is the caller's user id as the initial user namespace has it, as far as one level of
// namespaces goes.
func hostUID() int {
	b, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		return os.Geteuid()
	}
	return outerUID(string(b), os.Geteuid())
}

// outerUID looks an id up in a table of uid_map's form. Source: user_namespaces(7).
func outerUID(table string, uid int) int {
	for line := range strings.Lines(table) {
		var in, out, n int
		if _, err := fmt.Sscan(line, &in, &out, &n); err == nil && uid >= in && uid-in < n {
			return out + uid - in
		}
	}
	return uid
}

// Close ends the connection.
func (c *Conn) Close() { _ = c.bus.Close() }

// Version is the manager's major version, like 252; 0 when it does not say.
func (c *Conn) Version() int {
	v, err := c.manager.GetProperty(iface + ".Version")
	if err != nil {
		return 0
	}
	s, _ := v.Value().(string)
	return majorVersion(s)
}

// majorVersion is the number with which a version begins, behind a v at most.
func majorVersion(s string) int {
	s = strings.TrimPrefix(s, "v")
	end := 0
	for end < len(s) && s[end] >= '0' && s[end] <= '9' {
		end++
	}
	n, _ := strconv.Atoi(s[:end])
	return n
}
