package cgroups

// Stats are the counters of a cgroup. The JSON names are those of the events that OCI engines read
// (the data of runc's "stats" event). Without a controller its part is zero. Times are nanoseconds,
// sizes bytes; a limit of math.MaxUint64 is none.
type Stats struct {
	CPU     CPUStats                `json:"cpu"`
	CPUSet  CPUSetStats             `json:"cpuset"`
	Memory  MemoryStats             `json:"memory"`
	Pids    PidsStats               `json:"pids"`
	Blkio   BlkioStats              `json:"blkio"`
	Hugetlb map[string]HugetlbStats `json:"hugetlb"`
	RDMA    *RDMAStats              `json:"rdma,omitempty"`
}

// PSI is how long tasks waited for a resource; nil parts are not measured.
// Source: kernel Documentation/accounting/psi.rst.
type PSI struct {
	// Some is the time in which at least one task waited, Full that in which all did.
	Some *PSIData `json:"some,omitempty"`
	Full *PSIData `json:"full,omitempty"`
}

// PSIData has the averages in percent over the last 10, 60 and 300 seconds, and the sum in microseconds.
type PSIData struct {
	Avg10  float64 `json:"avg10"`
	Avg60  float64 `json:"avg60"`
	Avg300 float64 `json:"avg300"`
	Total  uint64  `json:"total"`
}

// CPUStats is time on processors.
type CPUStats struct {
	Usage      CPUUsage   `json:"usage"`
	Throttling Throttling `json:"throttling"`
	PSI        *PSI       `json:"psi,omitempty"`
}

// CPUUsage is the time used: in sum, by processor (version 1), and split into kernel and user.
type CPUUsage struct {
	Total        uint64   `json:"total,omitempty"`
	Percpu       []uint64 `json:"percpu,omitempty"`
	PercpuKernel []uint64 `json:"percpu_kernel,omitempty"`
	PercpuUser   []uint64 `json:"percpu_user,omitempty"`
	Kernel       uint64   `json:"kernel"`
	User         uint64   `json:"user"`
}

// Throttling counts the periods of the quota, those that it was used up in, and the time waited.
type Throttling struct {
	Periods          uint64 `json:"periods,omitempty"`
	ThrottledPeriods uint64 `json:"throttledPeriods,omitempty"`
	ThrottledTime    uint64 `json:"throttledTime,omitempty"`
}

// CPUSetStats are the processors and memory nodes. Version 2 has the lists only.
type CPUSetStats struct {
	CPUs                  []uint16 `json:"cpus,omitempty"`
	CPUExclusive          uint64   `json:"cpu_exclusive"`
	Mems                  []uint16 `json:"mems,omitempty"`
	MemHardwall           uint64   `json:"mem_hardwall"`
	MemExclusive          uint64   `json:"mem_exclusive"`
	MemoryMigrate         uint64   `json:"memory_migrate"`
	MemorySpreadPage      uint64   `json:"memory_spread_page"`
	MemorySpreadSlab      uint64   `json:"memory_spread_slab"`
	MemoryPressure        uint64   `json:"memory_pressure"`
	SchedLoadBalance      uint64   `json:"sched_load_balance"`
	SchedRelaxDomainLevel int64    `json:"sched_relax_domain_level"`
}

// MemoryStats is memory: in sum, with swap, and the kernel's.
type MemoryStats struct {
	// Cache is page cache.
	Cache uint64      `json:"cache,omitempty"`
	Usage MemoryEntry `json:"usage"`
	// Swap is memory and swap together, as version 1 counts them.
	Swap      MemoryEntry `json:"swap"`
	Kernel    MemoryEntry `json:"kernel"`
	KernelTCP MemoryEntry `json:"kernelTCP"`
	// Raw is the kernel's memory.stat.
	Raw map[string]uint64 `json:"raw,omitempty"`
	PSI *PSI              `json:"psi,omitempty"`
	// OOMKills counts the processes killed for want of memory.
	OOMKills uint64 `json:"oomKills,omitempty"`
}

// MemoryEntry is one account: its limit, what is in use, the most that was, and how often the limit was hit.
type MemoryEntry struct {
	Limit   uint64 `json:"limit"`
	Usage   uint64 `json:"usage,omitempty"`
	Max     uint64 `json:"max,omitempty"`
	Failcnt uint64 `json:"failcnt"`
}

// PidsStats counts tasks. A limit of 0 is none, as engines expect it.
type PidsStats struct {
	Current uint64 `json:"current,omitempty"`
	Limit   uint64 `json:"limit,omitempty"`
}

// BlkioEntry is one counter of one device; Op is the kernel's word, like Read.
type BlkioEntry struct {
	Major uint64 `json:"major,omitempty"`
	Minor uint64 `json:"minor,omitempty"`
	Op    string `json:"op,omitempty"`
	Value uint64 `json:"value,omitempty"`
}

// BlkioStats are the counters of block devices. Version 2 has the first two.
type BlkioStats struct {
	IoServiceBytesRecursive []BlkioEntry `json:"ioServiceBytesRecursive,omitempty"`
	IoServicedRecursive     []BlkioEntry `json:"ioServicedRecursive,omitempty"`
	IoQueuedRecursive       []BlkioEntry `json:"ioQueueRecursive,omitempty"`
	IoServiceTimeRecursive  []BlkioEntry `json:"ioServiceTimeRecursive,omitempty"`
	IoWaitTimeRecursive     []BlkioEntry `json:"ioWaitTimeRecursive,omitempty"`
	IoMergedRecursive       []BlkioEntry `json:"ioMergedRecursive,omitempty"`
	IoTimeRecursive         []BlkioEntry `json:"ioTimeRecursive,omitempty"`
	SectorsRecursive        []BlkioEntry `json:"sectorsRecursive,omitempty"`
	PSI                     *PSI         `json:"psi,omitempty"`
}

// HugetlbStats is one page size; reservations are preferred where the kernel counts them.
type HugetlbStats struct {
	Usage   uint64 `json:"usage,omitempty"`
	Max     uint64 `json:"max,omitempty"`
	Failcnt uint64 `json:"failcnt"`
}

// RDMAStats are what devices of remote memory access are used for and limited to.
type RDMAStats struct {
	Limit   []RDMAEntry `json:"rdmaLimit,omitempty"`
	Current []RDMAEntry `json:"rdmaCurrent,omitempty"`
}

// RDMAEntry is one device; math.MaxUint32 is no limit.
type RDMAEntry struct {
	Device     string `json:"device,omitempty"`
	HcaHandles uint32 `json:"hcaHandles,omitempty"`
	HcaObjects uint32 `json:"hcaObjects,omitempty"`
}
