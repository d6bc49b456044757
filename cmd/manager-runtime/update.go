package main

import (
	"errors"
	"math"
	"os"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/manager-project/manager/pkg/cgroups"
	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/libcontainer/compile"
)

type updateOptions struct {
	resources                               string
	blkioWeight                             *uint64
	period, share, rtPeriod, burst          *uint64
	quota, rtRuntime, idle, pids            *int64
	cpus, mems, memory, reservation, swap   string
	kernelMemory, kernelTCP, l3Cache, memBW string
}

func updateCommand() *command {
	o := &updateOptions{}
	return &command{
		name: "update", args: "ID", summary: "change the limits of a container", least: 1, most: 1,
		about: `What is not named keeps its value. The file has the form of linux.resources of a configuration; other
options are ignored with it. Sizes are in bytes, or end in k, m, g or t; -1 is no limit.`,
		flags: []option{
			{name: "resources", short: "r", to: &o.resources, value: "FILE", usage: "file with the limits, - for standard input"},
			{name: "blkio-weight", to: &o.blkioWeight, value: "N", usage: "share of block I/O, 10 to 1000"},
			{name: "cpu-period", to: &o.period, value: "USEC", usage: "period of the CPU limit"},
			{name: "cpu-quota", to: &o.quota, value: "USEC", usage: "CPU time in a period, -1 for no limit"},
			{name: "cpu-burst", to: &o.burst, value: "USEC", usage: "CPU time that may be saved up"},
			{name: "cpu-share", to: &o.share, value: "N", usage: "relative weight of CPU time"},
			{name: "cpu-rt-period", to: &o.rtPeriod, value: "USEC", usage: "period of the real-time limit"},
			{name: "cpu-rt-runtime", to: &o.rtRuntime, value: "USEC", usage: "real-time CPU time in a period"},
			{name: "cpu-idle", to: &o.idle, value: "N", usage: "1 runs only when nothing else does"},
			{name: "cpuset-cpus", to: &o.cpus, value: "LIST", usage: "processors to run on"},
			{name: "cpuset-mems", to: &o.mems, value: "LIST", usage: "memory nodes to use"},
			{name: "memory", to: &o.memory, value: "SIZE", usage: "memory limit"},
			{name: "memory-reservation", to: &o.reservation, value: "SIZE", usage: "memory soft limit"},
			{name: "memory-swap", to: &o.swap, value: "SIZE", usage: "limit of memory and swap together"},
			{name: "kernel-memory", to: &o.kernelMemory, value: "SIZE", hidden: true},
			{name: "kernel-memory-tcp", to: &o.kernelTCP, value: "SIZE", hidden: true},
			{name: "pids-limit", to: &o.pids, value: "N", usage: "most processes and threads, -1 for no limit"},
			{name: "l3-cache-schema", to: &o.l3Cache, value: "SCHEMA", usage: "Intel RDT schema of the cache"},
			{name: "mem-bw-schema", to: &o.memBW, value: "SCHEMA", usage: "Intel RDT schema of memory bandwidth"},
		},
		run: func(a *app, args []string) (int, error) {
			r, err := o.read()
			if err != nil {
				return 0, err
			}
			c, err := a.factory().Load(args[0])
			if err != nil {
				return 0, err
			}
			a.warn(cgroups.Warnings(r))
			err = c.Set(r)
			if err == nil && (o.l3Cache != "" || o.memBW != "") {
				err = c.SetClass(o.l3Cache, o.memBW)
			}
			return 0, errors.Join(err, c.Close())
		},
	}
}

// read makes the limits out of the file or the options.
func (o *updateOptions) read() (*specs.LinuxResources, error) {
	if o.resources != "" {
		return compile.ReadResources(o.resources, os.Stdin)
	}
	r := &specs.LinuxResources{}
	return r, o.fill(r)
}

func (o *updateOptions) fill(r *specs.LinuxResources) error {
	r.CPU = &specs.LinuxCPU{
		Period: o.period, Quota: o.quota, Burst: o.burst, Shares: o.share, RealtimePeriod: o.rtPeriod,
		RealtimeRuntime: o.rtRuntime, Idle: o.idle, Cpus: o.cpus, Mems: o.mems,
	}
	r.Memory = &specs.LinuxMemory{}
	for _, m := range []struct {
		option, value string
		to            **int64
	}{
		{"--memory", o.memory, &r.Memory.Limit},
		{"--memory-reservation", o.reservation, &r.Memory.Reservation},
		{"--memory-swap", o.swap, &r.Memory.Swap},
		//lint:ignore SA1019 it is accepted, and warned of
		{"--kernel-memory", o.kernelMemory, &r.Memory.Kernel},
		{"--kernel-memory-tcp", o.kernelTCP, &r.Memory.KernelTCP},
	} {
		if m.value == "" {
			continue
		}
		n, err := parseSize(m.option, m.value)
		if err != nil {
			return err
		}
		*m.to = &n
	}
	if o.pids != nil {
		r.Pids = &specs.LinuxPids{Limit: o.pids}
	}
	if o.blkioWeight != nil {
		if *o.blkioWeight > math.MaxUint16 {
			return errdefs.Invalid("--blkio-weight", strconv.FormatUint(*o.blkioWeight, 10), "want 10 to 1000")
		}
		w := uint16(*o.blkioWeight)
		r.BlockIO = &specs.LinuxBlockIO{Weight: &w}
	}
	return nil
}

// parseSize takes bytes, with an ending k, m, g or t (1024 each), after which b or ib may follow.
func parseSize(option, s string) (int64, error) {
	word := strings.ToLower(s)
	word = strings.TrimSuffix(strings.TrimSuffix(word, "b"), "i")
	shift := 0
	if n := len(word); n > 0 {
		if at := strings.IndexByte("kmgt", word[n-1]); at >= 0 {
			shift, word = 10*(at+1), word[:n-1]
		}
	}
	n, err := strconv.ParseInt(word, 10, 64)
	if err != nil || n < -1 || n == -1 && shift > 0 || n > math.MaxInt64>>shift {
		return 0, errdefs.Invalid(option, s, "want a number of bytes, or one with k, m, g or t")
	}
	return n << shift, nil
}
