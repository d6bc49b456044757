package external

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/manager-project/manager/libpod/oci"
	"github.com/manager-project/manager/pkg/errdefs"
)

// lacks are things that a program does not do and does not refuse either: an option that would be
// ignored. program is what its --version begins with; from is the version that can do it.
var lacks = []struct {
	program string
	from    [2]int
	ability oci.Ability
	option  string
}{
	// Source: runc's CHANGELOG, 1.2.0-rc.1: all Linux features of runtime-spec 1.2.0, and id-mapped mounts.
	{"runc", [2]int{1, 2}, oci.Personality, "--personality"},
	{"runc", [2]int{1, 2}, oci.IDMappedMounts, "--volume: idmap"},
}

// only are things that some programs alone do, and all others pass over or fail at.
var only = []struct {
	programs     []string
	ability      oci.Ability
	option, hint string
}{
	// It is an annotation, run.oci.keep_original_groups. Source: crun(1).
	{[]string{"crun", "manager-runtime"}, oci.KeepGroups, "--group-add: keep-groups", "use --runtime crun, leave --runtime out, or name the groups"},
	{[]string{"manager-runtime"}, oci.ClosedRoots, "--userns", "let others pass the directories of the store, or leave --runtime out"},
}

// Check implements oci.Runtime.
func (r *Runtime) Check(ctx context.Context, needs ...oci.Ability) error {
	if slices.Contains(needs, oci.NoCgroups) && !r.o.NoCgroups {
		return errdefs.Unsupported("--cgroups=disabled", "the runtime %s makes a cgroup for every container", r.o.Name).
			WithHint("use another --runtime, or name this one in containers.conf under runtime_supports_nocgroups")
	}
	for _, o := range only {
		if !slices.Contains(needs, o.ability) {
			continue
		}
		d, err := r.Describe(ctx)
		if err != nil {
			return err
		}
		if name, _ := parseVersion(d.Version); !slices.Contains(o.programs, name) {
			return errdefs.Unsupported(o.option, "the runtime %s does not know it", r.o.Name).WithHint("%s", o.hint)
		}
	}
	for _, l := range lacks {
		if !slices.Contains(needs, l.ability) {
			continue
		}
		d, err := r.Describe(ctx)
		if err != nil {
			return err
		}
		if name, version := parseVersion(d.Version); name == l.program && slices.Compare(version[:], l.from[:]) < 0 {
			return errdefs.Unsupported(l.option, "%s %d.%d does not know it, %d.%d does", name, version[0], version[1], l.from[0], l.from[1]).
				WithHint("install a newer %s, or use another --runtime", name)
		}
	}
	return nil
}

// parseVersion reads a runtime's --version: "runc version 1.1.5" in the first line. A program that has
// to call itself runc there, for engines that look for that word, says in a line "program: NAME" who it
// is. Another form has no name.
func parseVersion(text string) (name string, version [2]int) {
	first, rest, _ := strings.Cut(text, "\n")
	words := strings.Fields(first)
	if len(words) < 3 || words[1] != "version" {
		return "", version
	}
	numbers := strings.SplitN(words[2], ".", 3)
	for i := range version {
		var err error
		if i >= len(numbers) {
			return "", [2]int{}
		}
		if version[i], err = strconv.Atoi(numbers[i]); err != nil {
			return "", [2]int{}
		}
	}
	for line := range strings.Lines(rest) {
		if own, ok := strings.CutPrefix(strings.TrimSpace(line), "program: "); ok {
			return own, version
		}
	}
	return words[0], version
}
