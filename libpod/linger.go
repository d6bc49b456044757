package libpod

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/manager-project/manager/pkg/rootless"
)

// lingerMark is the file that says that the user was told; it lies beside the state.
const lingerMark = "told-linger"

// endsAtLogout tells an ordinary user, once, that containers in the background end when he logs out: systemd then
// stops his service manager, with all scopes in it, and removes his run directory, unless he lingers.
// Source: loginctl(1), "enable-linger"; user@.service(5).
func (r *Runtime) endsAtLogout() []Warning {
	if !rootless.Active() {
		return nil
	}
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil || !inSession("/", string(own), rootless.UID(), userName) {
		return nil
	}
	mark, err := os.OpenFile(filepath.Join(r.paths.static, lingerMark), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err == nil {
		_ = mark.Close()
	}
	name := userName(rootless.UID())
	return []Warning{Warning(fmt.Sprintf("user %s does not linger: containers in the background end when you log out; \"loginctl enable-linger %s\" lets them go on", name, name))}
}

// inSession says that a process belongs to a session of a user who does not linger. root is the host's root
// directory, own the process's /proc/self/cgroup.
func inSession(root, own string, uid int, name func(int) string) bool {
	slice := fmt.Sprintf("/user-%d.slice/", uid)
	return exists(filepath.Join(root, "run/systemd/system")) && strings.Contains(own, slice) &&
		!exists(filepath.Join(root, "var/lib/systemd/linger", name(uid)))
}

// userName is a user's name on this machine, or the number of one without.
func userName(uid int) string {
	id := strconv.Itoa(uid)
	if name := hostView().name(uint32(uid)); name != "" {
		return name
	}
	return id
}
