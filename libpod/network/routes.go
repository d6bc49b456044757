package network

import (
	"encoding/binary"
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// hearRoutes opens a socket that hears of new routes in the thread's network namespace. Source: rtnetlink(7).
func hearRoutes() (*os.File, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: unix.RTMGRP_IPV4_ROUTE | unix.RTMGRP_IPV6_ROUTE}); err != nil {
		return nil, errors.Join(os.NewSyscallError("bind", err), unix.Close(fd))
	}
	return os.NewFile(uintptr(fd), "routes"), nil
}

// awaitDefaults waits until the namespace has got a default route of each family: unix.AF_INET, unix.AF_INET6.
func awaitDefaults(routes *os.File, families ...byte) error {
	missing := map[byte]bool{}
	for _, f := range families {
		missing[f] = true
	}
	buf := make([]byte, 16<<10)
	for len(missing) > 0 {
		n, err := routes.Read(buf)
		if err != nil {
			return err
		}
		for _, f := range defaultRoutes(buf[:n]) {
			delete(missing, f)
		}
	}
	return nil
}

// defaultRoutes are the families of the new default routes that a datagram of the kernel tells of.
func defaultRoutes(datagram []byte) (families []byte) {
	all, err := syscall.ParseNetlinkMessage(datagram)
	if err != nil {
		return nil
	}
	for _, m := range all {
		if m.Header.Type == unix.RTM_NEWROUTE && len(m.Data) >= unix.SizeofRtMsg {
			// struct rtmsg: family, length of the destination, …, type, flags.
			if flags := binary.NativeEndian.Uint32(m.Data[8:]); m.Data[1] == 0 && m.Data[7] == unix.RTN_UNICAST && flags&unix.RTM_F_CLONED == 0 {
				families = append(families, m.Data[0])
			}
		}
	}
	return families
}

// wayOutFamilies are the families by which the host has a route to elsewhere.
func wayOutFamilies() (families []byte) {
	if WayOut("udp4") {
		families = append(families, unix.AF_INET)
	}
	if WayOut("udp6") {
		families = append(families, unix.AF_INET6)
	}
	return families
}
