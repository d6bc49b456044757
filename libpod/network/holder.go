package network

import (
	"bufio"
	"cmp"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/manager-project/manager/pkg/rootless"
	"github.com/manager-project/manager/pkg/spec"
)

// holder says in words which process listens on the port. noted are processes that were seen from elsewhere.
func holder(p spec.Port, noted Holders) string {
	held := holding([]spec.Port{p})
	if len(held) == 0 {
		return "a process that has ended by now, or a connection that has just been closed"
	}
	seen := findHolders(held)
	for _, s := range held {
		if pid := cmp.Or(seen[s.inode], noted[s.inode].PID); pid != 0 {
			name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
			return fmt.Sprintf("process %d (%s)", pid, strings.TrimSpace(string(name)))
		}
	}
	s := held[0]
	if s.uid == os.Getuid() {
		return fmt.Sprintf("a process of your own (\"ss -lnp sport = %d\" shows it)", p.HostPort)
	}
	who := "another user"
	if h, ok := noted[s.inode]; ok {
		who = userName(h.UID)
	} else if !rootless.Active() {
		who = userName(s.uid) // in a user's namespace, others have one id together
	}
	return fmt.Sprintf("a process of %s (\"ss -lnp sport = %d\" shows it to root)", who, p.HostPort)
}

// userName is another user in words, which is all that the kernel tells of his socket.
func userName(uid int) string {
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return fmt.Sprintf("user %s (%d)", u.Username, uid)
	}
	return fmt.Sprintf("the user %d", uid)
}

// socket is one on which somebody listens.
type socket struct {
	inode string
	uid   int
}

// holding are the sockets that keep the ports from being listened on. Source: proc_pid_net(5); the state 0A is TCP_LISTEN, and 07 is
// what a bound udp socket has.
func holding(ports []spec.Port) (found []socket) {
	for _, table := range []string{"tcp", "tcp6", "udp", "udp6"} {
		protocol := strings.TrimSuffix(table, "6")
		if !slices.ContainsFunc(ports, func(p spec.Port) bool { return p.Protocol == protocol }) {
			continue
		}
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
			if !ok {
				continue
			}
			// A socket on all addresses of IPv6 has those of IPv4 too, unless it was told not to; that is not in the table.
			q := spec.Port{HostIP: addr.String(), HostPort: port, Range: 1, Protocol: protocol}
			if addr.IsUnspecified() && addr.Is6() {
				q.HostIP = ""
			}
			if slices.ContainsFunc(ports, q.Meets) {
				uid, _ := strconv.Atoi(w[7])
				found = append(found, socket{inode: w[9], uid: uid})
			}
		}
		_ = f.Close()
	}
	return found
}

// Holders are who has sockets, by their inodes.
type Holders map[string]Holder

// Holder has a socket. PID is 0 where it is another user's process.
type Holder struct{ PID, UID int }

// findHolders looks for the sockets among the files of those processes that may be looked into.
func findHolders(sockets []socket) map[string]int {
	found := map[string]int{}
	files, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, f := range files {
		to, err := os.Readlink(f)
		inode, isSocket := strings.CutPrefix(to, "socket:[")
		if err != nil || !isSocket {
			continue
		}
		inode = strings.TrimSuffix(inode, "]")
		if slices.ContainsFunc(sockets, func(s socket) bool { return s.inode == inode }) {
			found[inode], _ = strconv.Atoi(strings.Split(f, "/")[2])
			if len(found) == len(sockets) {
				break
			}
		}
	}
	return found
}

// notedVariable carries Holders over to inside of a user's namespaces: "INODE:PID:UID,…".
const notedVariable = "_MANAGER_SOCKETS"

// NoteHolders finds who has the ports that --publish names. From inside of a user's namespaces the user's own processes outside
// cannot be looked into, so it is called before these are joined, when it leaves what it finds in the environment, and
// again afterwards, when it takes that. Everybody else looks when there is a need. Words that are wrong are passed over.
func NoteHolders(publish []string) Holders {
	if !rootless.Active() {
		return nil
	}
	if rootless.Inside() {
		noted := Holders{}
		for word := range strings.SplitSeq(os.Getenv(notedVariable), ",") {
			var inode, pid, uid int
			if n, _ := fmt.Sscanf(word, "%d:%d:%d", &inode, &pid, &uid); n == 3 {
				noted[strconv.Itoa(inode)] = Holder{PID: pid, UID: uid}
			}
		}
		_ = os.Unsetenv(notedVariable)
		return noted
	}
	var ports []spec.Port
	for _, word := range publish {
		if p, err := spec.ParsePort(word); err == nil && p.HostPort != 0 {
			ports = append(ports, p)
		}
	}
	if len(ports) == 0 {
		return nil
	}
	if held := holding(ports); len(held) > 0 {
		var words []string
		seen := findHolders(held)
		for _, s := range held {
			words = append(words, fmt.Sprintf("%s:%d:%d", s.inode, seen[s.inode], s.uid))
		}
		_ = os.Setenv(notedVariable, strings.Join(words, ","))
	}
	return nil
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
