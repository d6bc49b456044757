package spec

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/manager-project/manager/pkg/errdefs"
)

func TestParsePort(t *testing.T) {
	for word, want := range map[string]string{
		"80":                         "0.0.0.0:0 80/tcp",
		":80":                        "0.0.0.0:0 80/tcp",
		"8080:80":                    "0.0.0.0:8080 80/tcp",
		"8080:80/udp":                "0.0.0.0:8080 80/udp",
		"8080:80/TCP":                "0.0.0.0:8080 80/tcp",
		"127.0.0.1:8080:80":          "127.0.0.1:8080 80/tcp",
		"127.0.0.1::80":              "127.0.0.1:0 80/tcp",
		"[::1]:8080:80":              "[::1]:8080 80/tcp",
		"[::1]::80/udp":              "[::1]:0 80/udp",
		"8000-8002:80-82":            "0.0.0.0:8000-8002 80-82/tcp",
		"127.0.0.1:8000-8001:1-2":    "127.0.0.1:8000-8001 1-2/tcp",
		"0.0.0.0:65535:65535":        "0.0.0.0:65535 65535/tcp",
		"80:sctp":                    "",
		"8080:80/sctp":               "",
		"0:80":                       "0.0.0.0:0 80/tcp",
		"8080:0":                     "",
		"8080:65536":                 "",
		"8080":                       "0.0.0.0:0 8080/tcp",
		"8000-8002:80":               "",
		"8002-8000:80-82":            "",
		"::1:8080:80":                "",
		"[::1]:80":                   "",
		"[127.0.0.1]:8080:80":        "",
		"[fe80::1%eth0]:8080:80":     "",
		"localhost:8080:80":          "",
		"1:2:3:4":                    "",
		"":                           "",
		"a:b":                        "",
		"80/":                        "",
		"80/tcp/udp":                 "",
		"127.0.0.1:8080:80\n":        "",
		"127.0.0.1:8080:80 ":         "",
		"127.0.0.1:-1:80":            "",
		"127.0.0.1:8080-:80":         "",
		strings.Repeat("9", 80):      "",
		"[::1]8080:80":               "",
		"[::]:8080:80":               "[::]:8080 80/tcp",
		"127.0.0.1:99999999999999:1": "",
	} {
		p, err := ParsePort(word)
		if want == "" {
			if !errors.Is(err, errdefs.ErrInvalid) && !errors.Is(err, errdefs.ErrUnsupported) {
				t.Errorf("%q: %v, %v", word, p, err)
			}
			continue
		}
		if got := fmt.Sprint(p, " ", p.Inside()); err != nil || got != want {
			t.Errorf("%q: %s, %v; want %s", word, got, err, want)
		}
	}
}

func TestPortsMeet(t *testing.T) {
	parse := func(word string) Port {
		p, err := ParsePort(word)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"8080:80", "8080:81", true},
		{"8080:80", "8081:80", false},
		{"8080:80", "8080:80/udp", false},
		{"8080:80", "127.0.0.1:8080:80", true},
		{"8080:80", "[::1]:8080:80", true},
		{"0.0.0.0:8080:80", "[::1]:8080:80", false},
		{"0.0.0.0:8080:80", "127.0.0.1:8080:80", true},
		{"127.0.0.1:8080:80", "127.0.0.2:8080:80", false},
		{"8000-8010:1-11", "8010:80", true},
		{"8000-8010:1-11", "8011:80", false},
		{"65530-65535:1-6", "65535:80", true},
	} {
		a, b := parse(c.a), parse(c.b)
		if a.Meets(b) != c.want || b.Meets(a) != c.want {
			t.Errorf("%s and %s: %v, %v; want %v", c.a, c.b, a.Meets(b), b.Meets(a), c.want)
		}
	}
}

// Ports without a number get free ones, none of them twice, and none that is asked for elsewhere.
func TestDecidePorts(t *testing.T) {
	next := uint16(9000)
	host := testHost()
	host.Rootless = true
	host.FindNetwork = func(preferred string) (string, error) { return cmp.Or(preferred, NetPasta), nil }
	host.FreePort = func(_, _ string, taken func(uint16) bool) (uint16, error) {
		for next++; taken(next); next++ {
		}
		return next, nil
	}
	req := testRequest()
	req.Net.Network = nil
	req.Net.Publish = []string{"80", "127.0.0.1:9002:81", "70-71", "53/udp", "9001:99"}
	req.Net.PublishAll, req.Net.Expose = true, []string{"80", "60", "61/sctp"}
	img := testImage()
	img.ExposedPorts = []string{"62/udp"}
	cfg, warnings, err := Decide(req, img, Builtin(), host)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range cfg.Net.Ports {
		got = append(got, p.String()+"->"+p.Inside())
	}
	want := "127.0.0.1:9002->81/tcp 0.0.0.0:9001->99/tcp 0.0.0.0:9003->80/tcp 0.0.0.0:9004->70/tcp 0.0.0.0:9005->71/tcp 0.0.0.0:9006->53/udp 0.0.0.0:9007->62/udp 0.0.0.0:9008->60/tcp"
	if s := strings.Join(got, " "); s != want {
		t.Errorf("ports\n%s\nwant\n%s", s, want)
	}
	if len(warnings) != 1 || !strings.Contains(warnings[0], "61/sctp") {
		t.Errorf("warnings %q", warnings)
	}
	if cfg.Net.Driver != NetPasta || !cfg.Net.DriverFound || cfg.Net.ModeText() != NetPasta {
		t.Errorf("network %+v", cfg.Net)
	}
}

// The administrator's choice of a network is one, and not what was found.
func TestDecideNetwork(t *testing.T) {
	host := testHost()
	host.Rootless = true
	host.FindNetwork = func(preferred string) (string, error) { return cmp.Or(preferred, NetBuiltin), nil }
	for _, c := range []struct{ word, netns, preferred, want string }{
		{"", "", "", "builtin true"},
		{"", "private", NetSlirp4netns, "slirp4netns false"},
		{"private", "", "", "builtin true"},
		{"", "pasta:--mtu,1500", "", "pasta false --mtu 1500"},
		{"slirp4netns:mtu=1500,cidr=10.1.0.0/24", "host", "", "slirp4netns false mtu=1500 cidr=10.1.0.0/24"},
		{"none", "", "", " false"},
	} {
		req, def := testRequest(), Builtin()
		req.Net.Network = nil
		if c.word != "" {
			req.Net.Network = []string{c.word}
		}
		def.NetNS, def.RootlessNetwork = c.netns, c.preferred
		cfg, _, err := Decide(req, testImage(), def, host)
		if err != nil {
			t.Errorf("%q: %v", c.word, err)
			continue
		}
		n := cfg.Net
		if got := strings.Join(append([]string{n.Driver, fmt.Sprint(n.DriverFound)}, n.DriverOptions...), " "); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}
