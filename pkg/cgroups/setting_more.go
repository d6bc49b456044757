package cgroups

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

const fieldResources = "linux.resources."

// pids writes the limit of tasks: negative is no limit, 0 is a limit that lets nothing be born.
func (b *builder) pids() {
	if b.r.Pids == nil || b.r.Pids.Limit == nil {
		return
	}
	n := *b.r.Pids.Limit
	b.add(setting{controller: "pids", file: "pids.max", value: maximum(n), field: fieldResources + "pids.limit", ifExists: n < 0})
}

// hugetlb limits what is in use and, where the kernel can (Linux 5.7), what is reserved: a
// reservation over the limit is an error of mmap, a page over it a signal.
// Source: kernel Documentation/admin-guide/cgroup-v1/hugetlb.rst; cgroup-v2.rst, "HugeTLB".
func (b *builder) hugetlb() {
	name := "max"
	if b.version("hugetlb") == v1 {
		name = "limit_in_bytes"
	}
	for i, h := range b.r.HugepageLimits {
		field := fmt.Sprintf("%shugepageLimits[%d].limit", fieldResources, i)
		b.put("hugetlb", "hugetlb."+h.Pagesize+"."+name, unsigned(h.Limit), field)
		b.add(setting{controller: "hugetlb", file: "hugetlb." + h.Pagesize + ".rsvd." + name, value: unsigned(h.Limit), field: field, ifExists: true})
	}
}

// rdma writes one line a device. Source: kernel Documentation/admin-guide/cgroup-v1/rdma.rst.
func (b *builder) rdma() {
	for _, device := range sortedKeys(b.r.Rdma) {
		l := b.r.Rdma[device]
		line := []string{device}
		if l.HcaHandles != nil {
			line = append(line, fmt.Sprintf("hca_handle=%d", *l.HcaHandles))
		}
		if l.HcaObjects != nil {
			line = append(line, fmt.Sprintf("hca_object=%d", *l.HcaObjects))
		}
		b.put("rdma", "rdma.max", strings.Join(line, " "), fieldResources+"rdma."+device)
	}
}

// network writes class and priorities, which version 2 does not have.
// Source: kernel Documentation/admin-guide/cgroup-v1/net_cls.rst and net_prio.rst.
func (b *builder) network() {
	n := b.r.Network
	if n == nil {
		return
	}
	if n.ClassID != nil {
		if b.version("net_cls") != v1 {
			b.fail(onlyV1(fieldResources + "network.classID"))
			return
		}
		b.put("net_cls", "net_cls.classid", unsigned(uint64(*n.ClassID)), fieldResources+"network.classID")
	}
	for i, p := range n.Priorities {
		field := fmt.Sprintf("%snetwork.priorities[%d]", fieldResources, i)
		if b.version("net_prio") != v1 {
			b.fail(onlyV1(field))
			return
		}
		b.put("net_prio", "net_prio.ifpriomap", fmt.Sprintf("%s %d", p.Name, p.Priority), field)
	}
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
