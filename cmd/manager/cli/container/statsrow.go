package container

import (
	"fmt"
	"strconv"
	"time"

	"github.com/docker/go-units"

	"github.com/manager-project/manager/cmd/manager/cli/render"
	"github.com/manager-project/manager/libpod"
)

// statsRow is what templates of stats see; the fields and methods are Podman's.
type statsRow struct {
	ContainerID, Name string
	// CPU and AvgCPU are percent of one processor: since the last look, and since the start.
	CPU, AvgCPU float64
	// CPUNano and CPUSystemNano are times in nanoseconds, SystemNano that of the look.
	CPUNano, CPUSystemNano uint64
	SystemNano             int64
	PerCPU                 []uint64
	MemLimit               uint64
	memory                 uint64
	Network                map[string]libpod.InterfaceStats
	NetInput, NetOutput    uint64
	BlockInput             uint64
	BlockOutput            uint64
	PIDs                   uint64
	// UpTime is since the start, Duration since the last look.
	UpTime, Duration time.Duration
	full             bool
}

// newStatsRow compares a look with the one before; the zero value is none, and another start's does not count.
func newStatsRow(s, before libpod.ContainerStats, full bool) statsRow {
	r := statsRow{
		ContainerID: s.ID, Name: s.Name, CPUNano: s.CPU, CPUSystemNano: s.CPUSystem, PerCPU: s.PerCPU, memory: s.Memory, MemLimit: s.MemoryLimit,
		Network: s.Network, BlockInput: s.BlockRead, BlockOutput: s.BlockWritten, PIDs: s.PIDs, full: full,
	}
	for _, n := range s.Network {
		r.NetInput += n.RxBytes
		r.NetOutput += n.TxBytes
	}
	if s.Generation == 0 {
		return r
	}
	r.SystemNano = s.At.UnixNano()
	r.UpTime = s.At.Sub(s.StartedAt)
	r.AvgCPU = percent(s.CPU, r.UpTime)
	r.CPU, r.Duration = r.AvgCPU, r.UpTime
	if before.Generation == s.Generation && s.CPU >= before.CPU {
		r.Duration = s.At.Sub(before.At)
		r.CPU = percent(s.CPU-before.CPU, r.Duration)
	}
	return r
}

// percent is how much of a time a number of nanoseconds is.
func percent(nanoseconds uint64, of time.Duration) float64 {
	if of <= 0 {
		return 0
	}
	return float64(nanoseconds) / float64(of) * 100
}

// ID is the id, short unless --no-trunc asked for all of it.
func (r statsRow) ID() string { return render.ID(r.ContainerID, r.full) }

// CPUPerc is CPU in words.
func (r statsRow) CPUPerc() string { return percentText(r.CPU) }

// AVGCPU is AvgCPU in words.
func (r statsRow) AVGCPU() string { return percentText(r.AvgCPU) }

// MemPerc is the part of the limit that is in use.
func (r statsRow) MemPerc() string { return percentText(r.memoryPercent()) }

func (r statsRow) memoryPercent() float64 {
	if r.MemLimit == 0 {
		return 0
	}
	return float64(r.memory) / float64(r.MemLimit) * 100
}

// MemUsage is memory and its limit with decimal units, MemUsageBytes with binary ones.
func (r statsRow) MemUsage() string { return pair(r.memory, r.MemLimit, units.HumanSize) }

// MemUsageBytes is described with MemUsage.
func (r statsRow) MemUsageBytes() string { return pair(r.memory, r.MemLimit, units.BytesSize) }

// NetIO is what came in and went out.
func (r statsRow) NetIO() string { return pair(r.NetInput, r.NetOutput, units.HumanSize) }

// BlockIO is what was read and written.
func (r statsRow) BlockIO() string { return pair(r.BlockInput, r.BlockOutput, units.HumanSize) }

// PIDS is the number of tasks in words.
func (r statsRow) PIDS() string {
	if r.PIDs == 0 {
		return "--"
	}
	return strconv.FormatUint(r.PIDs, 10)
}

// CPUTime is the processor time since the start.
func (r statsRow) CPUTime() string { return time.Duration(r.CPUNano).Round(time.Microsecond).String() }

// Up is the time since the start.
func (r statsRow) Up() string { return r.UpTime.Round(time.Second).String() }

// percentText is two digits, or dashes for nothing, as Podman prints it.
func percentText(f float64) string {
	if f == 0 {
		return "--"
	}
	return fmt.Sprintf("%.2f%%", f)
}

// pair is two sizes, or dashes for two of nothing.
func pair(a, b uint64, size func(float64) string) string {
	if a == 0 && b == 0 {
		return "-- / --"
	}
	return size(float64(a)) + " / " + size(float64(b))
}

// statsJSON is a row of stats --format json.
type statsJSON struct {
	ID         string `json:"id"`
	Name       string `json:"name"`
	CPUTime    string `json:"cpu_time"`
	CPUPercent string `json:"cpu_percent"`
	AvgCPU     string `json:"avg_cpu"`
	MemUsage   string `json:"mem_usage"`
	MemPercent string `json:"mem_percent"`
	NetIO      string `json:"net_io"`
	BlockIO    string `json:"block_io"`
	PIDs       string `json:"pids"`
}

func (r statsRow) json() statsJSON {
	return statsJSON{
		ID: r.ID(), Name: r.Name, CPUTime: r.CPUTime(), CPUPercent: r.CPUPerc(), AvgCPU: r.AVGCPU(), MemUsage: r.MemUsage(),
		MemPercent: r.MemPerc(), NetIO: r.NetIO(), BlockIO: r.BlockIO(), PIDs: r.PIDS(),
	}
}
