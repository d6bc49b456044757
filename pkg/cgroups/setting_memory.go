package cgroups

import (
	"strconv"
	"strings"

	"github.com/manager-project/manager/pkg/errdefs"
)

const fieldMemory = "linux.resources.memory."

func (b *builder) memory() {
	if b.r.Memory == nil {
		return
	}
	if err := b.memoryFits(); err != nil {
		b.fail(err)
		return
	}
	if b.version("memory") == v1 {
		b.memoryV1()
	} else {
		b.memoryV2()
	}
}

// memoryFits refuses a limit below what is in use, if that is asked for.
func (b *builder) memoryFits() error {
	m := b.r.Memory
	if check, _ := given(m.CheckBeforeUpdate); !check {
		return nil
	}
	usage, total := "memory.current", ""
	if b.version("memory") == v1 {
		usage, total = "memory.usage_in_bytes", "memory.memsw.usage_in_bytes"
	}
	for _, c := range []struct {
		limit       *int64
		file, field string
	}{{m.Limit, usage, "limit"}, {m.Swap, total, "swap"}} {
		limit, set := given(c.limit)
		if !set || limit < 0 || c.file == "" {
			continue
		}
		used, err := strconv.ParseInt(strings.TrimSpace(b.current("memory", c.file)), 10, 64)
		if err == nil && used > limit {
			return errdefs.Invalid(fieldMemory+c.field, signed(limit), "it is below the %d bytes in use, says %s", used, c.file).
				WithHint("choose a higher limit, or end some of its processes first")
		}
	}
	return nil
}

// memoryV1 writes what the version 1 controller knows.
// Source: kernel Documentation/admin-guide/cgroup-v1/memory.rst.
func (b *builder) memoryV1() {
	m := b.r.Memory
	limit, limited := given(m.Limit)
	if limited {
		b.add(setting{controller: "memory", file: "memory.limit_in_bytes", value: signed(limit), field: fieldMemory + "limit", group: "memory"})
	}
	if swap, ok := given(m.Swap); ok {
		b.add(setting{controller: "memory", file: "memory.memsw.limit_in_bytes", value: signed(swap), field: fieldMemory + "swap", group: "memory"})
	} else if limited && limit < 0 {
		// No limit on memory alone would be cut by the one on memory and swap together.
		b.add(setting{controller: "memory", file: "memory.memsw.limit_in_bytes", value: "-1", field: fieldMemory + "limit", group: "memory", ifExists: true})
	}
	if n, ok := given(m.Reservation); ok {
		b.put("memory", "memory.soft_limit_in_bytes", signed(n), fieldMemory+"reservation")
	}
	if m.UseHierarchy != nil {
		// Since Linux 5.11 every memory cgroup is hierarchical, and 0 is refused.
		b.put("memory", "memory.use_hierarchy", flag(*m.UseHierarchy), fieldMemory+"useHierarchy")
	}
	if m.Swappiness != nil {
		b.put("memory", "memory.swappiness", unsigned(*m.Swappiness), fieldMemory+"swappiness")
	}
	if m.DisableOOMKiller != nil {
		b.add(setting{
			controller: "memory", file: "memory.oom_control", value: flag(*m.DisableOOMKiller),
			field: fieldMemory + "disableOOMKiller", ifExists: !*m.DisableOOMKiller,
		})
	}
}

// memoryV2 writes what the version 2 controller knows. Its swap limit does not include memory.
// Source: kernel Documentation/admin-guide/cgroup-v2.rst, "Memory".
func (b *builder) memoryV2() {
	m := b.r.Memory
	for _, c := range []struct {
		asked bool
		field string
	}{
		{m.Swappiness != nil, "swappiness"},
		{m.DisableOOMKiller != nil && *m.DisableOOMKiller, "disableOOMKiller"},
		{m.UseHierarchy != nil && !*m.UseHierarchy, "useHierarchy"},
	} {
		if c.asked {
			b.fail(onlyV1(fieldMemory + c.field))
			return
		}
	}
	if limit, ok := given(m.Limit); ok {
		b.put("memory", "memory.max", maximum(limit), fieldMemory+"limit")
	}
	if n, ok := given(m.Reservation); ok {
		b.put("memory", "memory.low", maximum(n), fieldMemory+"reservation")
	}
	if swap, ok := given(m.Swap); ok {
		b.swapV2(swap)
	}
}

// swapV2 takes the memory limit off the limit on memory and swap together.
func (b *builder) swapV2(swap int64) {
	s := setting{controller: "memory", file: "memory.swap.max", value: "max", field: fieldMemory + "swap"}
	if swap < 0 {
		s.ifExists = true // a kernel without swap does not limit it
		b.add(s)
		return
	}
	limit, ok := given(b.r.Memory.Limit)
	if !ok {
		n, err := strconv.ParseInt(strings.TrimSpace(b.current("memory", "memory.max")), 10, 64)
		if err != nil {
			b.fail(errdefs.Invalid(fieldMemory+"swap", signed(swap), "it needs a memory limit").
				WithHint("set linux.resources.memory.limit too"))
			return
		}
		limit = n
	}
	if limit < 0 || swap < limit {
		b.fail(errdefs.Invalid(fieldMemory+"swap", signed(swap), "it is the sum of memory and swap and must not be below the memory limit %d", limit))
		return
	}
	s.value, s.ifExists = signed(swap-limit), swap == limit
	b.add(s)
}

// onlyV1 says that a field has no counterpart on version 2.
func onlyV1(field string) error {
	return errdefs.Unsupported(field, "cgroup version 2 has no such setting").WithHint("leave it out on this host")
}

func flag(on bool) string {
	if on {
		return "1"
	}
	return "0"
}
