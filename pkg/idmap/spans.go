package idmap

import (
	"cmp"
	"fmt"
	"slices"
)

// minus takes ids away from a list of spans. The result is sorted and joined.
func minus(all, taken []Span) []Span {
	out := join(all)
	for _, t := range taken {
		var rest []Span
		for _, s := range out {
			if t.next() <= uint64(s.First) || uint64(t.First) >= s.next() {
				rest = append(rest, s)
				continue
			}
			if t.First > s.First {
				rest = append(rest, Span{s.First, uint64(t.First - s.First)})
			}
			if t.next() < s.next() {
				rest = append(rest, Span{uint32(t.next()), s.next() - t.next()})
			}
		}
		out = rest
	}
	return out
}

// join sorts spans and joins those that touch or overlap.
func join(spans []Span) []Span {
	spans = slices.Clone(spans)
	slices.SortFunc(spans, func(a, b Span) int { return cmp.Compare(a.First, b.First) })
	var out []Span
	for _, s := range spans {
		if s.Size == 0 {
			continue
		}
		if n := len(out); n > 0 && uint64(s.First) <= out[n-1].next() {
			out[n-1].Size = max(out[n-1].next(), s.next()) - uint64(out[n-1].First)
			continue
		}
		out = append(out, s)
	}
	return out
}

// Count is how many ids spans have.
func Count(spans []Span) uint64 {
	var n uint64
	for _, s := range join(spans) {
		n += s.Size
	}
	return n
}

// zip maps the ids of inside, in their order, to those of outside. What one list has more is left.
func zip(inside, outside []Span) Map {
	inside, outside = slices.Clone(inside), slices.Clone(outside)
	var m Map
	for len(inside) > 0 && len(outside) > 0 {
		a, b := &inside[0], &outside[0]
		n := min(a.Size, b.Size, end)
		if n > 0 {
			m = append(m, Range{ContainerID: a.First, HostID: b.First, Size: uint32(n)})
		}
		a.Size, b.Size = a.Size-n, b.Size-n
		if a.Size == 0 {
			inside = inside[1:]
		} else {
			a.First += uint32(n)
		}
		if b.Size == 0 {
			outside = outside[1:]
		} else {
			b.First += uint32(n)
		}
	}
	return m.tidy()
}

// Sequence maps the ids from 0 on to spans, in their order: what a line of /etc/subuid gives a container.
func Sequence(spans []Span) Map {
	var n uint64
	for _, s := range spans {
		n += s.Size
	}
	return zip([]Span{{0, min(n, end)}}, spans)
}

// KeepID is the map of a user who is to have one id inside. all are the ids of the user's namespace, 0 being the
// user's own. The other ids keep their order around it. size bounds the ids mapped; 0 does not.
// Source: podman-run(1), --userns=keep-id.
func KeepID(id uint32, all Map, size uint32) (Map, error) {
	total := all.Size()
	if size > 0 {
		if uint64(size) > total {
			return nil, fmt.Errorf("size %d is more than the %d ids there are", size, total)
		}
		total = uint64(size)
	}
	others := minus(all.Inside(), []Span{{0, 1}})
	inside := []Span{{0, uint64(id)}, {id + 1, end - uint64(id) - 1}}
	left := total - 1
	for i := range inside {
		inside[i].Size = min(inside[i].Size, left)
		left -= inside[i].Size
	}
	m := append(zip(inside, others), Range{ContainerID: id, HostID: 0, Size: 1})
	return m.tidy(), m.Check()
}

// NoMap is the map of a user who is not to be in it: the subordinate ids from 0 on.
func NoMap(all Map) Map {
	return Sequence(minus(all.Inside(), []Span{{0, 1}}))
}

// Full says that an automatic map needs more ids than are free.
type Full struct {
	// Want is how many were asked for, Free how many there are, of All.
	Want, Free, All uint64
}

func (e *Full) Error() string {
	return fmt.Sprintf("%d ids are needed, and %d of %d are free", e.Want, e.Free, e.All)
}

// Auto maps the ids from 0 to size-1 to free ones among those that are available. forced are ranges that must be
// in the map; their ids are not given out otherwise. The error is a *Full when there are too few.
func Auto(size uint32, available, used []Span, forced Map) (Map, error) {
	if err := forced.Check(); err != nil {
		return nil, err
	}
	inside := minus([]Span{{0, uint64(size)}}, forced.Inside())
	free := minus(minus(available, used), forced.Outside())
	want := Count(inside)
	if n := Count(free); n < want {
		return nil, &Full{Want: want, Free: n, All: Count(available)}
	}
	m := append(zip(inside, pick(free, want)), forced...)
	m = m.tidy()
	return m, m.Check()
}

// pick takes as many ids as are wanted: from the first span that has them all, so that maps stay short, else
// from the first ones.
func pick(free []Span, want uint64) []Span {
	for _, s := range free {
		if s.Size >= want {
			return []Span{{s.First, want}}
		}
	}
	return free
}
