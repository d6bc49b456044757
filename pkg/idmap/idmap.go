// Package idmap is the arithmetic of user namespaces: maps of ids, how people word them, and how free ids are
// found. Nothing here looks at the machine, but for New, which makes a namespace to map a mount with.
//
// A map says which ids of a container (Inside) are which ids of the namespace that the engine works in
// (Outside). For root that is the host's. A user's engine works in a namespace of the user's own, where the
// user is 0 and the subordinate ids follow from 1 on; Podman calls those ids intermediate.
package idmap

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// MaxRanges is the most ranges that the kernel takes. Source: user_namespaces(7).
const MaxRanges = 340

// end is the first number that is no id: 2³²−1 means "no change" in system calls.
const end = 1<<32 - 1

// Range maps Size ids from ContainerID on to those from HostID on. HostID is relative to the namespace in which
// the map is written.
type Range = specs.LinuxIDMapping

// Map is a list of ranges that do not overlap. The zero value maps nothing.
type Map []Range

// Span is a run of ids.
type Span struct {
	First uint32
	Size  uint64
}

func (s Span) next() uint64 { return uint64(s.First) + s.Size }

// ToOutside is the id that an id of the container has outside.
func (m Map) ToOutside(inside uint32) (uint32, bool) {
	for _, r := range m {
		if inside >= r.ContainerID && uint64(inside) < uint64(r.ContainerID)+uint64(r.Size) {
			return r.HostID + (inside - r.ContainerID), true
		}
	}
	return 0, false
}

// Owner is the outer id of a file that belongs to an id of an image. Root's files go to the smallest id where the
// container has no root: somebody inside has to be able to make what is mounted over. Others that are not mapped
// stay as they are, and are nobody's inside.
func (m Map) Owner(inside uint32) uint32 {
	if id, ok := m.ToOutside(inside); ok {
		return id
	}
	if inside == 0 && len(m) > 0 {
		return m.tidy()[0].HostID
	}
	return inside
}

// Least is the smallest id inside, 0 for a map without any.
func (m Map) Least() uint32 {
	if len(m) == 0 {
		return 0
	}
	return m.tidy()[0].ContainerID
}

// ToInside is the id that an outer id has in the container.
func (m Map) ToInside(outside uint32) (uint32, bool) { return m.Inverse().ToOutside(outside) }

// Inverse exchanges inside and outside.
func (m Map) Inverse() Map {
	out := make(Map, len(m))
	for i, r := range m {
		out[i] = Range{ContainerID: r.HostID, HostID: r.ContainerID, Size: r.Size}
	}
	return out
}

// Size is how many ids are mapped.
func (m Map) Size() uint64 {
	var n uint64
	for _, r := range m {
		n += uint64(r.Size)
	}
	return n
}

// Identity says that every id that is mapped is the same on both sides.
func (m Map) Identity() bool {
	return !slices.ContainsFunc(m, func(r Range) bool { return r.ContainerID != r.HostID })
}

// Inside and Outside are the ids that the map has on either side.
func (m Map) Inside() []Span {
	out := make([]Span, len(m))
	for i, r := range m {
		out[i] = Span{r.ContainerID, uint64(r.Size)}
	}
	return out
}

// Outside is described at Inside.
func (m Map) Outside() []Span { return m.Inverse().Inside() }

// Strings words the ranges as options do: INSIDE:OUTSIDE:SIZE.
func (m Map) Strings() []string {
	out := make([]string, len(m))
	for i, r := range m {
		out[i] = fmt.Sprintf("%d:%d:%d", r.ContainerID, r.HostID, r.Size)
	}
	return out
}

func (m Map) String() string { return strings.Join(m.Strings(), ",") }

// tidy sorts by the inner ids and joins ranges that continue each other, so that few remain.
func (m Map) tidy() Map {
	m = slices.Clone(m)
	slices.SortFunc(m, func(a, b Range) int { return cmp.Compare(a.ContainerID, b.ContainerID) })
	out := m[:0]
	for _, r := range m {
		if n := len(out); n > 0 && follows(out[n-1], r) {
			out[n-1].Size += r.Size
			continue
		}
		out = append(out, r)
	}
	return out
}

