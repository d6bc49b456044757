package spec

import (
	"errors"
	"strings"
	"testing"

	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/idmap"
)

// usernsUser makes a host one of a user with the number 1000, two ranges of user ids and three of group ids.
func usernsUser(h *Host) {
	h.Rootless, h.UID, h.GID = true, 1000, 1001
	h.OwnIDs = func() (uids, gids idmap.Map, err error) {
		return idmap.Map{{HostID: 1000, Size: 1}, {ContainerID: 1, HostID: 100000, Size: 65536}},
			idmap.Map{{HostID: 1001, Size: 1}, {ContainerID: 1, HostID: 100000, Size: 65536}, {ContainerID: 65537, HostID: 2000, Size: 1}}, nil
	}
	h.Subids = func(kind idmap.Kind, name string) ([]idmap.Span, error) {
		switch name {
		case "u":
			return []idmap.Span{{First: 100000, Size: 65536}}, nil
		case "other":
			return []idmap.Span{{First: 900000, Size: 65536}}, nil
		}
		return nil, nil
	}
}

func usernsRoot(h *Host) {
	h.Subids = func(kind idmap.Kind, name string) ([]idmap.Span, error) {
		if name == "c" && kind == idmap.UIDs {
			return []idmap.Span{{First: 5000, Size: 10}, {First: 7000, Size: 5}}, nil
		}
		if name == "c" {
			return []idmap.Span{{First: 6000, Size: 20}}, nil
		}
		return nil, nil
	}
	h.NamespaceIDs = func(path string) (uids, gids idmap.Map, err error) {
		if path != "/run/ns" {
			return nil, nil, errors.New("no process is in it")
		}
		m := idmap.Map{{HostID: 44, Size: 2}}
		return m, m, nil
	}
}

