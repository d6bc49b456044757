package criu

import (
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/manager-project/manager/pkg/errdefs"
	"golang.org/x/sys/unix"
)

// The first two words of a file of statistics. Source: criu/include/magic.h.
const (
	serviceMagic = 0x55105940
	statsMagic   = 0x57093306
)

// Stats are what criu counted, by the names that "crit" shows; times are microseconds.
type Stats map[string]uint64

// The numbers of the fields. Source: images/stats.proto.
var (
	dumpFields = map[int]string{
		1: "freezing_time", 2: "frozen_time", 3: "memdump_time", 4: "memwrite_time", 5: "pages_scanned", 6: "pages_skipped_parent", 7: "pages_written",
	}
	restoreFields = map[int]string{1: "pages_compared", 2: "pages_skipped_cow", 3: "forking_time", 4: "restore_time", 5: "pages_restored"}
)

// ReadStats reads the statistics that a dump or restore left in its work directory.
func ReadStats(work string, kind Kind) (Stats, error) {
	name, part, names := "stats-dump", 1, dumpFields
	if kind == Restore {
		name, part, names = "stats-restore", 2, restoreFields
	}
	path := filepath.Join(work, name)
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	raw, err := io.ReadAll(io.LimitReader(f, maxMessage))
	if err != nil {
		return nil, err
	}
	stats, err := parseStats(raw, part, names)
	if err != nil {
		return nil, errdefs.New(errdefs.ErrCorrupt, "file", path, "%w", err)
	}
	return stats, nil
}

func parseStats(raw []byte, part int, names map[int]string) (Stats, error) {
	if len(raw) < 12 || binary.LittleEndian.Uint32(raw) != serviceMagic || binary.LittleEndian.Uint32(raw[4:]) != statsMagic {
		return nil, errors.New("it has no statistics of criu")
	}
	size := binary.LittleEndian.Uint32(raw[8:])
	if uint64(size) > uint64(len(raw)-12) {
		return nil, errWire
	}
	stats := Stats{}
	return stats, fields(raw[12:12+size], func(field int, _ uint64, b []byte) error {
		if field != part {
			return nil
		}
		return fields(b, func(field int, n uint64, _ []byte) error {
			if name, ok := names[field]; ok {
				stats[name] = n
			}
			return nil
		})
	})
}
