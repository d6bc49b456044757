package compile

import (
	"maps"
	"slices"
)

// MountOptions are the names of all options that are not a file system's own, sorted: what the tables
// of this package recognise.
func MountOptions() []string {
	names := slices.Collect(maps.Keys(attrOptions))
	for name := range attrOptions {
		names = append(names, "r"+name)
	}
	for name := range superOptions {
		names = append(names, name)
	}
	for name := range propagationFlags {
		names = append(names, name)
	}
	names = append(names, "bind", "rbind", "remount", "tmpcopyup", "idmap", "ridmap", "iversion", "copy-symlink", "src-nofollow", "dest-nofollow")
	slices.Sort(names)
	return slices.Compact(names)
}

// Namespaces are the kinds of namespaces that can be made and joined, sorted.
func Namespaces() []string {
	var names []string
	for kind := range namespaceFlags {
		names = append(names, string(kind))
	}
	slices.Sort(names)
	return names
}

// Capabilities are those that this program knows, in the kernel's order.
func Capabilities() []string {
	names := make([]string, len(capabilityNames))
	for i, n := range capabilityNames {
		names[i] = "CAP_" + n
	}
	return names
}
