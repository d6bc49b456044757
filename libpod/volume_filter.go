package libpod

import (
	"strings"
	"time"

	"github.com/manager-project/manager/libpod/logs"
	"github.com/manager-project/manager/pkg/errdefs"
)

func (r *Runtime) volumeFilters(texts []string) (func(v *Volume, used bool) bool, error) {
	byKey := map[string][]func(*Volume, bool) bool{}
	for _, text := range texts {
		key, value, ok := strings.Cut(text, "=")
		if !ok {
			return nil, errdefs.Invalid("--filter", text, "not of the form KEY=VALUE").WithHint("for example --filter label=a=b")
		}
		var test func(*Volume, bool) bool
		switch key {
		case "name":
			test = func(v *Volume, _ bool) bool { return strings.Contains(v.Name, value) }
		case "driver":
			test = func(v *Volume, _ bool) bool { return v.Driver == value }
		case "scope":
			test = func(v *Volume, _ bool) bool { return v.Scope == value }
		case "label", "label!":
			k, want, exact := strings.Cut(value, "=")
			test = func(v *Volume, _ bool) bool {
				got, has := v.Labels[k]
				return (has && (!exact || got == want)) == (key == "label")
			}
		case "opt":
			k, want, exact := strings.Cut(value, "=")
			test = func(v *Volume, _ bool) bool { got, has := v.Options[k]; return has && (!exact || got == want) }
		case "dangling":
			if value != "true" && value != "false" && value != "1" && value != "0" {
				return nil, errdefs.Invalid("--filter", text, "neither true nor false")
			}
			test = func(_ *Volume, used bool) bool { return used != (value == "true" || value == "1") }
		case "anonymous":
			test = func(v *Volume, _ bool) bool { return v.Anonymous == (value == "true" || value == "1") }
		case "until", "since", "after":
			at, err := logs.ParseTime("--filter "+key, value, time.Now())
			if err != nil {
				return nil, err
			}
			test = func(v *Volume, _ bool) bool { return v.CreatedAt.Before(at) == (key == "until") }
		default:
			return nil, errdefs.Invalid("--filter", text, "no such filter").WithHint("the filters are name driver scope label label! opt dangling anonymous until since")
		}
		byKey[key] = append(byKey[key], test)
	}
	return func(v *Volume, used bool) bool {
		for key, tests := range byKey {
			any, all := false, true
			for _, t := range tests {
				ok := t(v, used)
				any, all = any || ok, all && ok
			}
			if strings.HasPrefix(key, "label") && !all || !any {
				return false
			}
		}
		return true
	}, nil
}
