package compile

import (
	"github.com/manager-project/manager/pkg/libcontainer/plan"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// memoryModes by name. Source: set_mempolicy(2), include/uapi/linux/mempolicy.h.
var memoryModes = map[specs.MemoryPolicyModeType]int{
	specs.MpolDefault: 0, specs.MpolPreferred: 1, specs.MpolBind: 2, specs.MpolInterleave: 3,
	specs.MpolLocal: 4, specs.MpolPreferredMany: 5, specs.MpolWeightedInterleave: 6,
}

var memoryFlags = map[specs.MemoryPolicyFlagType]int{
	specs.MpolFStaticNodes: 1 << 15, specs.MpolFRelativeNodes: 1 << 14, specs.MpolFNumaBalancing: 1 << 13,
}

func memoryPolicy(m *specs.LinuxMemoryPolicy, p *plan.Process) error {
	if m == nil {
		return nil
	}
	const field = "linux.memoryPolicy"
	mode, ok := memoryModes[m.Mode]
	if !ok {
		return invalid(field+".mode", string(m.Mode), "unknown mode")
	}
	nodes, err := numberList(m.Nodes)
	if err != nil {
		return invalid(field+".nodes", m.Nodes, "%v", err)
	}
	flags := 0
	for i, f := range m.Flags {
		bit, ok := memoryFlags[f]
		if !ok {
			return invalid(field+".flags["+itoa(i)+"]", string(f), "unknown flag")
		}
		flags |= bit
	}
	without := mode == memoryModes[specs.MpolDefault] || mode == memoryModes[specs.MpolLocal]
	both := memoryFlags[specs.MpolFStaticNodes] | memoryFlags[specs.MpolFRelativeNodes]
	switch {
	case without && len(nodes) > 0:
		return invalid(field+".nodes", m.Nodes, "%s takes none", m.Mode)
	case !without && mode != memoryModes[specs.MpolPreferred] && len(nodes) == 0:
		return invalid(field+".nodes", "", "are missing: %s needs some", m.Mode)
	case flags&both == both:
		return invalid(field+".flags", "", "static and relative nodes exclude each other")
	}
	p.MemoryPolicy = &plan.MemoryPolicy{Mode: mode | flags, Nodes: bits(nodes)}
	return nil
}