// The modes and maps of --userns and beside, as users and as root. Source: podman-run(1).
func TestUserNS(t *testing.T) {
	for _, tt := range []struct {
		name   string
		host   func(*Host)
		change func(*Request, *Defaults, *Host)
		// uids and gids are the maps, "" for no namespace; user is the process's.
		uids, gids, user string
	}{
		{"nothing", usernsRoot, func(r *Request, _ *Defaults, _ *Host) {}, "", "", ""},
		{"host", usernsRoot, func(r *Request, _ *Defaults, _ *Host) { r.Namespace.UserNS = "host" }, "", "", ""},
		{"keep-id", usernsUser, func(r *Request, _ *Defaults, _ *Host) { r.Namespace.UserNS = "keep-id" }, "0:1:1000,1000:0:1,1001:1001:64536", "0:1:1001,1001:0:1,1002:1002:64535,65537:65537:1", "1000:1001"},
		{"keep-id with ids", usernsUser, func(r *Request, _ *Defaults, _ *Host) { r.Namespace.UserNS = "keep-id:uid=200,gid=210" }, "0:1:200,200:0:1,201:201:65336", "0:1:210,210:0:1,211:211:65326,65537:65537:1", "200:210"},
		{"keep-id with a size", usernsUser, func(r *Request, _ *Defaults, _ *Host) { r.Namespace.UserNS = "keep-id:size=2000" }, "0:1:1000,1000:0:1,1001:1001:999", "0:1:1001,1001:0:1,1002:1002:998", "1000:1001"},
		{"keep-id and --user", usernsUser, func(r *Request, _ *Defaults, _ *Host) {
			r.Namespace.UserNS, r.Process.User = "keep-id:size=2000", "5"
		}, "0:1:1000,1000:0:1,1001:1001:999", "0:1:1001,1001:0:1,1002:1002:998", "5"},
		{"keep-id of root", usernsRoot, func(r *Request, _ *Defaults, _ *Host) { r.Namespace.UserNS = "keep-id" }, "0:0:4294967295", "0:0:4294967295", "0:0"},
		{"nomap", usernsUser, func(r *Request, _ *Defaults, _ *Host) { r.Namespace.UserNS = "nomap" }, "0:1:65536", "0:1:65536,65536:65537:1", ""},
		{"private", usernsUser, func(r *Request, _ *Defaults, _ *Host) { r.Namespace.UserNS = "private" }, "0:0:1,1:1:65536", "0:0:1,1:1:65536,65537:65537:1", ""},
		{"private with maps", usernsRoot, func(r *Request, _ *Defaults, _ *Host) {
			r.Namespace.UserNS, r.Namespace.UIDMap = "private", []string{"0:5:1"}
		}, "0:5:1", "0:5:1", ""},
		{"the environment", usernsUser, func(r *Request, d *Defaults, h *Host) {
			d.UserNS, h.Environ = "private", append(h.Environ, "PODMAN_USERNS=nomap")
		}, "0:1:65536", "0:1:65536,65536:65537:1", ""},
		{"the default", usernsUser, func(r *Request, d *Defaults, _ *Host) { d.UserNS = "nomap" }, "0:1:65536", "0:1:65536,65536:65537:1", ""},
		{"not the default", usernsUser, func(r *Request, d *Defaults, _ *Host) { d.UserNS, r.Namespace.UserNS = "nomap", "host" }, "", "", ""},
		{"nothing but given", usernsUser, func(r *Request, d *Defaults, _ *Host) {
			d.UserNS = "nomap"
			r.Changed["userns"] = true
		}, "", "", ""},
		{"maps over the default", usernsRoot, func(r *Request, d *Defaults, _ *Host) {
			d.UserNS, r.Namespace.UIDMap = "keep-id", []string{"0:9:2"}
		}, "0:9:2", "0:9:2", ""},
		// "Passing only one of --uidmap or --gidmap".
		{"one for both", usernsRoot, func(r *Request, _ *Defaults, _ *Host) {
			r.Namespace.GIDMap = []string{"0:0:1000", "g2000:2000:1"}
		}, "0:0:1000", "0:0:1000,2000:2000:1", ""},
		{"both", usernsRoot, func(r *Request, _ *Defaults, _ *Host) {
			r.Namespace.UIDMap, r.Namespace.GIDMap = []string{"0:1:2"}, []string{"0:8:3"}
		}, "0:1:2", "0:8:3", ""},
		// "Rootless mapping of additional host GIDs".
		{"a host's group", usernsUser, func(r *Request, _ *Defaults, _ *Host) { r.Namespace.GIDMap = []string{"+g100000:@2000"} }, "0:0:1,1:1:65536", "0:0:1,1:1:65536,100000:65537:1", ""},
		{"across ranges", usernsUser, func(r *Request, _ *Defaults, _ *Host) { r.Namespace.UIDMap = []string{"0:0:65537"} }, "0:0:1,1:1:65536", "0:0:1,1:1:65536", ""},
		{"subordinate ids of a name", usernsRoot, func(r *Request, _ *Defaults, _ *Host) { r.Namespace.SubUIDName = "c" }, "0:5000:10,10:7000:5", "0:6000:20", ""},
		{"a user's own", usernsUser, func(r *Request, _ *Defaults, _ *Host) { r.Namespace.SubGIDName = "u" }, "0:1:65536", "0:1:65536", ""},
		{"another container's", usernsRoot, func(r *Request, _ *Defaults, _ *Host) { r.Namespace.UserNS = "container:mapped" }, "0:300000:500", "0:300000:500", ""},
		{"another container's without", usernsRoot, func(r *Request, _ *Defaults, _ *Host) { r.Namespace.UserNS = "container:db" }, "", "", ""},
		{"a file's", usernsRoot, func(r *Request, _ *Defaults, _ *Host) { r.Namespace.UserNS = "ns:/run/ns" }, "0:44:2", "0:44:2", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			req, img, def, host := testRequest(), testImage(), Builtin(), testHost()
			tt.host(host)
			tt.change(req, def, host)
			cfg, _, err := Decide(req, img, def, host)
			if err != nil {
				t.Fatal(err)
			}
			if u := cfg.UserNS; u.UIDs.String() != tt.uids || u.GIDs.String() != tt.gids || u.Own() != (tt.uids != "") {
				t.Errorf("got %s %s %s, want %s %s", u.Mode, u.UIDs, u.GIDs, tt.uids, tt.gids)
			}
			if cfg.Process.User != tt.user {
				t.Errorf("user %q, want %q", cfg.Process.User, tt.user)
			}
			if again, err := roundTrip(cfg); err != nil || again != string(mustJSON(t, cfg)) {
				t.Errorf("the Config does not survive JSON: %v", err)
			}
		})
	}
}

func TestAutoUserNS(t *testing.T) {
	req, host := testRequest(), testHost()
	usernsUser(host)
	req.Namespace.UserNS, req.Process.User = "auto:size=300,uidmapping=7:@100004:2,gidmapping=1:0:1", "5000:6000"
	cfg, _, err := Decide(req, testImage(), Builtin(), host)
	if err != nil {
		t.Fatal(err)
	}
	a := cfg.UserNS.Auto
	if a == nil || a.Size != 300 || a.Least != 6001 || a.UIDs.String() != "7:5:2" || a.GIDs.String() != "1:0:1" || cfg.UserNS.Mode != NSPrivate {
		t.Errorf("%+v", a)
	}
}

