package spec

import (
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// Where the container finds its notify socket: the directory that is mounted, and the name in it.
const (
	NotifyInside = "/run/notify"
	NotifySocket = "notify.sock"
)

// serviceEnv sets the variables by which a service manager speaks to the program. They are this
// start's, whatever the image or the user has put there. Source: sd_notify(3), sd_watchdog_enabled(3), sd_listen_fds(3).
func (g *generator) serviceEnv(env []string) []string {
	set := func(name, value string) {
		env = slices.DeleteFunc(env, func(kv string) bool { return strings.HasPrefix(kv, name+"=") })
		if value != "" {
			env = append(env, name+"="+value)
		}
	}
	if g.facts.NotifyDir != "" {
		set("NOTIFY_SOCKET", path.Join(NotifyInside, NotifySocket))
		if w := g.facts.Watchdog; w > 0 {
			// Without WATCHDOG_PID: any process of the container may give the sign.
			set("WATCHDOG_USEC", strconv.FormatInt(w.Microseconds(), 10))
		}
	}
	if n := g.facts.ListenFDs; n > 0 {
		set("LISTEN_FDS", strconv.Itoa(n))
		set("LISTEN_PID", "1")
		set("LISTEN_FDNAMES", g.facts.ListenNames)
	}
	return env
}

// notifyMount shows the notify socket's directory. It is read-only; a socket can be written to all the same.
func (g *generator) notifyMount() []specs.Mount {
	if g.facts.NotifyDir == "" {
		return nil
	}
	return []specs.Mount{{
		Destination: NotifyInside, Type: "bind", Source: g.facts.NotifyDir,
		Options: []string{"bind", "rprivate", "ro", "nosuid", "nodev", "noexec"},
	}}
}
