package intelrdt

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Stats are what a class may have and uses. The JSON names are those of the events that OCI engines read
// (intel_rdt of runc's "stats" event); what the hardware or the class has not is left out.
type Stats struct {
	L3CacheInfo *L3CacheInfo `json:"l3_cache_info,omitempty"`
	// The schemata of the whole machine and of the container's class, as "L3:0=ff;1=3".
	L3CacheSchemaRoot string     `json:"l3_cache_schema_root,omitempty"`
	L3CacheSchema     string     `json:"l3_cache_schema,omitempty"`
	MemBwInfo         *MemBwInfo `json:"mem_bw_info,omitempty"`
	MemBwSchemaRoot   string     `json:"mem_bw_schema_root,omitempty"`
	MemBwSchema       string     `json:"mem_bw_schema,omitempty"`
	// MBMStats and CMTStats are memory traffic and cache occupancy in bytes, one for each cache, in the
	// order of their numbers.
	MBMStats []MBMStats `json:"mbm_stats,omitempty"`
	CMTStats []CMTStats `json:"cmt_stats,omitempty"`
}

// L3CacheInfo is what the hardware can do with the cache. Source: kernel filesystems/resctrl.rst, "Info directory".
type L3CacheInfo struct {
	CbmMask    string `json:"cbm_mask,omitempty"`
	MinCbmBits uint64 `json:"min_cbm_bits,omitempty"`
	NumClosids uint64 `json:"num_closids,omitempty"`
}

// MemBwInfo is what it can do with memory bandwidth, in percent.
type MemBwInfo struct {
	BandwidthGran uint64 `json:"bandwidth_gran,omitempty"`
	DelayLinear   uint64 `json:"delay_linear,omitempty"`
	MinBandwidth  uint64 `json:"min_bandwidth,omitempty"`
	NumClosids    uint64 `json:"num_closids,omitempty"`
}

// MBMStats is memory traffic.
type MBMStats struct {
	TotalBytes uint64 `json:"mbm_total_bytes"`
	LocalBytes uint64 `json:"mbm_local_bytes"`
}

// CMTStats is cache occupancy.
type CMTStats struct {
	Occupancy uint64 `json:"llc_occupancy"`
}

// Stats reads what the group's class may have, and uses if it is monitored. root is Root's.
func (g *Group) Stats(root string) (Stats, error) {
	var s Stats
	whole, err := os.ReadFile(filepath.Join(root, "schemata"))
	if err != nil {
		return s, err
	}
	own, err := os.ReadFile(filepath.Join(g.Dir, "schemata"))
	if err != nil {
		return s, err
	}
	if info := filepath.Join(root, "info/L3"); there(info) {
		s.L3CacheInfo = &L3CacheInfo{text(info, "cbm_mask"), number(info, "min_cbm_bits"), number(info, "num_closids")}
		s.L3CacheSchemaRoot, s.L3CacheSchema = schema(whole, "L3"), schema(own, "L3")
	}
	if info := filepath.Join(root, "info/MB"); there(info) {
		s.MemBwInfo = &MemBwInfo{
			number(info, "bandwidth_gran"), number(info, "delay_linear"), number(info, "min_bandwidth"), number(info, "num_closids"),
		}
		s.MemBwSchemaRoot, s.MemBwSchema = schema(whole, "MB"), schema(own, "MB")
	}
	return s, g.measure(&s)
}

// measure reads the counters of the group: its own monitoring group, or the whole class.
func (g *Group) measure(s *Stats) error {
	dir := g.Dir
	if g.Monitor != "" {
		dir = g.Monitor
	}
	caches, err := filepath.Glob(filepath.Join(dir, "mon_data/mon_L3_*"))
	for _, cache := range caches {
		if there(filepath.Join(cache, "mbm_total_bytes")) {
			s.MBMStats = append(s.MBMStats, MBMStats{number(cache, "mbm_total_bytes"), number(cache, "mbm_local_bytes")})
		}
		if there(filepath.Join(cache, "llc_occupancy")) {
			s.CMTStats = append(s.CMTStats, CMTStats{number(cache, "llc_occupancy")})
		}
	}
	return err
}

func there(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// text is a file without its newline, "" if there is none.
func text(dir, name string) string {
	b, _ := os.ReadFile(filepath.Join(dir, name))
	return strings.TrimSpace(string(b))
}

// number is 0 for what is no number: "Unavailable" and "Error" are counters' words too.
func number(dir, name string) uint64 {
	n, _ := strconv.ParseUint(text(dir, name), 10, 64)
	return n
}

// schema is a resource's line of a schemata file, as "L3:0=ff;1=3", without blanks.
func schema(schemata []byte, resource string) string {
	for line := range strings.Lines(string(schemata)) {
		line = strings.ReplaceAll(strings.TrimSpace(line), " ", "")
		if strings.HasPrefix(line, resource+":") {
			return line
		}
	}
	return ""
}
