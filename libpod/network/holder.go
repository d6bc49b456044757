package network

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/manager-project/manager/pkg/spec"
)

// holder says in words which process listens on the port.
func holder(p spec.Port) string {
	inode, uid, found := socketOf(p)
	if !found {
		return "a process that has ended by now, or a connection that has just been closed"
	}
	link := "socket:[" + inode + "]"
	files, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, f := range files {
		if to, err := os.Readlink(f); err == nil && to == link {
			pid := strings.Split(f, "/")[2]
			name, _ := os.ReadFile("/proc/" + pid + "/comm")
			return fmt.Sprintf("process %s (%s)", pid, strings.TrimSpace(string(name)))
		}
	}
	// From inside of a user's namespace the user's own processes outside cannot be looked into.
	if uid == os.Getuid() {
		return fmt.Sprintf("a process of your own (\"ss -lnp sport = %d\" shows it)", p.HostPort)
	}
	return fmt.Sprintf("a process of another user (\"ss -lnp sport = %d\" shows it to root)", p.HostPort)
}

// socketOf finds the inode and the owner of the socket that listens there. Source: proc_pid_net(5); the state 0A is TCP_LISTEN, and 07
// is what a bound udp socket has.
func socketOf(p spec.Port) (inode string, uid int, found bool) {
	for _, table := range []string{p.Protocol, p.Protocol + "6"} {
		f, err := os.Open("/proc/net/" + table)
		if err != nil {
			continue
		}
		lines := bufio.NewScanner(f)
		for lines.Scan() {
			w := strings.Fields(lines.Text())
			if len(w) < 10 || w[3] != "0A" && w[3] != "07" {
				continue
			}
			addr, port, ok := parseSocket(w[1])
			if !ok || port != p.HostPort {
				continue
			}
			// A socket on all addresses of IPv6 has those of IPv4 too, unless it was told not to; that is not in the table.
			q := spec.Port{HostIP: addr.String(), HostPort: port, Range: 1, Protocol: p.Protocol}
			if addr.IsUnspecified() && addr.Is6() {
				q.HostIP = ""
			}
			if p.Meets(q) {
				inode, found = w[9], true
				uid, _ = strconv.Atoi(w[7])
			}
		}
		_ = f.Close()
	}
	return inode, uid, found
}

// parseSocket reads "0100007F:1F90": words of four bytes in the machine's order, which is little-endian.
func parseSocket(text string) (netip.Addr, uint16, bool) {
	host, port, ok := strings.Cut(text, ":")
	raw, err := hex.DecodeString(host)
	n, err2 := strconv.ParseUint(port, 16, 16)
	if !ok || err != nil || err2 != nil || len(raw)%4 != 0 {
		return netip.Addr{}, 0, false
	}
	for i := 0; i < len(raw); i += 4 {
		slices.Reverse(raw[i : i+4])
	}
	addr, ok := netip.AddrFromSlice(raw)
	return addr.Unmap(), uint16(n), ok
}
