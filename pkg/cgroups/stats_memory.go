package cgroups

import "math"

func (r *statReader) memory(s *Stats) {
	dir, ver := r.at("memory")
	s.Memory.PSI = r.pressure("memory.pressure")
	if ver == v1 {
		r.memoryV1(dir, &s.Memory)
	} else {
		r.memoryV2(dir, &s.Memory)
	}
}

// memoryV1 reads four accounts with the same files.
// Source: kernel Documentation/admin-guide/cgroup-v1/memory.rst.
func (r *statReader) memoryV1(dir string, m *MemoryStats) {
	for prefix, to := range map[string]*MemoryEntry{
		"memory.": &m.Usage, "memory.memsw.": &m.Swap, "memory.kmem.": &m.Kernel, "memory.kmem.tcp.": &m.KernelTCP,
	} {
		*to = MemoryEntry{
			Limit: r.number(dir, prefix+"limit_in_bytes"), Usage: r.number(dir, prefix+"usage_in_bytes"),
			Max: r.number(dir, prefix+"max_usage_in_bytes"), Failcnt: r.number(dir, prefix+"failcnt"),
		}
	}
	m.Raw = r.flat(dir, "memory.stat")
	m.Cache = m.Raw["total_cache"]
	if _, ok := m.Raw["total_cache"]; !ok {
		m.Cache = m.Raw["cache"]
	}
	m.OOMKills = r.flat(dir, "memory.oom_control")["oom_kill"]
}

// memoryV2 reads the version 2 files, and adds memory to swap so that the sum means what it does on version 1.
// Source: kernel Documentation/admin-guide/cgroup-v2.rst, "Memory".
func (r *statReader) memoryV2(dir string, m *MemoryStats) {
	m.Usage = MemoryEntry{Limit: r.number(dir, "memory.max"), Usage: r.number(dir, "memory.current"), Max: r.number(dir, "memory.peak")}
	events := r.flat(dir, "memory.events")
	m.Usage.Failcnt, m.OOMKills = events["max"], events["oom_kill"]
	m.Swap = MemoryEntry{
		Limit: sum(r.number(dir, "memory.swap.max"), m.Usage.Limit), Usage: sum(r.number(dir, "memory.swap.current"), m.Usage.Usage),
		Failcnt: r.flat(dir, "memory.swap.events")["fail"],
	}
	m.Raw = r.flat(dir, "memory.stat")
	m.Cache = m.Raw["file"]
	m.Kernel.Usage = m.Raw["kernel"]
}

// sum adds without going round: no limit and anything is no limit.
func sum(a, b uint64) uint64 {
	if a > math.MaxUint64-b {
		return math.MaxUint64
	}
	return a + b
}

// blkio reads what the scheduler BFQ counts recursively or, when it serves no disk, the throttling layer.
func (r *statReader) blkio(s *Stats) {
	dir, ver := r.at("blkio")
	s.Blkio.PSI = r.pressure("io.pressure")
	if ver == v2 {
		text, _ := r.read(dir, "io.stat")
		var err error
		s.Blkio.IoServiceBytesRecursive, s.Blkio.IoServicedRecursive, err = parseIOStat(text)
		r.parsed("io.stat", err)
		return
	}
	bytes, serviced := r.entries(dir, "bfq.io_service_bytes_recursive"), r.entries(dir, "bfq.io_serviced_recursive")
	if len(bytes)+len(serviced) == 0 {
		bytes, serviced = r.entries(dir, "throttle.io_service_bytes_recursive"), r.entries(dir, "throttle.io_serviced_recursive")
	}
	s.Blkio.IoServiceBytesRecursive, s.Blkio.IoServicedRecursive = bytes, serviced
	for file, to := range map[string]*[]BlkioEntry{
		"io_queued": &s.Blkio.IoQueuedRecursive, "io_service_time": &s.Blkio.IoServiceTimeRecursive,
		"io_wait_time": &s.Blkio.IoWaitTimeRecursive, "io_merged": &s.Blkio.IoMergedRecursive,
		"time": &s.Blkio.IoTimeRecursive, "sectors": &s.Blkio.SectorsRecursive,
	} {
		if *to = r.entries(dir, "bfq."+file+"_recursive"); *to == nil {
			*to = r.entries(dir, file+"_recursive")
		}
	}
}

func (r *statReader) entries(dir, file string) []BlkioEntry {
	text, ok := r.read(dir, "blkio."+file)
	if !ok {
		return nil
	}
	e, err := parseBlkio(text)
	r.parsed("blkio."+file, err)
	return e
}
