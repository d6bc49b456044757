package plan

import (
	"path"
	"slices"
	"strings"
)

// KernelMounts are the instances of procfs and sysfs that a container has, by a handle on the mount. What is to be masked
// or made read-only below one is looked up from its handle: whoever can exchange names in the root file
// system could have something else covered in its place.
type KernelMounts[H any] []kernelMount[H]

type kernelMount[H any] struct {
	target string
	handle H
}

// IsKernel says whether a mount is one of those.
func (m *Mount) IsKernel() bool {
	return m.Kind == MountFS && (m.FSType == "proc" || m.FSType == "sysfs")
}

// Hide forgets what a mount at a target hides, and returns its handles.
func (k *KernelMounts[H]) Hide(target string) (hidden []H) {
	target = path.Clean("/" + target)
	*k = slices.DeleteFunc(*k, func(m kernelMount[H]) bool {
		hides := m.target == target || strings.HasPrefix(m.target, strings.TrimSuffix(target, "/")+"/")
		if hides {
			hidden = append(hidden, m.handle)
		}
		return hides
	})
	return hidden
}

// Add remembers the mount at a target.
func (k *KernelMounts[H]) Add(target string, handle H) {
	*k = append(*k, kernelMount[H]{path.Clean("/" + target), handle})
}

// Find returns the handle of the mount that a path is below, and the rest of the path.
func (k KernelMounts[H]) Find(p string) (handle H, rest string, ok bool) {
	p = path.Clean("/" + p)
	for _, m := range k {
		if below, found := strings.CutPrefix(p, m.target+"/"); found && (!ok || len(below) < len(rest)) {
			handle, rest, ok = m.handle, below, true
		}
	}
	return handle, rest, ok
}
