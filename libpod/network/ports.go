package network

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/spec"
)

// Owners says who has a port of the host.
type Owners struct {
	// Container names the container that has published a port already, or returns ""; it may be nil.
	Container func(spec.Port) string
	// Noted is what NoteHolders has returned, or nil.
	Noted Holders
}

// Check tries to listen on each port of the host, so that what cannot be had is said before anything is made.
func Check(ports []spec.Port, owners Owners) error {
	for _, run := range ports {
		for _, p := range run.Each() {
			err := try(p)
			var errno syscall.Errno
			if errors.As(err, &errno) {
				return PortError(p, errno, owners)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// CheckRights refuses ports that a user of the host may not publish, without trying: what is wrong with the words of a
// command is said before it makes anything.
func CheckRights(ports []spec.Port) error {
	for _, run := range ports {
		for _, p := range run.Each() {
			if int(p.HostPort) < firstUserPort() {
				return PortError(p, syscall.EACCES, Owners{})
			}
		}
	}
	return nil
}

// Network is the name of package net for where a port listens: without an address on both IPv4 and IPv6.
func Network(p spec.Port) string {
	switch {
	case p.HostIP == "":
		return p.Protocol
	case strings.Contains(p.HostIP, ":"):
		return p.Protocol + "6"
	}
	return p.Protocol + "4"
}

// try listens on the port and stops at once.
func try(p spec.Port) error {
	l, err := listen(p)
	if err != nil {
		return err
	}
	return l.Close()
}

func listen(p spec.Port) (interface{ Close() error }, error) {
	addr := net.JoinHostPort(p.HostIP, strconv.Itoa(int(p.HostPort)))
	var c net.ListenConfig
	if p.Protocol == "udp" {
		return c.ListenPacket(context.Background(), Network(p), addr)
	}
	return c.Listen(context.Background(), Network(p), addr)
}

// FreePort finds a port of the host that can be listened on; taken says that one is out of the question all the same.
func FreePort(ip, protocol string, taken func(uint16) bool) (uint16, error) {
	const tries = 1000
	for range tries {
		l, err := listen(spec.Port{HostIP: ip, Protocol: protocol})
		if err != nil {
			var errno syscall.Errno
			if errors.As(err, &errno) {
				return 0, PortError(spec.Port{HostIP: ip, Protocol: protocol, Range: 1}, errno, Owners{})
			}
			return 0, err
		}
		var addr net.Addr
		switch l := l.(type) {
		case net.Listener:
			addr = l.Addr()
		case net.PacketConn:
			addr = l.LocalAddr()
		}
		_ = l.Close()
		_, text, err := net.SplitHostPort(addr.String())
		if err != nil {
			return 0, err
		}
		n, err := strconv.ParseUint(text, 10, 16)
		if err == nil && !taken(uint16(n)) {
			return uint16(n), nil
		}
	}
	return 0, errdefs.New(errdefs.ErrUnavailable, "port", protocol, "none of the host's is free").WithOp("find").
		WithHint("name one: --publish HOSTPORT:CONTAINERPORT")
}

// PortError says why a port of the host cannot be had, and what to do.
func PortError(p spec.Port, errno syscall.Errno, owners Owners) error {
	e := &errdefs.Error{Op: "publish", Kind: "port", Name: p.String() + "/" + p.Protocol, Class: errdefs.ErrUnavailable, Cause: errno}
	switch errno {
	case syscall.EADDRINUSE:
		e.Class, e.Hint = errdefs.ErrInUse, "choose another port of the host, or end what has it"
		who := ""
		if owners.Container != nil {
			who = owners.Container(p)
		}
		if who == "" {
			who = holder(p, owners.Noted)
		}
		e.Cause = fmt.Errorf("it is in use by %s", who)
	case syscall.EACCES, syscall.EPERM:
		first := firstUserPort()
		if int(p.HostPort) >= first {
			e.Class, e.Hint = errdefs.ErrPermission, "look for what forbids it: SELinux, AppArmor or a seccomp filter of the session"
			return e
		}
		e.Class, e.Cause = errdefs.ErrPermission, fmt.Errorf("ports below %d are root's", first)
		other := alternative(p.HostPort, first)
		e.Hint = fmt.Sprintf("use --publish %d:%d; or as root \"sysctl net.ipv4.ip_unprivileged_port_start=%d\" lets users have it, "+
			"\"nft add rule ip nat prerouting %s dport %d redirect to :%d\" leads it there; or run the container as root",
			other, p.ContainerPort, p.HostPort, p.Protocol, p.HostPort, other)
	case syscall.EADDRNOTAVAIL:
		e.Cause, e.Hint = errors.New("this host has no such address"), "look at \"ip address\" for those it has, or leave the address out"
	}
	return e
}

// alternative is a port for users that reads like the one that is root's: 8080 for 80.
func alternative(port uint16, first int) int {
	for n := int(port) + 8000; ; n += 1000 {
		if n >= first {
			return n
		}
	}
}

// firstUserPort is the lowest port that anybody may listen on. Source: kernel ip-sysctl.rst.
func firstUserPort() int {
	raw, err := os.ReadFile("/proc/sys/net/ipv4/ip_unprivileged_port_start")
	if err != nil {
		return 1024
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(raw)))
	if err != nil {
		return 1024
	}
	return n
}
