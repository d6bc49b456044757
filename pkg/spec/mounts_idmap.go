package spec

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/manager-project/manager/pkg/idmap"
)

// idmap reads a mount's own mapping, uids=[@]FROM-TO-COUNT[#…];gids=…: ids FROM… of the source
// are seen as TO… at the destination, with @ by the container's count. Without a value the mapping is that of the
// container's user namespace.
func (m *Mount) idmap(value string) error {
	if m.mapped() {
		return errors.New("idmap is given twice")
	}
	if value == "" {
		m.AsContainer = true
		return nil
	}
	relative := 0
	for _, part := range strings.Split(value, ";") {
		key, ranges, _ := strings.Cut(part, "=")
		list, at, err := parseIDRanges(ranges)
		if err != nil {
			return fmt.Errorf("idmap %q: %w", part, err)
		}
		relative += at
		switch {
		case key == "uids" && m.UIDMappings == nil:
			m.UIDMappings = list
		case key == "gids" && m.GIDMappings == nil:
			m.GIDMappings = list
		default:
			return fmt.Errorf("idmap %q is not uids=… or gids=… once each", part)
		}
	}
	if m.UIDMappings == nil || m.GIDMappings == nil {
		return errors.New("idmap needs both uids= and gids=")
	}
	if m.Relative = relative > 0; m.Relative && relative != len(m.UIDMappings)+len(m.GIDMappings) {
		return errors.New("idmap has @ before some ranges only")
	}
	return nil
}

// mapped says that owners are mapped.
func (m *IDMap) mapped() bool { return m.AsContainer || len(m.UIDMappings) > 0 }

// Of are the mappings for a container: from ids of the source to ids of the engine. Both are empty where nothing
// is to be mapped.
func (m *IDMap) Of(u *UserNS) (uids, gids []specs.LinuxIDMapping, err error) {
	switch {
	case m.AsContainer:
		return u.UIDs, u.GIDs, nil
	case !m.Relative || !u.Own():
		return m.UIDMappings, m.GIDMappings, nil
	}
	to, ok1 := idmap.Map(m.UIDMappings).Through(u.UIDs)
	tog, ok2 := idmap.Map(m.GIDMappings).Through(u.GIDs)
	if !ok1 || !ok2 {
		return nil, nil, errors.New("idmap names ids with @ that the container does not have")
	}
	return to, tog, nil
}

// parseIDRanges reads [@]FROM-TO-COUNT[#[@]FROM-TO-COUNT…]. at is how many ranges have the @.
func parseIDRanges(word string) (list []specs.LinuxIDMapping, at int, err error) {
	for _, one := range strings.Split(word, "#") {
		if rest, ok := strings.CutPrefix(one, "@"); ok {
			one = rest
			at++
		}
		var n [3]uint32
		fields := strings.Split(one, "-")
		if len(fields) != len(n) {
			return nil, 0, errors.New("a range is FROM-TO-COUNT")
		}
		for i, f := range fields {
			v, err := strconv.ParseUint(f, 10, 32)
			if err != nil {
				return nil, 0, fmt.Errorf("%q is not an id or a count", f)
			}
			n[i] = uint32(v)
		}
		last := uint64(max(n[0], n[1])) + uint64(n[2])
		if n[2] == 0 || last > 1<<32-1 {
			return nil, 0, errors.New("the range is empty or exceeds 32 bits")
		}
		list = append(list, specs.LinuxIDMapping{ContainerID: n[0], HostID: n[1], Size: n[2]})
	}
	return list, at, idmap.Map(list).Check()
}

// checkIDMap refuses what an own mapping cannot go with.
func (m *Mount) checkIDMap() error {
	switch {
	case !m.mapped():
		return nil
	case m.Overlay:
		return errors.New("idmap and O exclude each other")
	case m.Chown:
		return errors.New("idmap and U exclude each other")
	}
	return nil
}
