package spec

import (
	"strings"

	"github.com/manager-project/manager/pkg/errdefs"
)

const (
	// appArmorUnconfined is the profile's name that stands for none.
	appArmorUnconfined = "unconfined"
	// appArmorBuiltin is what containers.conf calls the engine's own profile.
	appArmorBuiltin = "container-default"
)

// defaultProfile settles the AppArmor profile of a container whose options name none.
func (d *decider) defaultProfile() error {
	s := &d.cfg.Security
	name := d.def.AppArmorProfile
	switch {
	case !d.host.AppArmor || s.Privileged:
		return nil
	case name == "" || name == appArmorBuiltin:
		s.AppArmor = d.host.AppArmorDefault
		return nil
	}
	for _, word := range d.req.Security.SecurityOpt {
		if strings.HasPrefix(word, "apparmor=") || strings.HasPrefix(word, "apparmor:") {
			return nil // the option's own profile counts
		}
	}
	return d.profileOpt(name)
}

// profileOpt takes a profile that was named.
func (d *decider) profileOpt(name string) error {
	switch {
	case name == appArmorUnconfined && !d.host.AppArmor:
		return nil
	case !d.host.AppArmor:
		return errdefs.Unsupported("--security-opt", "apparmor=%s: AppArmor is not active on this host", name).WithHint("leave it out")
	case d.host.AppArmorLacks != nil && d.host.AppArmorLacks(name):
		return errdefs.NotFound("AppArmor profile", name).WithHint("load it with apparmor_parser, or name one that aa-status lists")
	}
	d.cfg.Security.AppArmor = name
	return nil
}