// Wrong words name the option and say what to write, and change nothing.
func TestUserNSWrong(t *testing.T) {
	for _, tt := range []struct {
		host         func(*Host)
		n            NamespaceRequest
		option, says string
	}{
		{usernsRoot, NamespaceRequest{UserNS: "nonsense"}, "--userns", "unknown mode"},
		{usernsRoot, NamespaceRequest{UserNS: "host:x"}, "--userns", "takes nothing"},
		{usernsRoot, NamespaceRequest{UserNS: "private"}, "--userns", "nothing says"},
		{usernsRoot, NamespaceRequest{UserNS: "nomap"}, "--userns", "for users"},
		{usernsRoot, NamespaceRequest{UserNS: "keep-id:uid=5"}, "--userns", "root's own id"},
		{usernsUser, NamespaceRequest{UserNS: "keep-id:uid=x"}, "--userns", "uid=x"},
		{usernsUser, NamespaceRequest{UserNS: "keep-id:size=0"}, "--userns", "size=0"},
		{usernsUser, NamespaceRequest{UserNS: "keep-id:size=70000"}, "--userns", "more than the 65537 ids"},
		{usernsUser, NamespaceRequest{UserNS: "keep-id:shell=x"}, "--userns", "no option"},
		{usernsUser, NamespaceRequest{UserNS: "auto:size=none"}, "--userns", "size=none"},
		{usernsUser, NamespaceRequest{UserNS: "auto:uidmapping=+1:2:3"}, "--userns", "flags"},
		{usernsUser, NamespaceRequest{UserNS: "auto:gidmapping=1:@5:3"}, "--userns", "of the host"},
		{usernsUser, NamespaceRequest{UserNS: "auto:color=red"}, "--userns", "no option"},
		{usernsRoot, NamespaceRequest{UserNS: "container:nosuch"}, "", "no such container"},
		{usernsRoot, NamespaceRequest{UserNS: "ns:rel"}, "--userns", "not absolute"},
		{usernsRoot, NamespaceRequest{UserNS: "ns:/gone"}, "--userns", "no process is in it"},
		{usernsRoot, NamespaceRequest{UserNS: "auto", UIDMap: []string{"0:1:2"}}, "--uidmap", "map of its own"},
		{usernsRoot, NamespaceRequest{UserNS: "keep-id", SubGIDName: "c"}, "--subgidname", "map of its own"},
		{usernsRoot, NamespaceRequest{UIDMap: []string{"0:1:2"}, SubUIDName: "c"}, "--uidmap", "--subuidname"},
		{usernsRoot, NamespaceRequest{UIDMap: []string{"0:1:2", "1:9:1"}}, "--uidmap", "twice"},
		{usernsRoot, NamespaceRequest{UIDMap: []string{"0"}}, "--uidmap", "numbers"},
		{usernsRoot, NamespaceRequest{GIDMap: []string{"0:1:x"}}, "--gidmap", "not a number"},
		{usernsRoot, NamespaceRequest{UIDMap: []string{"g0:1:1"}}, "--uidmap", "no map is left"},
		{usernsRoot, NamespaceRequest{UIDMap: []string{"0:1:1", "g5:1:1"}, GIDMap: []string{"0:1:1"}}, "--uidmap", "other kind"},
		{usernsRoot, NamespaceRequest{SubUIDName: "nosuch"}, "--subuidname", "/etc/subuid has no line"},
		{usernsUser, NamespaceRequest{SubUIDName: "other"}, "--subuidname", "not yours"},
		{usernsUser, NamespaceRequest{UIDMap: []string{"0:80000:1"}}, "--uidmap", "there are 0-65536"},
		{usernsRoot, NamespaceRequest{UIDMap: []string{"0:1:1"}, IPC: "container:shared"}, "--ipc", "another user namespace"},
		{usernsRoot, NamespaceRequest{UIDMap: []string{"0:1:1"}, PID: "container:mapped"}, "--pid", "another user namespace"},
	} {
		req, host := testRequest(), testHost()
		tt.host(host)
		req.Namespace = tt.n
		_, _, err := Decide(req, testImage(), Builtin(), host)
		var e *errdefs.Error
		if !errors.As(err, &e) || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%+v: %v, want %q", tt.n, err, tt.says)
			continue
		}
		if tt.option != "" && (e.Op+e.Name == "" || !strings.Contains(err.Error(), tt.option) || errdefs.Hint(err) == "") {
			t.Errorf("%+v: %v; %q does not name %s and a way out", tt.n, err, errdefs.Hint(err), tt.option)
		}
	}
}
