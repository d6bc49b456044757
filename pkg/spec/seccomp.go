package spec

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/moby/profiles/seccomp"
	"github.com/opencontainers/runtime-spec/specs-go"
)

// DefaultSeccomp is the default profile for a bounding set, on this machine's
// architecture and kernel. The caller owns the result.
func DefaultSeccomp(caps []string) (*specs.LinuxSeccomp, error) {
	return seccomp.GetDefaultProfile(capsOnly(caps))
}

// LoadSeccomp reads a profile in the format of Docker and containers/common (conditions
// on capabilities, architectures and the kernel) or plain OCI.
func LoadSeccomp(profile []byte, caps []string) (*specs.LinuxSeccomp, error) {
	var probe struct {
		DefaultAction string `json:"defaultAction"`
	}
	if err := json.Unmarshal(profile, &probe); err != nil {
		return nil, fmt.Errorf("read seccomp profile: %w", err)
	}
	if probe.DefaultAction == "" {
		return nil, fmt.Errorf("read seccomp profile: no defaultAction")
	}
	filter, err := seccomp.LoadProfile(string(profile), capsOnly(caps))
	if err != nil {
		return nil, err
	}
	return filter, checkActions(filter)
}

// seccompActions are the actions that the OCI runtime-spec knows.
var seccompActions = []specs.LinuxSeccompAction{
	specs.ActKill, specs.ActKillProcess, specs.ActKillThread, specs.ActTrap, specs.ActErrno, specs.ActTrace,
	specs.ActAllow, specs.ActLog, specs.ActNotify,
}

func checkActions(filter *specs.LinuxSeccomp) error {
	actions := []specs.LinuxSeccompAction{filter.DefaultAction}
	for _, s := range filter.Syscalls {
		actions = append(actions, s.Action)
	}
	for _, a := range actions {
		if !slices.Contains(seccompActions, a) {
			return fmt.Errorf("read seccomp profile: unknown action %q", a)
		}
	}
	return nil
}

// Seccomp returns the filter of a container, nil for an unconfined one.
func Seccomp(s *Security) (*specs.LinuxSeccomp, error) {
	switch s.Seccomp {
	case SeccompUnconfined:
		return nil, nil
	case SeccompDefault, "":
		return DefaultSeccomp(s.Capabilities)
	}
	return LoadSeccomp(s.SeccompProfile, s.Capabilities)
}

// capsOnly is the part of a spec that a profile's conditions look at.
func capsOnly(caps []string) *specs.Spec {
	return &specs.Spec{Process: &specs.Process{Capabilities: &specs.LinuxCapabilities{Bounding: caps}}}
}
