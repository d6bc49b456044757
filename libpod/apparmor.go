package libpod

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"

	"github.com/manager-project/manager/pkg/apparmor"
	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/rootless"
	"github.com/manager-project/manager/pkg/spec"
)

// parserName is AppArmor's program that compiles and loads profiles.
const parserName = "apparmor_parser"

// parserPath finds it: a user's search path need not have the administrator's directories.
func parserPath() (string, bool) {
	if path, err := exec.LookPath(parserName); err == nil {
		return path, true
	}
	for _, dir := range []string{"/usr/sbin/", "/sbin/"} {
		if exists(dir + parserName) {
			return dir + parserName, true
		}
	}
	return "", false
}

// appArmorFacts tell what the kernel has, and which profile a container gets for which none is named: the default one if
// it is loaded, or if we may load it.
func appArmorFacts(h *spec.Host) {
	k := apparmor.Kernel{}
	if h.AppArmor = k.Enabled(); !h.AppArmor {
		return
	}
	h.AppArmorLacks = k.Lacks
	name, _ := apparmor.Default()
	if _, found := parserPath(); k.Loaded(name) || found && !rootless.Active() && os.Geteuid() == 0 {
		h.AppArmorDefault = name
	}
}

// loadProfile loads the default profile if the container has it and the kernel not: a boot forgets it.
func (s *start) loadProfile(ctx context.Context) error {
	name, profile := apparmor.Default()
	if s.cfg.Security.AppArmor != name || (apparmor.Kernel{}).Loaded(name) {
		return nil
	}
	fail := func(cause error, hint string) error {
		return &errdefs.Error{Op: "load", Kind: "AppArmor profile", Name: name, Class: errdefs.ErrUnavailable, Cause: cause, Hint: hint}
	}
	path, found := parserPath()
	switch {
	case rootless.Active():
		return fail(errors.New("only root can load it"), "run a container as root once after each boot, or make this one anew with --security-opt apparmor=unconfined")
	case !found:
		return fail(errors.New(parserName+" is not installed"), "install the package apparmor, or make the container anew with --security-opt apparmor=unconfined")
	}
	cmd := exec.CommandContext(ctx, path, "--replace", "--skip-cache", "--quiet")
	cmd.Stdin, cmd.Env = strings.NewReader(profile), []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"}
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fail(errors.New(strings.Join(strings.Fields(string(out)+" "+err.Error()), " ")), "see the kernel's log, or make the container anew with --security-opt apparmor=unconfined")
	}
	return nil
}
