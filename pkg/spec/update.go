package spec

import (
	"errors"
	"slices"
	"strconv"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/manager-project/manager/pkg/errdefs"
)

// UpdateRequest is an update as the user worded it. Only options in Changed count.
type UpdateRequest struct {
	Limits   LimitRequest
	Env      []string // --env, with the words of create's
	UnsetEnv []string // --unsetenv
	Restart  string   // --restart
	Health   HealthRequest
	// Changed holds the names of the options that were given.
	Changed map[string]bool
}

// Change is what an update makes of a container.
type Change struct {
	// Config is the container's from now on. What did not change it shares with the former one.
	Config *Config
	// Resources are the limits to write to a running container's cgroup: those that were asked for,
	// with -1 for a limit that is lifted and a rate of 0 for a device's. Nil when there are none.
	Resources *specs.LinuxResources
}

// updater carries an update through its themes.
type updater struct {
	decider
	given map[string]bool
	now   *specs.LinuxResources // the container's limits: replaced as a whole, never changed in place
	write specs.LinuxResources
}

// Update decides what an update makes of a container. A limit that is given as 0 is lifted, as 0 is no
// limit at create. What is not given stays, but for --memory-swap, which goes with --memory as
// at create. cfg is not changed. Errors are of class invalid or unsupported, and name the option.
func Update(cfg *Config, req *UpdateRequest, host *Host) (*Change, error) {
	if len(req.Changed) == 0 {
		return nil, &errdefs.Error{Class: errdefs.ErrInvalid, Cause: errors.New("nothing to change"), Hint: "name a limit, as --memory 512m"}
	}
	copied, limits := *cfg, specs.LinuxResources{}
	if cfg.Limits.Resources != nil {
		limits = *cfg.Limits.Resources
	}
	u := &updater{given: req.Changed, now: &limits}
	u.cfg, u.host, u.def = &copied, host, &Defaults{}
	u.req = &Request{Limits: req.Limits, Changed: req.Changed}
	u.cfg.Limits.Resources = &limits
	for _, theme := range []func() error{u.updateMemory, u.updateCPU, u.updateBlkio, u.updatePids, u.updateUlimits} {
		if err := theme(); err != nil {
			return nil, err
		}
	}
	if err := u.updateEnv(req); err != nil {
		return nil, err
	}
	if u.given["restart"] {
		u.req.Life.Restart = req.Restart
		if err := u.restart(); err != nil {
			return nil, err
		}
	}
	if err := u.updateHealth(&req.Health); err != nil {
		return nil, err
	}
	change := &Change{Config: u.cfg}
	if w := &u.write; w.Memory != nil || w.CPU != nil || w.BlockIO != nil || w.Pids != nil {
		change.Resources = w
	}
	if change.Resources != nil && cfg.Limits.Disabled {
		return nil, errdefs.Unsupported("update", "a container that was made with --cgroups=disabled has no limits").
			WithHint("make it anew without --cgroups=disabled")
	}
	return change, nil
}

// any says that one of the options was given.
func (u *updater) any(options ...string) bool {
	return slices.ContainsFunc(options, func(o string) bool { return u.given[o] })
}

func (u *updater) updateMemory() error {
	if !u.any("memory", "memory-reservation", "memory-swap", "memory-swappiness") {
		return nil
	}
	var was specs.LinuxMemory
	if u.now.Memory != nil {
		was = *u.now.Memory
	}
	// Decided anew as a whole, out of what is given and what is there: so the three fit together.
	word := func(option, asked string, n *int64) string {
		if u.given[option] || n == nil {
			return asked
		}
		return strconv.FormatInt(*n, 10)
	}
	req := &u.req.Limits
	req.Memory = word("memory", req.Memory, was.Limit)
	req.MemoryReservation = word("memory-reservation", req.MemoryReservation, was.Reservation)
	if !u.given["memory"] {
		req.MemorySwap = word("memory-swap", req.MemorySwap, was.Swap)
	}
	u.now.Memory = nil
	if err := u.memory(); err != nil {
		return err
	}
	if u.now.Memory == nil {
		u.now.Memory = &specs.LinuxMemory{}
	}
	next := u.now.Memory
	next.DisableOOMKiller = was.DisableOOMKiller
	if next.Swappiness == nil {
		next.Swappiness = was.Swappiness
	}
	w := &specs.LinuxMemory{
		Limit:       changed(u.given["memory"], was.Limit, next.Limit),
		Reservation: changed(u.given["memory-reservation"], was.Reservation, next.Reservation),
		Swap:        changed(u.given["memory-swap"], was.Swap, next.Swap),
	}
	if u.given["memory-swappiness"] {
		if next.Swappiness == nil || req.MemorySwappiness == -1 {
			return errdefs.Invalid("--memory-swappiness", "-1", "out of range").WithHint("write a number from 0 to 100")
		}
		w.Swappiness = next.Swappiness
	}
	if w.Limit != nil && u.host.CgroupV2 {
		// There the kernel takes any limit, and then kills processes until it is kept.
		check := true
		w.CheckBeforeUpdate = &check
	}
	if *next == (specs.LinuxMemory{}) {
		u.now.Memory = nil
	}
	u.write.Memory = w
	return nil
}

