package lookup

import (
	"bytes"
	"cmp"
	"os"
	"strconv"
	"strings"

	"github.com/manager-project/manager/pkg/errdefs"
)

// HostUser is a user of the host that --hostuser makes known inside.
type HostUser struct {
	Name     string
	UID, GID uint32
	Home     string
	// Shell is "/bin/sh" when empty.
	Shell string
}

// PasswdFile is the content for a passwd file of the container's own: old with a line
// for u when its uid has none, and lines for the host's users. template is --passwd-entry
// ($USERNAME, $UID, $GID, $NAME, $HOME), "" for the usual line. changed is false when old will
// do as it is. Values with control characters or ':' are errors of class invalid.
func PasswdFile(old []byte, u User, template string, host []HostUser) (content []byte, changed bool, err error) {
	var lines []string
	if _, ok := findUser(old, func(p passwdLine) bool { return p.uid == u.UID }); !ok {
		uid, gid := strconv.FormatUint(uint64(u.UID), 10), strconv.FormatUint(uint64(u.GID), 10)
		name := u.Name
		if name == "" {
			name = uid
		}
		if template == "" {
			template = "$USERNAME:*:$UID:$GID:container user:$HOME:/bin/sh"
		}
		line, err := expand(template, map[string]string{
			"USERNAME": name, "UID": uid, "GID": gid, "NAME": "container user", "HOME": orSlash(u.Home),
		})
		if err != nil {
			return nil, false, err
		}
		lines = append(lines, line)
	}
	for _, h := range host {
		if _, ok := findUser(old, func(p passwdLine) bool { return p.uid == h.UID || p.name == h.Name }); ok {
			continue
		}
		shell := h.Shell
		if shell == "" {
			shell = "/bin/sh"
		}
		line, err := expand("$USERNAME:*:$UID:$GID:$USERNAME:$HOME:$SHELL", map[string]string{
			"USERNAME": h.Name, "UID": strconv.FormatUint(uint64(h.UID), 10), "GID": strconv.FormatUint(uint64(h.GID), 10),
			"HOME": orSlash(h.Home), "SHELL": shell,
		})
		if err != nil {
			return nil, false, err
		}
		lines = append(lines, line)
	}
	return appendLines(old, lines), len(lines) > 0, nil
}

// GroupFile is the content for a group file of the container's own: old with a line for
// u's primary group when it has none. template is --group-entry ($GROUPNAME, $GID,
// $USERLIST), "" for the usual line. changed is false when old will do as it is.
func GroupFile(old []byte, u User, template string) (content []byte, changed bool, err error) {
	if _, ok := findGroup(old, func(g groupLine) bool { return g.gid == u.GID }); ok {
		return old, false, nil
	}
	gid := strconv.FormatUint(uint64(u.GID), 10)
	members := u.Name
	if members == "" {
		members = strconv.FormatUint(uint64(u.UID), 10)
	}
	if template == "" {
		template = "$GROUPNAME:x:$GID:$USERLIST"
	}
	line, err := expand(template, map[string]string{
		"GROUPNAME": cmp.Or(u.GroupName, gid), "GID": gid, "USERLIST": members, "GROUPLIST": members,
	})
	if err != nil {
		return nil, false, err
	}
	return appendLines(old, []string{line}), true, nil
}

// expand fills a template in. What is filled in cannot add a field or a line.
func expand(template string, values map[string]string) (string, error) {
	template = strings.TrimSuffix(template, `\n`)
	for _, v := range values {
		if hasControl(v) || strings.Contains(v, ":") {
			return "", errdefs.New(errdefs.ErrInvalid, "passwd entry", v, "control characters or ':' in a field")
		}
	}
	line := os.Expand(template, func(key string) string { return values[key] })
	if hasControl(line) {
		return "", errdefs.New(errdefs.ErrInvalid, "passwd entry", template, "control characters in the line")
	}
	return line, nil
}

func appendLines(old []byte, lines []string) []byte {
	if len(lines) == 0 {
		return old
	}
	out := bytes.Clone(old)
	if len(out) > 0 && out[len(out)-1] != '\n' {
		out = append(out, '\n')
	}
	for _, line := range lines {
		out = append(append(out, line...), '\n')
	}
	return out
}

func orSlash(home string) string {
	if home == "" {
		return "/"
	}
	return home
}