// follows says that b continues a on both sides.
func follows(a, b Range) bool {
	return uint64(a.ContainerID)+uint64(a.Size) == uint64(b.ContainerID) && uint64(a.HostID)+uint64(a.Size) == uint64(b.HostID)
}

// Check refuses what the kernel would: empty ranges, ids beyond 32 bits, overlaps, too many ranges.
func (m Map) Check() error {
	if len(m) > MaxRanges {
		return fmt.Errorf("%d ranges; the kernel takes %d", len(m), MaxRanges)
	}
	for i, r := range m {
		if err := checkRange(r); err != nil {
			return err
		}
		for _, o := range m[:i] {
			switch {
			case overlap(r.ContainerID, o.ContainerID, r.Size, o.Size):
				return fmt.Errorf("%s and %s give the same ids inside twice", Map{o}, Map{r})
			case overlap(r.HostID, o.HostID, r.Size, o.Size):
				return fmt.Errorf("%s and %s give the same ids outside twice", Map{o}, Map{r})
			}
		}
	}
	return nil
}

func checkRange(r Range) error {
	switch {
	case r.Size == 0:
		return fmt.Errorf("%s maps nothing: its size is 0", Map{r})
	case uint64(r.ContainerID)+uint64(r.Size) > end || uint64(r.HostID)+uint64(r.Size) > end:
		return fmt.Errorf("%s goes beyond the largest id, %d", Map{r}, uint64(end)-1)
	}
	return nil
}

func overlap(a, b, sizeA, sizeB uint32) bool {
	return uint64(a) < uint64(b)+uint64(sizeB) && uint64(b) < uint64(a)+uint64(sizeA)
}

// Through follows the outer ids of m through next: ids of m's inside become those of next's outside.
// Ranges that next cuts are cut. ok is false when next does not map some of them.
func (m Map) Through(next Map) (out Map, ok bool) {
	for _, r := range m {
		for r.Size > 0 {
			id, n, found := next.step(r.HostID, r.Size)
			if !found {
				return nil, false
			}
			out = append(out, Range{ContainerID: r.ContainerID, HostID: id, Size: n})
			r.ContainerID, r.HostID, r.Size = r.ContainerID+n, r.HostID+n, r.Size-n
		}
	}
	return out, true
}

// Fit cuts ranges where those of the parent namespace end: the kernel takes a range only if a single one there has it.
// What the parent does not map is left out.
func (m Map) Fit(parent Map) Map {
	var out Map
	for _, r := range m {
		for r.Size > 0 {
			_, n, ok := parent.step(r.HostID, r.Size)
			if !ok {
				break
			}
			out = append(out, Range{ContainerID: r.ContainerID, HostID: r.HostID, Size: n})
			r.ContainerID, r.HostID, r.Size = r.ContainerID+n, r.HostID+n, r.Size-n
		}
	}
	return out
}

// step finds where an inner id goes, and how many of the size that follow go along.
func (m Map) step(inside, size uint32) (outside, n uint32, ok bool) {
	for _, r := range m {
		if inside >= r.ContainerID && uint64(inside) < uint64(r.ContainerID)+uint64(r.Size) {
			skip := inside - r.ContainerID
			return r.HostID + skip, min(size, r.Size-skip), true
		}
	}
	return 0, 0, false
}

// without takes ids away on both sides: those inside and those outside that r maps. Ranges that lose ids in
// their middle are cut in two.
func (m Map) without(r Range) Map {
	var out Map
	for _, o := range m {
		for _, piece := range cut(o, o.ContainerID, r.ContainerID, r.Size) {
			out = append(out, cut(piece, piece.HostID, r.HostID, r.Size)...)
		}
	}
	return out
}

// cut takes from a range the ids that lie in size ids from gap on; at is where the range begins on that side.
func cut(o Range, at, gap, size uint32) []Range {
	var out []Range
	first, last := uint64(at), uint64(at)+uint64(o.Size)
	from, to := uint64(gap), uint64(gap)+uint64(size)
	if from >= last || to <= first {
		return []Range{o}
	}
	if from > first {
		out = append(out, Range{ContainerID: o.ContainerID, HostID: o.HostID, Size: uint32(from - first)})
	}
	if to < last {
		skip := uint32(to - first)
		out = append(out, Range{ContainerID: o.ContainerID + skip, HostID: o.HostID + skip, Size: uint32(last - to)})
	}
	return out
}
