package cgroups

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"

	"github.com/manager-project/manager/pkg/errdefs"
	"golang.org/x/sys/unix"
)

// Stats reads the counters of every controller. What this kernel or cgroup does not count is zero;
// a file that cannot be understood is ErrCorrupt. ErrNotFound when the cgroup is gone.
func (c *Cgroup) Stats() (*Stats, error) {
	if !c.exists() {
		return nil, errdefs.NotFound("cgroup", c.path)
	}
	s := &Stats{Hugetlb: map[string]HugetlbStats{}}
	r := &statReader{c: c}
	r.cpu(s)
	r.cpuset(s)
	r.memory(s)
	r.pids(s)
	r.blkio(s)
	r.hugetlb(s)
	r.rdma(s)
	if r.err != nil {
		return nil, fmt.Errorf("cgroup %s: %w", c.path, r.err)
	}
	return s, nil
}

// statReader reads files and keeps the first error.
type statReader struct {
	c   *Cgroup
	err error
}

// maxStatFile bounds one file of counters: io.stat of a host with thousands of disks has some 500 KiB.
const maxStatFile = 4 << 20

// read is a file's text. A file that is missing, or that the kernel does not serve (pressure with
// psi=0), has none.
func (r *statReader) read(dir, file string) (string, bool) {
	if r.err != nil || dir == "" {
		return "", false
	}
	s, err := readBounded(filepath.Join(dir, file), maxStatFile)
	switch {
	case errors.Is(err, os.ErrNotExist), errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.ENODEV), errors.Is(err, unix.EACCES):
		return "", false
	case err != nil:
		r.err = err
		return "", false
	}
	return s, true
}

// parsed notes that a file could not be understood.
func (r *statReader) parsed(file string, err error) {
	if err != nil && r.err == nil {
		r.err = errdefs.New(errdefs.ErrCorrupt, "file", file, "%w", err)
	}
}

// number is a file with one number.
func (r *statReader) number(dir, file string) uint64 {
	s, ok := r.read(dir, file)
	if !ok {
		return 0
	}
	n, err := parseNumber(s)
	r.parsed(file, err)
	return n
}

func (r *statReader) flat(dir, file string) map[string]uint64 {
	s, _ := r.read(dir, file)
	return parseFlat(s)
}

func (r *statReader) list(dir, file string) []uint16 {
	s, ok := r.read(dir, file)
	if !ok {
		return nil
	}
	l, err := parseList(s)
	r.parsed(file, err)
	return l
}

// pressure is the part of the version 2 tree, also where a version 1 controller has the rest.
func (r *statReader) pressure(file string) *PSI {
	s, ok := r.read(r.c.unified, file)
	if !ok || s == "" {
		return nil
	}
	p, err := parsePSI(s)
	r.parsed(file, err)
	return p
}

// at is the directory in which a controller's files are looked for, and by which names.
func (r *statReader) at(controller string) (string, version) {
	if dir, ok := r.c.v1[controller]; ok {
		return dir, v1
	}
	return r.c.unified, v2
}

func (r *statReader) pids(s *Stats) {
	dir, _ := r.at("pids")
	s.Pids.Current = r.number(dir, "pids.current")
	if n := r.number(dir, "pids.max"); n != math.MaxUint64 {
		s.Pids.Limit = n
	}
}

func (r *statReader) rdma(s *Stats) {
	dir, _ := r.at("rdma")
	current, ok := r.read(dir, "rdma.current")
	if !ok {
		return
	}
	limit, _ := r.read(dir, "rdma.max")
	out := &RDMAStats{}
	var err error
	out.Current, err = parseRDMA(current)
	r.parsed("rdma.current", err)
	out.Limit, err = parseRDMA(limit)
	r.parsed("rdma.max", err)
	s.RDMA = out
}

// hugetlb takes the page sizes from the names of the files.
func (r *statReader) hugetlb(s *Stats) {
	dir, ver := r.at("hugetlb")
	if dir == "" {
		return
	}
	names, _ := filepath.Glob(filepath.Join(dir, "hugetlb.*"))
	for _, name := range names {
		size, rest, ok := strings.Cut(strings.TrimPrefix(filepath.Base(name), "hugetlb."), ".")
		if _, seen := s.Hugetlb[size]; !ok || seen || rest == "" {
			continue
		}
		s.Hugetlb[size] = r.hugepages(dir, ver, "hugetlb."+size)
	}
}

func (r *statReader) hugepages(dir string, ver version, prefix string) HugetlbStats {
	if ver == v1 {
		if _, ok := r.read(dir, prefix+".rsvd.usage_in_bytes"); ok {
			prefix += ".rsvd"
		}
		return HugetlbStats{
			Usage: r.number(dir, prefix+".usage_in_bytes"), Max: r.number(dir, prefix+".max_usage_in_bytes"),
			Failcnt: r.number(dir, prefix+".failcnt"),
		}
	}
	h := HugetlbStats{Failcnt: r.flat(dir, prefix+".events")["max"]}
	if _, ok := r.read(dir, prefix+".rsvd.current"); ok {
		prefix += ".rsvd"
	}
	h.Usage = r.number(dir, prefix+".current")
	return h
}
