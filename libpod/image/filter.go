package image

import (
	"context"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/manager-project/manager/pkg/errdefs"
)

// Filters are the keys that ListOptions.Filters may use.
//
//	before=IMAGE, since=IMAGE (after=)   made before or after another image
//	until=TIME                           made before a time or that long ago
//	dangling=BOOL                        without names
//	intermediate=BOOL                    without names and with children
//	readonly=BOOL                        from an additional store
//	containers=BOOL                      used by a container ("external" counts as true)
//	label=KEY[=VALUE], label!=…          with or without a label
//	reference=PATTERN, reference!=…      with a name that fits a shell pattern
//	id=PREFIX, digest=PREFIX             by the beginning of the id or digest
var Filters = []string{"before", "since", "after", "until", "dangling", "intermediate", "readonly", "containers", "label", "reference", "id", "digest"}

// predicate decides on one image.
type predicate func(*Summary) bool

// filterSet holds the predicates by key: any within a key, all keys.
type filterSet struct {
	byKey map[string][]predicate
}

func (f *filterSet) match(sum *Summary) (bool, error) {
	for _, alternatives := range f.byKey {
		if !slices.ContainsFunc(alternatives, func(p predicate) bool { return p(sum) }) {
			return false, nil
		}
	}
	return true, nil
}

func (f *filterSet) wantsIntermediate() bool { return len(f.byKey["intermediate"]) > 0 }

// parseFilters checks all filters before the first image is looked at.
func (s *Service) parseFilters(ctx context.Context, texts []string) (*filterSet, error) {
	f := &filterSet{byKey: map[string][]predicate{}}
	for i, text := range texts {
		key, value, ok := strings.Cut(text, "=")
		key, negated := strings.CutSuffix(key, "!")
		if !ok || !slices.Contains(Filters, key) {
			return nil, errdefs.Invalid("--filter", text, "there is no such filter").WithHint("filters are %s", strings.Join(Filters, ", "))
		}
		if negated && key != "label" && key != "reference" {
			return nil, errdefs.Invalid("--filter", text, "only label and reference can be negated")
		}
		p, err := s.parseFilter(ctx, key, value, text)
		if err != nil {
			return nil, err
		}
		slot := key
		if negated {
			positive := p
			p = func(sum *Summary) bool { return !positive(sum) }
			slot = key + "!" + strconv.Itoa(i)
		}
		if key == "label" && !negated {
			slot = key + strconv.Itoa(i)
		}
		f.byKey[slot] = append(f.byKey[slot], p)
	}
	return f, nil
}

func (s *Service) parseFilter(ctx context.Context, key, value, text string) (predicate, error) {
	switch key {
	case "before", "since", "after":
		other, err := s.created(ctx, value)
		if err != nil {
			return nil, err
		}
		if key == "before" {
			return func(sum *Summary) bool { return sum.Created.Before(other) }, nil
		}
		return func(sum *Summary) bool { return sum.Created.After(other) }, nil
	case "until":
		t, err := parseTime(value, time.Now())
		if err != nil {
			return nil, errdefs.Invalid("--filter", text, "it is neither a time nor a duration")
		}
		return func(sum *Summary) bool { return sum.Created.Before(t) }, nil
	case "label":
		name, want, hasValue := strings.Cut(value, "=")
		return func(sum *Summary) bool {
			got, ok := sum.Labels[name]
			return ok && (!hasValue || got == want)
		}, nil
	case "reference":
		return referenceFilter(value, text)
	case "id":
		return func(sum *Summary) bool { return strings.HasPrefix(sum.ID, strings.TrimPrefix(value, "sha256:")) }, nil
	case "digest":
		return func(sum *Summary) bool { return strings.HasPrefix(sum.Digest.String(), value) }, nil
	}
	return boolFilter(key, value, text)
}

// boolFilter makes the predicates of yes-or-no keys.
func boolFilter(key, value, text string) (predicate, error) {
	if key == "containers" && value == "external" {
		return func(sum *Summary) bool { return sum.Containers > 0 }, nil
	}
	want, err := strconv.ParseBool(value)
	if err != nil {
		return nil, errdefs.Invalid("--filter", text, "the value must be true or false")
	}
	get := map[string]predicate{
		"dangling":     func(sum *Summary) bool { return sum.Dangling && !sum.Intermediate },
		"intermediate": func(sum *Summary) bool { return sum.Intermediate },
		"readonly":     func(sum *Summary) bool { return sum.ReadOnly },
		"containers":   func(sum *Summary) bool { return sum.Containers > 0 },
	}[key]
	return func(sum *Summary) bool { return get(sum) == want }, nil
}

// referenceFilter matches a pattern against the full names, and against their ends, with
// and without the tag.
func referenceFilter(pattern, text string) (predicate, error) {
	if _, err := path.Match(pattern, ""); err != nil {
		return nil, errdefs.Invalid("--filter", text, "the pattern cannot be read")
	}
	return func(sum *Summary) bool {
		for _, n := range sum.Names {
			repo, tag := SplitName(n)
			for _, full := range []string{n, repo, repo + ":" + tag} {
				for rest := full; rest != ""; {
					if ok, err := path.Match(pattern, rest); ok && err == nil {
						return true
					}
					_, after, more := strings.Cut(rest, "/")
					if !more {
						break
					}
					rest = after
				}
			}
		}
		return false
	}, nil
}

// created is when another image was made.
func (s *Service) created(ctx context.Context, name string) (time.Time, error) {
	img, err := s.Resolve(ctx, name)
	if err != nil {
		return time.Time{}, err
	}
	cfg, err := s.Config(ctx, img)
	if err == nil && !cfg.Created.IsZero() {
		return cfg.Created, nil
	}
	return img.Created, nil
}

// parseTime reads a time stamp, seconds since 1970, or a duration before now.
func parseTime(text string, now time.Time) (time.Time, error) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02T15:04", time.DateTime, time.DateOnly} {
		if t, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			return t, nil
		}
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return time.Unix(n, 0), nil
	}
	d, err := time.ParseDuration(text)
	return now.Add(-d), err
}
