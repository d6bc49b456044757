package idmap

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Entry is one value of --uidmap or --gidmap: [FLAGS]INSIDE:[@]FROM[:SIZE].
// Source: podman-run(1), --uidmap.
type Entry struct {
	Range
	// Extends (+) takes the ids away from what was mapped before.
	Extends bool
	// OnlyUIDs (u) and OnlyGIDs (g) say that the value is not meant for the other kind of ids.
	OnlyUIDs, OnlyGIDs bool
	// OfHost (@) says that FROM is an id of the host, not of the namespace that the engine works in.
	OfHost bool
	// Word is the value as it was written.
	Word string
}

// ParseEntry reads one value. The size is 1 when it is left out.
func ParseEntry(word string) (Entry, error) {
	e := Entry{Word: word}
	rest := word
	for {
		if len(rest) == 0 {
			return e, errors.New("it has no ids")
		}
		var flag *bool
		switch rest[0] {
		case '+':
			flag = &e.Extends
		case 'u':
			flag = &e.OnlyUIDs
		case 'g':
			flag = &e.OnlyGIDs
		}
		if flag == nil {
			break
		}
		if *flag {
			return e, fmt.Errorf("the flag %c is there twice", rest[0])
		}
		*flag, rest = true, rest[1:]
	}
	fields := strings.Split(rest, ":")
	if len(fields) != 2 && len(fields) != 3 {
		return e, errors.New("it is not two or three numbers")
	}
	fields[1], e.OfHost = strings.CutPrefix(fields[1], "@")
	e.Size = 1
	for i, to := range []*uint32{&e.ContainerID, &e.HostID, &e.Size}[:len(fields)] {
		n, err := strconv.ParseUint(fields[i], 10, 32)
		if err != nil {
			return e, fmt.Errorf("%q is not a number from 0 to %d", fields[i], uint64(end))
		}
		*to = uint32(n)
	}
	return e, checkRange(e.Range)
}

// Kind is the kind of ids that an entry is wanted for.
type Kind bool

// The kinds.
const (
	UIDs Kind = false
	GIDs Kind = true
)

func (k Kind) String() string {
	if k == GIDs {
		return "gid"
	}
	return "uid"
}

// For says whether a value is meant for a kind of ids.
func (e *Entry) For(k Kind) bool {
	switch {
	case e.OnlyUIDs && e.OnlyGIDs:
		return true
	case k == UIDs:
		return !e.OnlyGIDs
	default:
		return !e.OnlyUIDs
	}
}

// Build puts entries together, in their order. own is the map of the namespace that the engine works in: its
// inside are the ids that can be mapped, its outside those of the host. With fill, a list that begins with an
// entry that extends maps what is left of own too, from 0 on, as Podman does for users.
func Build(entries []Entry, own Map, fill bool) (Map, error) {
	var m Map
	for _, e := range entries {
		ranges := Map{e.Range}
		if e.OfHost {
			var ok bool
			if ranges, ok = ranges.Through(own.Inverse()); !ok {
				return nil, fmt.Errorf("%s: the id %s of the host is not among those that can be mapped (%s)", e.Word, wording(e.Range), own.hostWording())
			}
		}
		if _, ok := ranges.Through(own); !ok {
			return nil, fmt.Errorf("%s: not all of the ids %s can be mapped: there are %s", e.Word, wording(e.Range), own.Inverse().hostWording())
		}
		if e.Extends {
			for _, r := range ranges {
				m = m.without(r)
			}
		}
		m = append(m, ranges...)
		if err := m.Check(); err != nil {
			return nil, err
		}
	}
	if fill && len(entries) > 0 && entries[0].Extends {
		rest := minus(own.Inside(), m.Outside())
		m = append(m, zip(minus([]Span{{0, end}}, m.Inside()), rest)...)
	}
	m = m.tidy()
	return m, m.Check()
}

// wording names the outer ids of a range.
func wording(r Range) string { return spanWording(Span{r.HostID, uint64(r.Size)}) }

func spanWording(s Span) string {
	if s.Size == 1 {
		return strconv.FormatUint(uint64(s.First), 10)
	}
	return fmt.Sprintf("%d-%d", s.First, s.next()-1)
}

// hostWording names a map's outer ids.
func (m Map) hostWording() string {
	var words []string
	for _, s := range join(m.Outside()) {
		words = append(words, spanWording(s))
	}
	if len(words) == 0 {
		return "none"
	}
	return strings.Join(words, ", ")
}
