package spec

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/manager-project/manager/pkg/errdefs"
)

// maxIDMap is the most ranges of one mapping. Source: user_namespaces(7).
const maxIDMap = 340

// idmap reads a mount's own mapping, uids=FROM-TO-COUNT[#…];gids=…: ids FROM… of the source
// are seen as TO… at the destination. Without a value the mapping would be that of the
// container's user namespace.
func (m *Mount) idmap(option, value string) error {
	if value == "" {
		return errdefs.Unsupported(option, "idmap without a mapping follows the container's user namespace, and it has none").
			WithHint("write idmap=uids=FROM-TO-COUNT;gids=FROM-TO-COUNT")
	}
	if len(m.UIDMappings) > 0 || len(m.GIDMappings) > 0 {
		return errors.New("idmap is given twice")
	}
	for _, part := range strings.Split(value, ";") {
		key, ranges, _ := strings.Cut(part, "=")
		list, err := parseIDRanges(ranges)
		if err != nil {
			return fmt.Errorf("idmap %q: %w", part, err)
		}
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
	return nil
}

// parseIDRanges reads FROM-TO-COUNT[#FROM-TO-COUNT…].
func parseIDRanges(word string) ([]specs.LinuxIDMapping, error) {
	var list []specs.LinuxIDMapping
	for _, one := range strings.Split(word, "#") {
		if strings.HasPrefix(one, "@") {
			return nil, errors.New("@ follows the container's user namespace, and it has none")
		}
		var n [3]uint32
		fields := strings.Split(one, "-")
		if len(fields) != len(n) {
			return nil, errors.New("a range is FROM-TO-COUNT")
		}
		for i, f := range fields {
			v, err := strconv.ParseUint(f, 10, 32)
			if err != nil {
				return nil, fmt.Errorf("%q is not an id or a count", f)
			}
			n[i] = uint32(v)
		}
		last := uint64(max(n[0], n[1])) + uint64(n[2])
		if n[2] == 0 || last > 1<<32-1 {
			return nil, errors.New("the range is empty or exceeds 32 bits")
		}
		list = append(list, specs.LinuxIDMapping{ContainerID: n[0], HostID: n[1], Size: n[2]})
	}
	if len(list) > maxIDMap {
		return nil, fmt.Errorf("more than %d ranges", maxIDMap)
	}
	return list, nil
}

// checkIDMap refuses what an own mapping cannot go with.
func (m *Mount) checkIDMap() error {
	switch {
	case m.UIDMappings == nil:
		return nil
	case m.Overlay:
		return errors.New("idmap and O exclude each other")
	case m.Chown:
		return errors.New("idmap and U exclude each other")
	}
	return nil
}
