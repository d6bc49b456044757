//go:build !lean

package image

import (
	"errors"
	"os"

	"go.podman.io/image/v5/pkg/sysregistriesv2"
)

// Registries are what registries.conf says: the registries for short names under "search", and
// a table for each registry that it names. No file at all is an empty answer.
func Registries() (map[string]any, error) {
	all := map[string]any{}
	search, err := sysregistriesv2.UnqualifiedSearchRegistries(nil)
	if errors.Is(err, os.ErrNotExist) {
		return all, nil
	}
	if err != nil {
		return nil, err
	}
	if len(search) > 0 {
		all["search"] = search
	}
	registries, err := sysregistriesv2.GetRegistries(nil)
	if err != nil {
		return nil, err
	}
	for _, r := range registries {
		all[r.Prefix] = r
	}
	return all, nil
}
