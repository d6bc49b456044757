// Package apparmor asks the kernel whether AppArmor is in force and which profiles are loaded, and has the text of the
// profile for containers for which none is named. It loads none: that takes AppArmor's own program, apparmor_parser.
package apparmor

import (
	"os"
	"path/filepath"
	"strings"
)

// Unconfined is the name that stands for no profile.
const Unconfined = "unconfined"

// A Kernel is where the kernel shows AppArmor. The zero value is this machine's.
type Kernel struct {
	// Root replaces "/sys" when set.
	Root string
}

func (k Kernel) path(name string) string {
	if k.Root == "" {
		return filepath.Join("/sys", name)
	}
	return filepath.Join(k.Root, name)
}

// Enabled says whether AppArmor is in force.
func (k Kernel) Enabled() bool {
	b, err := os.ReadFile(k.path("module/apparmor/parameters/enabled"))
	return err == nil && strings.HasPrefix(string(b), "Y")
}

// Lacks says that a profile is not loaded. False means that it is, or that this cannot be known here: the list
// is root's, securityfs may not be mounted, and of stacks ("a//&b") and names in other namespaces (":ns:a")
// only the kernel knows. It then decides when the profile is taken on.
// Source: kernel, security/apparmor/apparmorfs.c, "profiles": a line is "NAME (MODE)".
func (k Kernel) Lacks(profile string) bool {
	if profile == Unconfined || strings.HasPrefix(profile, ":") || strings.Contains(profile, "//&") {
		return false
	}
	list, err := os.ReadFile(k.path("kernel/security/apparmor/profiles"))
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(list)) {
		if at := strings.LastIndex(line, " ("); at >= 0 && line[:at] == profile {
			return false
		}
	}
	return true
}
