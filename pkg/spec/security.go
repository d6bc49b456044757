package spec

import (
	"encoding/json"
	"strings"

	"github.com/manager-project/manager/pkg/errdefs"
)

// The words of Security.Seccomp that are not paths.
const (
	SeccompDefault    = "default"
	SeccompUnconfined = "unconfined"
)

// securityOpts settles seccomp, labels, AppArmor, no_new_privs and masks.
func (d *decider) securityOpts() error {
	s := &d.cfg.Security
	s.SecurityOpt = d.req.Security.SecurityOpt
	s.NoNewPrivileges = d.def.NoNewPrivileges
	s.Seccomp = d.def.SeccompProfile
	if s.Seccomp == "" {
		s.Seccomp = SeccompDefault
	}
	if s.Privileged {
		s.Seccomp = SeccompUnconfined
	}
	if err := d.defaultProfile(); err != nil {
		return err
	}
	switch policy := d.req.Security.SeccompPolicy; policy {
	case "", "default":
	case "image":
		return errdefs.Unsupported("--seccomp-policy", "profiles inside images are not used by this version").WithHint("write --security-opt seccomp=FILE")
	default:
		return errdefs.Invalid("--seccomp-policy", policy, "unknown policy").WithHint("write default")
	}
	masks := newMasks(s.Privileged, d.host.ThrottlePaths)
	for _, word := range d.req.Security.SecurityOpt {
		if err := d.securityOpt(word, masks); err != nil {
			return err
		}
	}
	if err := d.settleLabels(masks); err != nil {
		return err
	}
	s.MaskedPaths, s.ReadonlyPaths = masks.masked, masks.readonly
	return d.seccompProfile()
}

// securityOpt applies one KEY=VALUE (KEY:VALUE in the older spelling).
func (d *decider) securityOpt(word string, masks *masks) error {
	s := &d.cfg.Security
	key, value, ok := strings.Cut(word, "=")
	if !ok {
		key, value, ok = strings.Cut(word, ":")
	}
	bad := func(cause, hint string) error {
		return errdefs.Invalid("--security-opt", word, "%s", cause).WithHint("%s", hint)
	}
	switch key {
	case "no-new-privileges":
		if ok && value != "true" && value != "false" {
			return bad("neither true nor false", "write no-new-privileges")
		}
		s.NoNewPrivileges = value != "false"
		return nil
	case "seccomp", "apparmor", "label", "mask", "unmask", "proc-opts", "systempaths":
		if value == "" {
			return bad("no value", "write "+key+"=VALUE")
		}
	default:
		return bad("unknown option", "write seccomp=, apparmor=, label=, mask=, unmask=, proc-opts=, systempaths= or no-new-privileges")
	}
	switch key {
	case "seccomp":
		s.Seccomp = value
		if value != SeccompDefault && value != SeccompUnconfined {
			s.Seccomp = d.abs(value)
		}
	case "apparmor":
		return d.profileOpt(value)
	case "label":
		return d.labelOpt(word, value)
	case "mask":
		for _, p := range strings.Split(value, ":") {
			if !strings.HasPrefix(p, "/") || hasControl(p) {
				return bad("the path is not absolute", "write mask=/PATH[:/PATH]")
			}
			masks.mask(p)
		}
	case "unmask":
		if err := masks.unmask(value); err != nil {
			return bad(err.Error(), "write unmask=ALL or unmask=/PATH[:/PATH]")
		}
	case "proc-opts":
		opts := strings.Split(value, ",")
		for _, o := range opts {
			if k, _, _ := strings.Cut(o, "="); k != "hidepid" && k != "subset" && k != "gid" {
				return bad("unknown option of procfs", "write hidepid=, subset= or gid=")
			}
		}
		s.ProcOptions = opts
	case "systempaths":
		if value != "unconfined" {
			return bad("unknown value", "write systempaths=unconfined")
		}
		return masks.unmask(allWord)
	}
	return nil
}

// seccompProfile reads a profile file now, so that later changes to it do not matter.
func (d *decider) seccompProfile() error {
	s := &d.cfg.Security
	if s.Seccomp == SeccompDefault || s.Seccomp == SeccompUnconfined {
		return nil
	}
	data, err := d.readUserFile("--security-opt seccomp", s.Seccomp)
	if err != nil {
		return err
	}
	if !json.Valid(data) {
		return errdefs.Invalid("--security-opt seccomp", s.Seccomp, "not JSON").WithHint("name a profile, default or unconfined")
	}
	if _, err := LoadSeccomp(data, s.Capabilities); err != nil {
		return errdefs.Invalid("--security-opt seccomp", s.Seccomp, "%w", err).WithHint("name a profile, default or unconfined")
	}
	s.SeccompProfile = data
	return nil
}