// changed is what to write of a limit: nil for one that stays, -1 for one that is lifted.
func changed(given bool, was, next *int64) *int64 {
	switch {
	case next != nil && (given || was == nil || *was != *next):
		return next
	case next == nil && (given || was != nil):
		lifted := int64(-1)
		return &lifted
	}
	return nil
}

// defaultShares is the kernel's share of a cgroup that none was set for. Source: kernel sched-design-CFS.rst, "cpu.shares".
const defaultShares = 1024

func (u *updater) updateCPU() error {
	bandwidth := u.any("cpus", "cpu-period", "cpu-quota")
	if !bandwidth && !u.any("cpu-shares", "cpu-rt-period", "cpu-rt-runtime", "cpuset-cpus", "cpuset-mems") {
		return nil
	}
	req := &u.req.Limits
	for option, n := range map[string]uint64{"cpu-period": req.CPUPeriod, "cpu-rt-period": req.CPURTPeriod} {
		if u.given[option] && n == 0 {
			return errdefs.Invalid("--"+option, "0", "out of range").WithHint("write microseconds of at least 1000")
		}
	}
	for option, list := range map[string]string{"cpuset-cpus": req.CpusetCPUs, "cpuset-mems": req.CpusetMems} {
		if u.given[option] && list == "" {
			return errdefs.Invalid("--"+option, "", "empty").WithHint("write numbers and ranges, as 0-2,5")
		}
	}
	next := &specs.LinuxCPU{}
	if u.now.CPU != nil {
		*next = *u.now.CPU
	}
	cpus := u.cfg.Limits.CPUs
	u.now.CPU = nil
	if err := u.cpu(); err != nil {
		return err
	}
	w := u.now.CPU
	if w == nil {
		w = &specs.LinuxCPU{}
	}
	if bandwidth {
		cpus = req.CPUs
	}
	u.cfg.Limits.CPUs = cpus
	setIf(&next.Shares, w.Shares)
	setIf(&next.Quota, w.Quota)
	setIf(&next.Period, w.Period)
	setIf(&next.RealtimePeriod, w.RealtimePeriod)
	setIf(&next.RealtimeRuntime, w.RealtimeRuntime)
	if w.Cpus != "" {
		next.Cpus = w.Cpus
	}
	if w.Mems != "" {
		next.Mems = w.Mems
	}
	if u.given["cpus"] && req.CPUs == 0 || u.given["cpu-quota"] && req.CPUQuota <= 0 {
		lifted := int64(-1)
		w.Quota, next.Quota = &lifted, nil
	}
	if u.given["cpu-shares"] && req.CPUShares == 0 {
		shares := uint64(defaultShares)
		w.Shares, next.Shares = &shares, nil
	}
	if u.given["cpu-rt-runtime"] && w.RealtimeRuntime == nil {
		return errdefs.Invalid("--cpu-rt-runtime", "0", "the kernel takes real-time processes' time away only from a container that has none").
			WithHint("write microseconds")
	}
	u.now.CPU = next
	if *next == (specs.LinuxCPU{}) {
		u.now.CPU = nil
	}
	u.write.CPU = w
	return nil
}

func setIf[T any](to **T, from *T) {
	if from != nil {
		*to = from
	}
}

func (u *updater) updatePids() error {
	if !u.given["pids-limit"] {
		return nil
	}
	n := *u.req.Limits.PidsLimit
	if err := checkPids(n); err != nil {
		return err
	}
	u.now.Pids = nil
	if n <= 0 {
		n = -1
	} else {
		u.now.Pids = &specs.LinuxPids{Limit: &n}
	}
	u.write.Pids = &specs.LinuxPids{Limit: &n}
	return nil
}

