package lookup

import (
	"bytes"
	"strconv"
	"strings"
	"unicode"

	"github.com/manager-project/manager/pkg/errdefs"
)

// MaxID is the largest user or group id: the kernel keeps 2^32-1 for "none".
const MaxID = 1<<32 - 2

// passwdLine is a line of passwd(5): name:password:uid:gid:gecos:home:shell.
type passwdLine struct {
	name     string
	uid, gid uint32
	home     string
}

// groupLine is a line of group(5): name:password:gid:members.
type groupLine struct {
	name    string
	gid     uint32
	members []byte
}

// eachLine calls visit with the fields of every line until it returns false.
func eachLine(data []byte, fields int, visit func(f [][]byte) bool) {
	for len(data) > 0 {
		var line []byte
		line, data, _ = bytes.Cut(data, []byte{'\n'})
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		f := bytes.SplitN(line, []byte{':'}, fields+1)
		if len(f) >= fields && !visit(f) {
			return
		}
	}
}

// findUser returns the first line that fits.
func findUser(passwd []byte, fits func(p passwdLine) bool) (passwdLine, bool) {
	var found passwdLine
	ok := false
	// Six fields: the shell may be missing.
	eachLine(passwd, 6, func(f [][]byte) bool {
		uid, err1 := parseID(string(f[2]))
		gid, err2 := parseID(string(f[3]))
		if err1 != nil || err2 != nil || len(f[0]) == 0 {
			return true
		}
		p := passwdLine{name: string(f[0]), uid: uid, gid: gid, home: string(f[5])}
		if home, _, cut := strings.Cut(p.home, ":"); cut {
			p.home = home
		}
		if fits(p) {
			found, ok = p, true
		}
		return !ok
	})
	return found, ok
}

func eachGroup(group []byte, visit func(g groupLine) bool) {
	eachLine(group, 3, func(f [][]byte) bool {
		gid, err := parseID(string(f[2]))
		if err != nil || len(f[0]) == 0 {
			return true
		}
		g := groupLine{name: string(f[0]), gid: gid}
		if len(f) > 3 {
			g.members = f[3]
		}
		return visit(g)
	})
}

func findGroup(group []byte, fits func(g groupLine) bool) (groupLine, bool) {
	var found groupLine
	ok := false
	eachGroup(group, func(g groupLine) bool {
		if fits(g) {
			found, ok = g, true
		}
		return !ok
	})
	return found, ok
}

func (g groupLine) has(name string) bool {
	for rest := g.members; len(rest) > 0; {
		var member []byte
		member, rest, _ = bytes.Cut(rest, []byte{','})
		if string(bytes.TrimSpace(member)) == name {
			return true
		}
	}
	return false
}

// isNumber reports a word of digits only.
func isNumber(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// parseID reads an id; it fails on everything but digits up to MaxID.
func parseID(s string) (uint32, error) {
	n, err := strconv.ParseUint(s, 10, 64)
	if !isNumber(s) || err != nil || n > MaxID {
		return 0, errdefs.New(errdefs.ErrInvalid, "id", s, "not a number from 0 to %d", uint32(MaxID))
	}
	return uint32(n), nil
}

func hasControl(s string) bool { return strings.ContainsFunc(s, unicode.IsControl) }
