package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// absent are the commands that users of Podman know and this version has not. A noun
// stands for all its verbs.
var absent = []string{
	"artifact", "auto-update", "build", "commit", "compose", "cp", "diff", "export", "farm",
	"generate", "init", "kube", "machine", "manifest", "mount", "network", "pod",
	"quadlet", "search", "secret", "umount", "unmount",
	"container clone", "container commit", "container cp", "container diff",
	"container export", "container init", "container mount",
	"container runlabel", "container umount", "container unmount",
	"image build", "image diff", "image mount", "image scp", "image search", "image sign", "image tree",
	"image trust", "image umount", "image unmount",
	"system connection", "system df", "system prune",
	"system renumber", "system reset", "system service",
	"volume export", "volume import", "volume mount", "volume reload", "volume unmount",
}

// unknown says that parent has no command of that name: a known one that is absent, or
// one that nobody knows, with the nearest that exists.
func (t *tree) unknown(parent *cobra.Command, name string) error {
	full := strings.TrimSpace(path(parent) + " " + name)
	for _, a := range absent {
		if a == full {
			return &errdefs.Error{Op: "manager", Name: full, Class: errdefs.ErrUnsupported, Cause: errors.New("not available in this version")}
		}
	}
	e := &errdefs.Error{Class: errdefs.ErrInvalid, Cause: fmt.Errorf("unknown command %q", full)}
	var names []string
	for _, c := range parent.Commands() {
		if !c.Hidden {
			names = append(names, c.Name())
		}
	}
	if near := nearest(name, names); near != "" {
		e.Hint = fmt.Sprintf("did you mean %q?", strings.TrimSpace(parent.CommandPath()+" "+near))
	} else {
		e.Hint = fmt.Sprintf("see '%s --help'", parent.CommandPath())
	}
	return e
}

// argsError adds the command and where to read on to what its ArgRule says.
func argsError(cc *cobra.Command, err error) error {
	return &errdefs.Error{
		Op: path(cc), Class: errdefs.ErrInvalid, Cause: err,
		Hint: fmt.Sprintf("see '%s --help'", cc.CommandPath()),
	}
}

// flagError turns the parser's error into one line with the nearest option.
func (t *tree) flagError(cc *cobra.Command, err error) error {
	e := &errdefs.Error{Op: path(cc), Class: errdefs.ErrInvalid, Cause: err, Hint: fmt.Sprintf("see '%s --help'", cc.CommandPath())}
	var missing *pflag.NotExistError
	if errors.As(err, &missing) {
		name := missing.GetSpecifiedName()
		if missing.GetSpecifiedShortnames() != "" {
			e.Cause = fmt.Errorf("unknown option -%s", name)
			return e
		}
		if cc == t.root {
			e.Op = ""
		}
		e.Cause = fmt.Errorf("unknown option --%s", name)
		var names []string
		cc.Flags().VisitAll(func(f *pflag.Flag) {
			if !f.Hidden {
				names = append(names, f.Name)
			}
		})
		if near := nearest(name, names); near != "" {
			e.Hint = fmt.Sprintf("did you mean --%s?", near)
		}
		return e
	}
	var bare *pflag.ValueRequiredError
	if errors.As(err, &bare) {
		e.Cause = fmt.Errorf("--%s needs a value", bare.GetFlag().Name)
		return e
	}
	var value *pflag.InvalidValueError
	if errors.As(err, &value) {
		e.Cause = fmt.Errorf("--%s %q: %s", value.GetFlag().Name, value.GetValue(), valueCause(value))
	}
	return e
}

// valueCause says what kind of value was expected where Go's number parser only complains.
func valueCause(e *pflag.InvalidValueError) string {
	switch e.GetFlag().Value.Type() {
	case "int", "int64":
		return "must be a whole number"
	case "uint", "uint64":
		return "must be a whole number, not negative"
	case "float64":
		return "must be a number"
	case "bool":
		return "must be true or false"
	}
	return errors.Unwrap(e).Error()
}

// nearest returns the candidate closest to word, or "" if none is close: at most a third
// of the letters differ, or the word is its beginning. Of two as close, the one as long wins:
// "rum" is a slip of "run" sooner than of "rm".
func nearest(word string, candidates []string) string {
	best, bestDistance := "", (len(word)+1)/3+1
	for _, c := range candidates {
		d := distance(word, c)
		if len(word) > 1 && strings.HasPrefix(c, word) {
			d = 0
		}
		if d < bestDistance || d == bestDistance && best != "" && len(c) == len(word) && len(best) != len(word) {
			best, bestDistance = c, d
		}
	}
	return best
}

// distance is the number of letters to insert, delete, change or swap with the next.
func distance(a, b string) int {
	before, previous, current := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range previous {
		previous[j] = j
	}
	for i := 1; i <= len(a); i++ {
		current[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			current[j] = min(previous[j]+1, current[j-1]+1, previous[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				current[j] = min(current[j], before[j-2]+1)
			}
		}
		before, previous, current = previous, current, before
	}
	return previous[len(b)]
}