func (u *updater) updateBlkio() error {
	if !u.any("blkio-weight", "blkio-weight-device", "device-read-bps", "device-write-bps", "device-read-iops", "device-write-iops") {
		return nil
	}
	next := &specs.LinuxBlockIO{}
	if u.now.BlockIO != nil {
		*next = *u.now.BlockIO
	}
	u.now.BlockIO = nil
	if err := u.blkio(); err != nil {
		return err
	}
	w := u.now.BlockIO
	if w == nil || u.given["blkio-weight"] && w.Weight == nil {
		return errdefs.Invalid("--blkio-weight", u.req.Limits.BlkioWeight, "not a weight").WithHint("write a number from 10 to 1000")
	}
	setIf(&next.Weight, w.Weight)
	for _, d := range w.WeightDevice {
		if *d.Weight == 0 {
			return errdefs.Invalid("--blkio-weight-device", "0", "not a weight").WithHint("write a number from 10 to 1000")
		}
		next.WeightDevice = append(slices.DeleteFunc(slices.Clone(next.WeightDevice), func(o specs.LinuxWeightDevice) bool {
			return o.Major == d.Major && o.Minor == d.Minor
		}), d)
	}
	next.ThrottleReadBpsDevice = mergeRates(next.ThrottleReadBpsDevice, w.ThrottleReadBpsDevice)
	next.ThrottleWriteBpsDevice = mergeRates(next.ThrottleWriteBpsDevice, w.ThrottleWriteBpsDevice)
	next.ThrottleReadIOPSDevice = mergeRates(next.ThrottleReadIOPSDevice, w.ThrottleReadIOPSDevice)
	next.ThrottleWriteIOPSDevice = mergeRates(next.ThrottleWriteIOPSDevice, w.ThrottleWriteIOPSDevice)
	u.now.BlockIO, u.write.BlockIO = next, w
	return nil
}

// mergeRates puts the rates of devices in place of those that they had; 0 takes one away.
func mergeRates(have, asked []specs.LinuxThrottleDevice) []specs.LinuxThrottleDevice {
	have = slices.Clone(have)
	for _, a := range asked {
		have = slices.DeleteFunc(have, func(h specs.LinuxThrottleDevice) bool { return h.Major == a.Major && h.Minor == a.Minor })
		if a.Rate != 0 {
			have = append(have, a)
		}
	}
	return have
}

// updateUlimits changes the limits of processes, which count from the next start on.
func (u *updater) updateUlimits() error {
	if !u.given["ulimit"] {
		return nil
	}
	asked, all, err := u.askedUlimits()
	if err != nil {
		return err
	}
	limits := map[string]Limit{}
	for _, l := range u.cfg.Process.Rlimits {
		if !all {
			limits[l.Type] = l
		}
	}
	for _, l := range asked {
		limits[l.Type] = l
	}
	u.cfg.Process.Rlimits = sortedLimits(limits)
	return nil
}

// updateHealth changes the healthcheck, makes one or takes it away. What is not given stays.
func (u *updater) updateHealth(req *HealthRequest) error {
	if !u.any(append([]string{"health-cmd", "no-healthcheck"}, healthOptions...)...) {
		return nil
	}
	u.req.Health = *req
	off := req.None
	h := newHealth()
	if u.cfg.Health != nil {
		copied := *u.cfg.Health
		h = &copied
	}
	if req.Cmd != "" {
		test, err := parseTest("--health-cmd", req.Cmd)
		if err != nil {
			return err
		}
		if off && test[0] != testNone {
			return errdefs.New(errdefs.ErrInvalid, "", "", "--health-cmd says the opposite").WithOp("--no-healthcheck").WithHint("leave one of them out")
		}
		h.Check.Test, off = test, off || test[0] == testNone
	}
	switch {
	case off && u.cfg.Process.SdNotify == "healthy":
		return errdefs.New(errdefs.ErrInvalid, "", "", "the container was made with --sdnotify=healthy, which needs a healthcheck").WithOp("--no-healthcheck").
			WithHint("make it anew with --sdnotify=conmon")
	case off:
		u.cfg.Health = nil
		return nil
	case len(h.Check.Test) == 0:
		return u.noHealth(h)
	}
	return u.settleHealth(h)
}

// updateEnv changes the variables, which new processes see: an exec's, and those of the next start.
func (u *updater) updateEnv(req *UpdateRequest) error {
	var e envSet
	for _, kv := range u.cfg.Process.Env {
		k, v, _ := cutEnv(kv)
		e.set(k, v)
	}
	for _, k := range req.UnsetEnv {
		e.unset(k)
	}
	for _, entry := range req.Env {
		if err := u.setEnv(&e, "--env", entry); err != nil {
			return err
		}
	}
	u.cfg.Process.Env = e.list()
	return nil
}
