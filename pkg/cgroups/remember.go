package cgroups

import (
	"path/filepath"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// Remember reads what the control files that Set would write say now, and returns what writes that
// back. It is for a change of several parts, of which a later one may fail. Device rules are not
// remembered. Resources that cannot mean anything are ErrInvalid.
func (c *Cgroup) Remember(r *specs.LinuxResources) (restore func() error, err error) {
	nothing := func() error { return nil }
	if err := Validate(r); err != nil {
		return nothing, err
	}
	if r == nil || c.layout.Mode() == Disabled {
		return nothing, nil
	}
	list, err := c.settings(r)
	if err != nil {
		return nothing, err
	}
	for _, name := range sortedKeys(r.Unified) {
		list = append(list, setting{file: name, field: fieldResources + "unified." + name})
	}
	var back []setting
	for _, s := range list {
		if f, ok := s.former(readShort(filepath.Join(c.dirFor(s), s.file))); ok {
			back = append(back, f)
		}
	}
	return func() error { return c.apply(back) }, nil
}

// former is the setting that makes its file say again what it says now. Of a file with a line for each
// device that is the device's line, or the word that takes the line away. There is none for a
// file that cannot be read, or of which nobody could tell what to write.
func (s setting) former(now string) (setting, bool) {
	f := s
	f.value, f.ifExists = now, true
	if s.unset == "" {
		return f, now != "" && !strings.Contains(now, "\n")
	}
	f.value = s.unset
	key, _, _ := strings.Cut(s.value, " ")
	for line := range strings.Lines(now) {
		if strings.HasPrefix(line, key+" ") {
			f.value = strings.TrimSuffix(line, "\n")
		}
	}
	return f, true
}
