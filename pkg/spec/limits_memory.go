package spec

import (
	"strconv"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/manager-project/manager/pkg/errdefs"
)

// MinMemory is the least memory limit in bytes: with less no program's start succeeds,
// and the peers refuse it too.
const MinMemory = 6 << 20

// memory settles limit, reservation, swap and swappiness. Swap is memory plus swap, as in
// the OCI spec; twice the limit when only the limit is given.
func (d *decider) memory() error {
	req := &d.req.Limits
	mem, err := MemoryLimits(req.Memory, req.MemoryReservation, req.MemorySwap)
	if err != nil {
		return err
	}
	if d.req.Given("memory-swappiness") && req.MemorySwappiness != -1 {
		if err := d.v1only("--memory-swappiness"); err != nil {
			return err
		}
		if req.MemorySwappiness < 0 || req.MemorySwappiness > 100 {
			return errdefs.Invalid("--memory-swappiness", strconv.FormatInt(req.MemorySwappiness, 10), "out of range").
				WithHint("write a number from 0 to 100")
		}
		v := uint64(req.MemorySwappiness)
		mem.Swappiness = &v
	}
	if req.OOMKillDisable {
		if err := d.v1only("--oom-kill-disable"); err != nil {
			return err
		}
		mem.DisableOOMKiller = &req.OOMKillDisable
		if mem.Limit == nil {
			d.warnf("--oom-kill-disable without --memory can hang the host")
		}
	}
	if *mem != (specs.LinuxMemory{}) {
		d.cfg.Limits.Resources.Memory = mem
	}
	return nil
}

// MemoryLimits makes OCI memory limits of the words of --memory, --memory-reservation
// and --memory-swap; "" leaves one out. Errors are of class invalid.
func MemoryLimits(limit, reservation, swap string) (*specs.LinuxMemory, error) {
	mem := &specs.LinuxMemory{}
	var err error
	if mem.Limit, err = sizeOf("--memory", limit); err != nil {
		return nil, err
	}
	if mem.Limit != nil && *mem.Limit < MinMemory {
		return nil, errdefs.Invalid("--memory", limit, "less than %d bytes", MinMemory).WithHint("give at least 6m")
	}
	if mem.Reservation, err = sizeOf("--memory-reservation", reservation); err != nil {
		return nil, err
	}
	if mem.Limit != nil && mem.Reservation != nil && *mem.Reservation > *mem.Limit {
		return nil, errdefs.Invalid("--memory-reservation", reservation, "more than --memory").WithHint("reserve at most the limit")
	}
	switch {
	case swap == "-1":
		unlimited := int64(-1)
		mem.Swap = &unlimited
	case swap != "":
		if mem.Swap, err = sizeOf("--memory-swap", swap); err != nil {
			return nil, err
		}
		if mem.Swap == nil {
			break
		}
		if mem.Limit == nil {
			return nil, errdefs.Invalid("--memory-swap", swap, "needs --memory").WithHint("give --memory too; --memory-swap is the sum of memory and swap")
		}
		if *mem.Swap < *mem.Limit {
			return nil, errdefs.Invalid("--memory-swap", swap, "less than --memory").WithHint("it is the sum of memory and swap")
		}
	}
	if mem.Limit != nil && mem.Swap == nil && *mem.Limit <= 1<<62-1 {
		twice := 2 * *mem.Limit
		mem.Swap = &twice
	}
	return mem, nil
}

// sizeOf is nil for no word and for 0, which means no limit.
func sizeOf(option, word string) (*int64, error) {
	if word == "" {
		return nil, nil
	}
	n, err := ParseBytes(option, word)
	if err != nil || n == 0 {
		return nil, err
	}
	return &n, nil
}
