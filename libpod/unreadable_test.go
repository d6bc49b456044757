package libpod

import (
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// What is said of each kind of bind mount that cannot be read, word for word; "" where it can be.
func TestUnreadable(t *testing.T) {
	names := map[uint32]string{0: "root", 1000: "alice", 1001: "bob"}
	name := func(id uint32) string { return names[id] }
	same := func(id uint32) uint32 { return id }
	root := view{uid: same, gid: same, name: name, group: name}
	// alice's namespace: her own id is 0, 100000 on are 1 on.
	alices := func(id uint32) uint32 {
		switch id {
		case 0:
			return 1000
		case overflowID:
			return overflowID
		}
		return 99999 + id
	}
	alice := view{rootless: true, uid: alices, gid: alices, name: name, group: name}
	userns := []specs.LinuxIDMapping{{ContainerID: 0, HostID: 200000, Size: 65536}}
	const dir, file, sock = unix.S_IFDIR, unix.S_IFREG, unix.S_IFSOCK
	for _, c := range []struct {
		name   string
		view   view
		user   uint32
		groups []uint32
		// override says that the process has the capability.
		override bool
		ids      []specs.LinuxIDMapping
		src      source
		want     string
	}{
		{
			"root's directory", root, 1000, nil, false, nil,
			source{path: "/srv/data", mode: dir | 0o700},
			"/srv/data: the container's user 1000:1000 cannot read it: it belongs to root:root (0:0) and has mode 0700; with the option U it is given to that user: --volume /srv/data:/data:U",
		},
		{
			"root's directory, read-only", root, 1000, nil, false, nil,
			source{path: "/srv/data", mode: dir | 0o750, readOnly: true},
			"/srv/data: the container's user 1000:1000 cannot read it: it belongs to root:root (0:0) and has mode 0750; with the option U it is given to that user: --volume /srv/data:/data:ro,U",
		},
		{
			"a file of the machine", root, 1000, nil, false, nil,
			source{path: "/etc/shadow", mode: file | 0o600},
			"/etc/shadow: the container's user 1000:1000 cannot read it: it belongs to root:root (0:0) and has mode 0600; with --user 0:0 it is the owner",
		},
		{
			"another user's", root, 999, nil, false, nil,
			source{path: "/home/alice/app", uid: 1000, gid: 1000, mode: dir | 0o700},
			"/home/alice/app: the container's user 999:999 cannot read it: it belongs to alice:alice (1000:1000) and has mode 0700; with --user 1000:1000 it is the owner",
		},
		{
			"a group's", root, 999, nil, false, nil,
			source{path: "/srv/team", uid: 1000, gid: 1001, mode: dir | 0o2770},
			"/srv/team: the container's user 999:999 cannot read it: it belongs to alice:bob (1000:1001) and has mode 2770; with --group-add 1001 it is in that group",
		},
		{
			"its own, closed", root, 1000, nil, false, nil,
			source{path: "/srv/data", uid: 1000, gid: 1000, mode: dir | 0o300},
			"/srv/data: the container's user 1000:1000 cannot read it: it belongs to alice:alice (1000:1000) and has mode 0300; chmod u+rX /srv/data allows it",
		},
		{
			"its group's, closed", root, 999,
			[]uint32{1001},
			false, nil,
			source{path: "/srv/data", uid: 1000, gid: 1001, mode: file | 0o604},
			"/srv/data: the container's user 999:999 cannot read it: it belongs to alice:bob (1000:1001) and has mode 0604; chmod g+rX /srv/data allows it",
		},
		{
			"of the group root, as users of numbers are", root, 1000,
			[]uint32{0},
			false, nil,
			source{path: "/srv/data", mode: dir | 0o700},
			"/srv/data: the container's user 1000:1000 cannot read it: it belongs to root:root (0:0) and has mode 0700; with the option U it is given to that user: --volume /srv/data:/data:U",
		},
		{
			"closed to all", root, 999, nil, false, nil,
			source{path: "/srv/data", uid: 1000, gid: 1000, mode: file},
			"/srv/data: the container's user 999:999 cannot read it: it belongs to alice:alice (1000:1000) and has mode 0000; chmod u+rX,o+rX /srv/data allows it",
		},
		{
			"a directory that can be listed only", root, 999, nil, false, nil,
			source{path: "/srv/data", uid: 1000, gid: 1000, mode: dir | 0o744},
			"/srv/data: the container's user 999:999 cannot read it: it belongs to alice:alice (1000:1000) and has mode 0744; with --user 1000:1000 it is the owner",
		},
		{
			"a socket", root, 999, nil, false, nil,
			source{path: "/run/app.sock", gid: 1001, mode: sock | 0o660},
			"/run/app.sock: the container's user 999:999 cannot connect to it: it belongs to root:bob (0:1001) and has mode 0660; with --group-add 1001 it is in that group",
		},
		{
			"root without the capability", root, 0, nil, false, nil,
			source{path: "/home/alice", uid: 1000, gid: 1000, mode: dir | 0o700},
			"/home/alice: the container's user 0:0 cannot read it: it belongs to alice:alice (1000:1000) and has mode 0700; with --user 1000:1000 it is the owner",
		},
		{
			"a list that gives nothing", root, 1000, nil, false, nil,
			source{path: "/srv/data", mode: dir | 0o700, acl: true},
			"/srv/data: the container's user 1000:1000 cannot read it: it belongs to root:root (0:0) and has mode 0700; with the option U it is given to that user: --volume /srv/data:/data:U",
		},
		{
			"root of a user namespace", root, 0, nil, true, userns,
			source{path: "/srv/data", mode: dir | 0o700},
			"/srv/data: the container's user 0:0 (on the host 200000:200000) cannot read it: it belongs to root:root (0:0) and has mode 0700; with the option idmap it is mounted with the container's ids: --volume /srv/data:/data:idmap",
		},
		{
			"a user of a user namespace", root, 1000, nil, false, userns,
			source{path: "/srv/data", mode: dir | 0o700},
			"/srv/data: the container's user 1000:1000 (on the host 201000:201000) cannot read it: it belongs to root:root (0:0) and has mode 0700; with the option U it is given to that user: --volume /srv/data:/data:U",
		},
		{
			"another id of a user namespace", root, 1000, nil, false, userns,
			source{path: "/srv/data", uid: 200999, gid: 200999, mode: dir | 0o700},
			"/srv/data: the container's user 1000:1000 (on the host 201000:201000) cannot read it: it belongs to 200999:200999 and has mode 0700; with --user 999:999 it is the owner",
		},
		{
			"alice's own", alice, 33, nil, false, nil,
			source{path: "/home/alice/site", mode: dir | 0o750, ours: true},
			"/home/alice/site: the container's user 33:33 (on the host 100032:100032) cannot read it: it belongs to alice:alice (1000:1000) and has mode 0750; with --userns keep-id:uid=33,gid=33 it is you",
		},
		{
			"of another container's user", alice, 33, nil, false, nil,
			source{path: "/home/alice/db", uid: 999, gid: 999, mode: dir | 0o700, ours: true},
			"/home/alice/db: the container's user 33:33 (on the host 100032:100032) cannot read it: it belongs to 100998:100998 and has mode 0700; with --user 999:999 it is the owner",
		},
		{
			"of a group of alice's", alice, 0, nil, true, nil,
			source{path: "/srv/team", uid: overflowID, gid: overflowID, mode: dir | 0o770, strange: true, ours: true},
			"/srv/team: the container's user 0:0 (on the host 1000:1000) cannot read it: it belongs to another user of the host and has mode 0770; with --group-add keep-groups it has your groups",
		},
		{
			"root's, to alice", alice, 0, nil, true, nil,
			source{path: "/srv/secret", uid: overflowID, gid: overflowID, mode: dir | 0o700, strange: true},
			"/srv/secret: the container's user 0:0 (on the host 1000:1000) cannot read it: it belongs to another user of the host and has mode 0700; whoever owns it can allow it: chmod o+rX /srv/secret",
		},
		{
			"alice's, of a group without an id", alice, 33, nil, false, nil,
			source{path: "/srv/x", gid: overflowID, mode: dir | 0o750, ours: true},
			"/srv/x: the container's user 33:33 (on the host 100032:100032) cannot read it: it belongs to alice (1000) and a group of the host and has mode 0750; with --userns keep-id:uid=33,gid=33 it is you",
		},

		{"root", root, 0, nil, true, nil, source{uid: 1000, gid: 1000, mode: dir | 0o700}, ""},
		{"open to all", root, 999, nil, false, nil, source{mode: dir | 0o755}, ""},
		{"its own", root, 1000, nil, false, nil, source{uid: 1000, mode: file | 0o400}, ""},
		{"its group's", root, 999, []uint32{5, 1001}, false, nil, source{uid: 1000, gid: 1001, mode: dir | 0o050}, ""},
		{"a list that may give it", root, 1000, nil, false, nil, source{mode: dir | 0o750, acl: true}, ""},
		{"alice's, to root", alice, 0, nil, true, nil, source{mode: dir | 0o700, ours: true}, ""},
		{"alice's subordinate id, to root", alice, 0, nil, true, nil, source{uid: 33, gid: 33, mode: dir | 0o700, ours: true}, ""},
		{"a stranger's, open", alice, 33, nil, false, nil, source{uid: overflowID, gid: overflowID, strange: true, mode: dir | 0o755}, ""},
		{"the container's own id", root, 1000, nil, false, userns, source{uid: 201000, gid: 201000, mode: dir | 0o700}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			sp := &specs.Spec{
				Process: &specs.Process{User: specs.User{UID: c.user, GID: c.user, AdditionalGids: c.groups}, Capabilities: &specs.LinuxCapabilities{}},
				Linux:   &specs.Linux{UIDMappings: c.ids, GIDMappings: c.ids},
			}
			if c.override {
				sp.Process.Capabilities.Effective = []string{"CAP_CHOWN", "CAP_DAC_OVERRIDE"}
			}
			r := readerOf(sp)
			c.src.destination = "/data"
			got := ""
			if yes, class := r.reads(&c.src); !yes {
				got = c.view.notice(r, &c.src, class)
			}
			if got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}
