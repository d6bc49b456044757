package specjson

import (
	"encoding/json"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// written is specs.Spec with interfaces for its structures: encoding/json looks at the type of
// what is in them, and only when something is.
type written struct {
	Version     string            `json:"ociVersion"`
	Process     any               `json:"process,omitempty"`
	Root        any               `json:"root,omitempty"`
	Hostname    string            `json:"hostname,omitempty"`
	Domainname  string            `json:"domainname,omitempty"`
	Mounts      []specs.Mount     `json:"mounts,omitempty"`
	Hooks       any               `json:"hooks,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Linux       any               `json:"linux,omitempty"`
	Solaris     any               `json:"solaris,omitempty"`
	Windows     any               `json:"windows,omitempty"`
	VM          any               `json:"vm,omitempty"`
	ZOS         any               `json:"zos,omitempty"`
	FreeBSD     any               `json:"freebsd,omitempty"`
}

// writtenLinux is specs.Linux in the same way.
type writtenLinux struct {
	UIDMappings       any                    `json:"uidMappings,omitempty"`
	GIDMappings       any                    `json:"gidMappings,omitempty"`
	Sysctl            map[string]string      `json:"sysctl,omitempty"`
	Resources         any                    `json:"resources,omitempty"`
	CgroupsPath       string                 `json:"cgroupsPath,omitempty"`
	Namespaces        []specs.LinuxNamespace `json:"namespaces,omitempty"`
	Devices           any                    `json:"devices,omitempty"`
	NetDevices        any                    `json:"netDevices,omitempty"`
	Seccomp           any                    `json:"seccomp,omitempty"`
	RootfsPropagation string                 `json:"rootfsPropagation,omitempty"`
	MaskedPaths       []string               `json:"maskedPaths,omitempty"`
	ReadonlyPaths     []string               `json:"readonlyPaths,omitempty"`
	MountLabel        string                 `json:"mountLabel,omitempty"`
	IntelRdt          any                    `json:"intelRdt,omitempty"`
	MemoryPolicy      any                    `json:"memoryPolicy,omitempty"`
	Personality       any                    `json:"personality,omitempty"`
	TimeOffsets       any                    `json:"timeOffsets,omitempty"`
}

// writtenResources is specs.LinuxResources in the same way.
type writtenResources struct {
	Devices        any               `json:"devices,omitempty"`
	Memory         any               `json:"memory,omitempty"`
	CPU            any               `json:"cpu,omitempty"`
	Pids           any               `json:"pids,omitempty"`
	BlockIO        any               `json:"blockIO,omitempty"`
	HugepageLimits any               `json:"hugepageLimits,omitempty"`
	Network        any               `json:"network,omitempty"`
	Rdma           any               `json:"rdma,omitempty"`
	Unified        map[string]string `json:"unified,omitempty"`
}

// Marshal gives the bytes that json.Marshal gives.
func Marshal(spec *specs.Spec) ([]byte, error) {
	w := written{
		Version: spec.Version, Process: pointer(spec.Process), Root: pointer(spec.Root), Hostname: spec.Hostname, Domainname: spec.Domainname,
		Mounts: spec.Mounts, Hooks: pointer(spec.Hooks), Annotations: spec.Annotations, Solaris: pointer(spec.Solaris),
		Windows: pointer(spec.Windows), VM: pointer(spec.VM), ZOS: pointer(spec.ZOS), FreeBSD: pointer(spec.FreeBSD),
	}
	if l := spec.Linux; l != nil {
		w.Linux = &writtenLinux{
			UIDMappings: list(l.UIDMappings), GIDMappings: list(l.GIDMappings), Sysctl: l.Sysctl, Resources: linuxResources(l.Resources),
			CgroupsPath: l.CgroupsPath, Namespaces: l.Namespaces, Devices: list(l.Devices), NetDevices: table(l.NetDevices),
			Seccomp: pointer(l.Seccomp), RootfsPropagation: l.RootfsPropagation, MaskedPaths: l.MaskedPaths, ReadonlyPaths: l.ReadonlyPaths,
			MountLabel: l.MountLabel, IntelRdt: pointer(l.IntelRdt), MemoryPolicy: pointer(l.MemoryPolicy),
			Personality: pointer(l.Personality), TimeOffsets: table(l.TimeOffsets),
		}
	}
	return json.Marshal(&w)
}

func linuxResources(r *specs.LinuxResources) any {
	if r == nil {
		return nil
	}
	return &writtenResources{
		Devices: list(r.Devices), Memory: pointer(r.Memory), CPU: pointer(r.CPU), Pids: pointer(r.Pids), BlockIO: pointer(r.BlockIO),
		HugepageLimits: list(r.HugepageLimits), Network: pointer(r.Network), Rdma: table(r.Rdma), Unified: r.Unified,
	}
}

// pointer, list and table keep what "omitempty" leaves out from becoming a value that it does not.

func pointer[T any](p *T) any {
	if p == nil {
		return nil
	}
	return p
}

func list[T any](l []T) any {
	if len(l) == 0 {
		return nil
	}
	return l
}

func table[T any](m map[string]T) any {
	if len(m) == 0 {
		return nil
	}
	return m
}
