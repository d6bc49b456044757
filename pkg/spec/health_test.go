package spec

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/manager-project/manager/pkg/errdefs"
)

func TestParseTest(t *testing.T) {
	for text, want := range map[string]string{
		"curl -f http://localhost": `["CMD-SHELL" "curl -f http://localhost"]`,
		"true":                     `["CMD-SHELL" "true"]`,
		`["curl","-f","x y"]`:      `["CMD" "curl" "-f" "x y"]`,
		`["one command line"]`:     `["CMD-SHELL" "one command line"]`,
		`["CMD","a","b c"]`:        `["CMD" "a" "b c"]`,
		`["cmd-shell","a  && b"]`:  `["CMD-SHELL" "a  && b"]`,
		"CMD a b":                  `["CMD" "a" "b"]`,
		"CMD-SHELL a  || b":        `["CMD-SHELL" "a  || b"]`,
		"none":                     `["NONE"]`,
		`["NONE"]`:                 `["NONE"]`,
		"[ -e /tmp/x ] && echo":    `["CMD-SHELL" "[ -e /tmp/x ] && echo"]`,
		"":                         "", "  ": "", "[]": "", "CMD": "", `["CMD"]`: "", "CMD-SHELL": "", `["CMD-SHELL",""]`: "", `[""]`: "", "a\x00b": "",
	} {
		got, err := parseTest("--health-cmd", text)
		if want == "" {
			if !errors.Is(err, errdefs.ErrInvalid) {
				t.Errorf("%q: %q, %v", text, got, err)
			}
			continue
		}
		if err != nil || fmt.Sprintf("%q", got) != want {
			t.Errorf("%q: %q, %v; want %s", text, got, err, want)
		}
	}
}

// What an image asks for is bounded, and the options win over it.
func TestHealthOfImage(t *testing.T) {
	req, img, def, host := testRequest(), testImage(), Builtin(), testHost()
	img.Health = &ImageHealth{Test: []string{testCmd, "x"}, Interval: 1, StartInterval: 2, StartPeriod: time.Hour, Retries: 9}
	req.Health = HealthRequest{Timeout: "2s", StartupCmd: "y", StartupSuccess: ptr(uint(2)), OnFailure: "stop"}
	cfg, _, err := Decide(req, img, def, host)
	if err != nil {
		t.Fatal(err)
	}
	h := cfg.Health
	if h.Check.Interval != leastInterval || h.StartInterval != leastInterval || h.Check.Timeout != 2*time.Second || h.Check.Retries != 9 ||
		h.StartPeriod != time.Hour || h.Startup == nil || h.Startup.Successes != 2 || h.OnFailure != "stop" || h.MaxLogCount != 5 || h.MaxLogSize != 500 {
		t.Errorf("%+v, %+v", h, h.Startup)
	}
	if got := strings.Join(h.Startup.Args(), "|"); got != "/bin/sh|-c|y" {
		t.Errorf("the startup check runs %s", got)
	}
	if got := strings.Join(h.Check.Args(), "|"); got != "x" {
		t.Errorf("the check runs %s", got)
	}
}

// The variables of a service manager are set over all others, and only with what they speak of.
func TestServiceEnv(t *testing.T) {
	env := []string{"A=b", "NOTIFY_SOCKET=/old", "LISTEN_FDS=9", "LISTEN_FDNAMES=old"}
	for _, c := range []struct {
		facts Facts
		want  string
	}{
		{Facts{}, "A=b NOTIFY_SOCKET=/old LISTEN_FDS=9 LISTEN_FDNAMES=old"},
		{Facts{Watchdog: time.Second}, "A=b NOTIFY_SOCKET=/old LISTEN_FDS=9 LISTEN_FDNAMES=old"},
		{Facts{NotifyDir: "/d"}, "A=b LISTEN_FDS=9 LISTEN_FDNAMES=old NOTIFY_SOCKET=/run/notify/notify.sock"},
		{
			Facts{NotifyDir: "/d", Watchdog: 1500 * time.Millisecond},
			"A=b LISTEN_FDS=9 LISTEN_FDNAMES=old NOTIFY_SOCKET=/run/notify/notify.sock WATCHDOG_USEC=1500000",
		},
		{Facts{ListenFDs: 2}, "A=b NOTIFY_SOCKET=/old LISTEN_FDS=2 LISTEN_PID=1"},
		{Facts{ListenFDs: 1, ListenNames: "web"}, "A=b NOTIFY_SOCKET=/old LISTEN_FDS=1 LISTEN_PID=1 LISTEN_FDNAMES=web"},
	} {
		g := &generator{facts: &c.facts}
		if got := strings.Join(g.serviceEnv(append([]string(nil), env...)), " "); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
}
