package container

import (
	"cmp"
	"slices"
	"strings"

	"github.com/manager-project/manager/libpod"
	"github.com/manager-project/manager/pkg/errdefs"
)

// order returns the comparison for a word of --sort; "" is the oldest first.
func order(key string) (func(a, b libpod.ListEntry) int, error) {
	first := func(list []string) string {
		if len(list) == 0 {
			return ""
		}
		return list[0]
	}
	total := func(e libpod.ListEntry) int64 {
		if e.Size == nil {
			return 0
		}
		return e.Size.RootFs + e.Size.RW
	}
	switch strings.ToLower(key) {
	case "", "created":
		return func(a, b libpod.ListEntry) int { return a.Created.Compare(b.Created) }, nil
	case "command":
		return func(a, b libpod.ListEntry) int {
			return cmp.Compare(strings.Join(a.Command, " "), strings.Join(b.Command, " "))
		}, nil
	case "id":
		return func(a, b libpod.ListEntry) int { return cmp.Compare(a.ID, b.ID) }, nil
	case "image":
		return func(a, b libpod.ListEntry) int { return cmp.Compare(a.Image, b.Image) }, nil
	case "names":
		return func(a, b libpod.ListEntry) int { return cmp.Compare(first(a.Names), first(b.Names)) }, nil
	case "runningfor":
		return func(a, b libpod.ListEntry) int { return a.StartedAt.Compare(b.StartedAt) }, nil
	case "size":
		return func(a, b libpod.ListEntry) int { return cmp.Compare(total(a), total(b)) }, nil
	case "status":
		return func(a, b libpod.ListEntry) int { return cmp.Compare(a.Status, b.Status) }, nil
	}
	return nil, errdefs.Invalid("--sort", key, "must be one of %s", strings.Join(sortKeys, ", "))
}

func sortEntries(entries []libpod.ListEntry, less func(a, b libpod.ListEntry) int) {
	slices.SortStableFunc(entries, less)
}
