package compile

import (
	"sort"
	"strings"

	"github.com/manager-project/manager/pkg/libcontainer/launch"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// netDevices checks the devices that the caller moves when the init waits (package netdev).
func (c *compiler) netDevices() error {
	devices := c.spec.Linux.NetDevices
	if len(devices) == 0 {
		return nil
	}
	if !c.hasNamespace(specs.NetworkNamespace) {
		return invalid("linux.netDevices", "", "need a network namespace of the container's own")
	}
	names := make([]string, 0, len(devices))
	for name := range devices {
		names = append(names, name)
	}
	sort.Strings(names)
	taken := map[string]string{}
	for _, name := range names {
		if !deviceName(name) {
			return invalid("linux.netDevices", name, "want a network device's name")
		}
		inside := devices[name].Name
		if inside == "" {
			inside = name
		}
		if !deviceName(strings.Replace(inside, "%d", "0", 1)) {
			return invalid("linux.netDevices."+name+".name", inside, "want a network device's name")
		}
		if first := taken[inside]; first != "" && !strings.Contains(inside, "%d") {
			return invalid("linux.netDevices."+name+".name", inside, "is taken by %s", first)
		}
		taken[inside] = name
	}
	return nil
}

// deviceName follows dev_valid_name of the kernel.
func deviceName(name string) bool {
	return name != "" && len(name) < unix.IFNAMSIZ && name != "." && name != ".." && !strings.ContainsAny(name, "/: \t\n\r\v\f%\x00")
}

// intelRdt checks what the caller writes into the resctrl file system (package intelrdt).
func (c *compiler) intelRdt() error {
	r := c.spec.Linux.IntelRdt
	if r == nil {
		return nil
	}
	const field = "linux.intelRdt"
	if r.ClosID == "/" { // the default class
		if r.L3CacheSchema+r.MemBwSchema != "" || len(r.Schemata) > 0 {
			c.warn("%s.closID: the default class is compared with the schemata, never changed", field)
		}
	} else if strings.ContainsAny(r.ClosID, "/\n\x00") || r.ClosID == "." || r.ClosID == ".." || r.ClosID == "info" || r.ClosID == "mon_groups" || r.ClosID == "mon_data" {
		return invalid(field+".closID", r.ClosID, "want a directory's name")
	}
	if s := r.MemBwSchema; s != "" && !strings.HasPrefix(s, "MB:") {
		return invalid(field+".memBwSchema", s, "want MB:ID=VALUE")
	}
	for _, l := range []struct {
		name  string
		lines []string
	}{{"l3CacheSchema", []string{r.L3CacheSchema}}, {"memBwSchema", []string{r.MemBwSchema}}, {"schemata", r.Schemata}} {
		for i, line := range l.lines {
			at := field + "." + l.name
			if l.name == "schemata" {
				at += "[" + itoa(i) + "]"
			}
			if strings.ContainsAny(line, "\n\x00") {
				return invalid(at, line, "has more than one line")
			}
			if key, _, ok := strings.Cut(line, ":"); line != "" && (!ok || key == "") {
				return invalid(at, line, "want RESOURCE:ID=VALUE")
			}
		}
	}
	return nil
}

// notify gives the request what a seccomp listener's receiver is told.
func (c *compiler) notify(s *specs.LinuxSeccomp) *launch.Notify {
	return &launch.Notify{Path: s.ListenerPath, Metadata: s.ListenerMetadata, State: c.h.State}
}
