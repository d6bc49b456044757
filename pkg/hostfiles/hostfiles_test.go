package hostfiles

import (
	"errors"
	"testing"

	"github.com/manager-project/manager/pkg/errdefs"
)

func TestResolvConf(t *testing.T) {
	const host = "# made by hand\ndomain old.example\nsearch a.example b.example\nnameserver 127.0.0.53\nnameserver 192.0.2.1 ; first\noptions edns0\noptions trust-ad\nnameserver bogus\n"
	for name, c := range map[string]struct {
		host string
		r    Resolv
		want string
	}{
		"host's":      {host, Resolv{}, "search a.example b.example\nnameserver 127.0.0.53\nnameserver 192.0.2.1\noptions edns0 trust-ad\n"},
		"no loopback": {host, Resolv{OwnLoopback: true}, "search a.example b.example\nnameserver 192.0.2.1\noptions edns0 trust-ad\n"},
		"asked":       {host, Resolv{Servers: []string{"127.0.0.1"}, Search: []string{"."}, Options: []string{"ndots:2"}, OwnLoopback: true}, "nameserver 127.0.0.1\noptions ndots:2\n"},
		"nothing":     {"nameserver ::1\n", Resolv{OwnLoopback: true}, ""},
		"four":        {"nameserver 1.1.1.1\nnameserver 1.1.1.2\nnameserver 1.1.1.3\nnameserver 1.1.1.4\n", Resolv{}, "nameserver 1.1.1.1\nnameserver 1.1.1.2\nnameserver 1.1.1.3\n"},
	} {
		if got := string(ResolvConf([]byte(c.host), c.r)); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
	if OnlyLoopback([]byte(host)) || !OnlyLoopback([]byte("nameserver 127.0.0.53\n")) || OnlyLoopback(nil) {
		t.Error("OnlyLoopback is wrong")
	}
}

func TestHostsFile(t *testing.T) {
	const host = "127.0.0.1 localhost thehost # me\n192.0.2.9 db cache\n"
	for name, c := range map[string]struct {
		base  string
		h     Hosts
		want  string
		class error
	}{
		"own namespace": {host, Hosts{Names: []string{"box", "web", "box"}}, "127.0.0.1\tlocalhost thehost\n192.0.2.9\tdb cache\n127.0.1.1\tbox web\n", nil},
		"host network":  {host, Hosts{Names: []string{"thehost"}, HostNet: true}, "127.0.0.1\tlocalhost thehost\n192.0.2.9\tdb cache\n", nil},
		"asked wins":    {host, Hosts{Extra: []string{"192.0.2.1 db"}, HostNet: true}, "192.0.2.1\tdb\n127.0.0.1\tlocalhost thehost\n192.0.2.9\tcache\n", nil},
		"no base":       {"", Hosts{Names: []string{"box"}, IP: "10.0.0.2", Gateway: "10.0.0.1"}, "127.0.0.1\tlocalhost localhost.localdomain\n::1\tlocalhost localhost.localdomain\n10.0.0.1\thost.containers.internal host.docker.internal\n10.0.0.2\tbox\n", nil},
		"gateway":       {"127.0.0.1 localhost", Hosts{Extra: []string{"host-gateway up"}, Gateway: "10.0.0.1", HostNet: true}, "10.0.0.1\tup\n127.0.0.1\tlocalhost\n10.0.0.1\thost.containers.internal host.docker.internal\n", nil},
		"no gateway":    {"", Hosts{Extra: []string{"host-gateway up"}}, "", errdefs.ErrInvalid},
		"forged name":   {"", Hosts{Names: []string{"a\n1.2.3.4 b"}}, "", errdefs.ErrInvalid},
		"forged extra":  {"", Hosts{Extra: []string{"1.2.3.4 a\n5.6.7.8 b"}}, "", errdefs.ErrInvalid},
	} {
		got, err := HostsFile([]byte(c.base), c.h)
		if !errors.Is(err, c.class) || string(got) != c.want {
			t.Errorf("%s: got %q, %v\nwant %q", name, got, err, c.want)
		}
	}
}

func TestContainerEnv(t *testing.T) {
	got := string(ContainerEnv{Engine: "manager-1", Name: "web", ID: "abc", Image: "x\n\"y", Rootless: true}.Bytes())
	want := "engine=\"manager-1\"\nname=\"web\"\nid=\"abc\"\nimage=\"x\\n\\\"y\"\nimageid=\"\"\nrootless=1\n"
	if got != want {
		t.Errorf("got %q\nwant %q", got, want)
	}
	if string(Hostname("box")) != "box\n" {
		t.Error("hostname")
	}
}
