package cgroups

import (
	"fmt"
	"slices"
	"strings"

	"github.com/manager-project/manager/pkg/cgroups/systemd"
)

// deviceAllow is an element of the property of that name, D-Bus type (ss).
type deviceAllow struct{ Device, Access string }

// scopeDevices are the properties that tell systemd of the rules of a version 1 cgroup. It writes that controller's files too, when a scope
// starts and at every reload, and would allow a scope without them everything. What systemd has no words for, a minor number of
// any major one, is left out: it is denied then. Rules that allow all but some are not told, since it has no words for these either.
// Source: systemd.resource-control(5), DeviceAllow=; the kernel's cgroup-v1/devices.rst.
func scopeDevices(rules []deviceRule) []systemd.Property {
	var allowed []deviceRule
	all := true // as the parent's, until a rule for all
	for _, r := range rules {
		if r.kind == 'a' {
			all, allowed = r.allow, nil
			continue
		}
		if all {
			continue
		}
		i := slices.IndexFunc(allowed, func(a deviceRule) bool { return a.kind == r.kind && a.major == r.major && a.minor == r.minor })
		switch {
		case i >= 0:
			allowed[i].access = merge(allowed[i].access, r)
		case r.allow:
			allowed = append(allowed, r)
		}
	}
	if all {
		return nil
	}
	list := []deviceAllow{}
	for _, a := range allowed {
		if name := a.systemd(); name != "" && a.access != "" {
			list = append(list, deviceAllow{name, a.access})
		}
	}
	return []systemd.Property{{Name: "DevicePolicy", Value: "strict"}, {Name: "DeviceAllow", Value: list}}
}

// merge adds a rule's kinds of access to others, or takes them away.
func merge(access string, r deviceRule) string {
	var both strings.Builder
	for _, kind := range "rwm" {
		has, named := strings.ContainsRune(access, kind), strings.ContainsRune(r.access, kind)
		if has && !named || named && r.allow {
			both.WriteRune(kind)
		}
	}
	return both.String()
}

// systemd is what systemd calls the devices of a rule, or "".
func (r deviceRule) systemd() string {
	group := map[byte]string{'b': "block", 'c': "char"}[r.kind]
	switch {
	case r.major == anyNumber && r.minor == anyNumber:
		return group + "-*"
	case r.major == anyNumber:
		return ""
	case r.minor == anyNumber:
		return fmt.Sprintf("%s-%d", group, r.major) // numbers since version 240; older ones know no group of this name
	}
	return fmt.Sprintf("/dev/%s/%d:%d", group, r.major, r.minor)
}
