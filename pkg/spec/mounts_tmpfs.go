package spec

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/manager-project/manager/pkg/errdefs"
)

// ParseTmpfs reads a value of --tmpfs: DESTINATION[:OPTION[,OPTION…]].
// Options are mount flags, size=, mode=, uid=, gid=, nr_inodes=, nr_blocks=, huge=, U, tmpcopyup and
// notmpcopyup. The default is rw,nosuid,nodev, filled with the image's content there.
func ParseTmpfs(word string) (Mount, error) {
	bad := func(err error) (Mount, error) {
		return Mount{}, errdefs.Invalid("--tmpfs", word, "%w", err).WithHint("write /DESTINATION[:size=64m,mode=1777,…]")
	}
	parts := splitColons(word)
	if len(parts) > 2 {
		return bad(errors.New("too many colons"))
	}
	m := Mount{Kind: MountTmpfs, CopyUp: true}
	var err error
	if m.Destination, err = checkDestination(parts[0]); err != nil {
		return bad(err)
	}
	var f mountFlags
	if len(parts) == 2 {
		for _, o := range splitNonEmpty(parts[1], ",") {
			if err := m.tmpfsOption(&f, o); err != nil {
				return bad(err)
			}
		}
	}
	m.Options = f.finish(MountTmpfs)
	return m, nil
}

// tmpfsOption applies one word of a tmpfs' or ramfs' options.
func (m *Mount) tmpfsOption(f *mountFlags, o string) error {
	if known, err := f.put(o); known || err != nil {
		if f.bind != "" {
			return fmt.Errorf("%s is for host paths", f.bind)
		}
		return err
	}
	key, value, _ := strings.Cut(o, "=")
	switch key {
	case "size":
		if err := checkTmpfsSize(value); err != nil {
			return err
		}
	case "mode":
		if v, err := strconv.ParseUint(value, 8, 32); err != nil || v > 0o7777 {
			return fmt.Errorf("mode %q is not octal", value)
		}
	case "uid", "gid", "nr_inodes", "nr_blocks":
		if _, err := strconv.ParseUint(strings.TrimRight(value, "kmgKMG"), 10, 32); err != nil {
			return fmt.Errorf("%s %q is not a number", key, value)
		}
	case "huge":
		if value == "" {
			return errors.New("huge needs a value")
		}
	case "noatime", "relatime", "nodiratime", "sync", "noswap":
		if value != "" {
			return fmt.Errorf("%s takes no value", key)
		}
	case "tmpcopyup":
		m.CopyUp = true
		return nil
	case "notmpcopyup":
		m.CopyUp = false
		return nil
	case "U":
		m.Chown = true
		return nil
	default:
		return fmt.Errorf("unknown option %q", o)
	}
	f.extra = append(f.extra, o)
	return nil
}

// checkTmpfsSize takes what the kernel takes: bytes with k, m or g, or a percentage of memory.
func checkTmpfsSize(value string) error {
	digits := strings.TrimSuffix(value, "%")
	if digits == value {
		digits = strings.TrimRight(value, "kmgtKMGT")
		if len(value)-len(digits) > 1 {
			return fmt.Errorf("size %q is not a size", value)
		}
	}
	if _, err := strconv.ParseUint(digits, 10, 63); err != nil {
		return fmt.Errorf("size %q is not a size", value)
	}
	return nil
}
