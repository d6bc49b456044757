package libpod

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/manager-project/manager/libpod/define"
	"github.com/manager-project/manager/libpod/logs"
	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/monitor"
	"github.com/manager-project/manager/pkg/spec"
)

// filters are ps's --filter: values of the same key are alternatives, keys add up; labels
// and their negation must all hold.
type filters struct {
	byKey map[string][]func(*ListEntry) bool
	// anyState says that a filter names a state, so that stopped containers are meant too.
	anyState bool
}

func (f *filters) entry(e *ListEntry) bool {
	for key, tests := range f.byKey {
		ok := func(test func(*ListEntry) bool) bool { return test(e) }
		if strings.HasPrefix(key, "label") {
			if slices.ContainsFunc(tests, func(test func(*ListEntry) bool) bool { return !test(e) }) {
				return false
			}
		} else if !slices.ContainsFunc(tests, ok) {
			return false
		}
	}
	return true
}

func (r *Runtime) parseFilters(ctx context.Context, texts []string) (*filters, error) {
	f := &filters{byKey: map[string][]func(*ListEntry) bool{}}
	for _, text := range texts {
		key, value, ok := strings.Cut(text, "=")
		if !ok {
			return nil, errdefs.Invalid("--filter", text, "not of the form KEY=VALUE").WithHint("for example --filter status=exited")
		}
		test, err := r.parseFilter(ctx, key, value)
		if err != nil {
			return nil, err
		}
		if key == "status" || key == "exited" {
			f.anyState = true
		}
		f.byKey[key] = append(f.byKey[key], test)
	}
	return f, nil
}

const filterKeys = "id name label label! status exited ancestor before since until volume network publish expose health restart-policy should-start-on-boot"

func (r *Runtime) parseFilter(ctx context.Context, key, value string) (func(*ListEntry) bool, error) {
	bad := func(format string, args ...any) *errdefs.Error {
		return errdefs.Invalid("--filter", key+"="+value, format, args...)
	}
	switch key {
	case "id":
		re, err := regexp.Compile("^" + value)
		if err != nil {
			return nil, bad("not a regular expression: %v", err)
		}
		return func(e *ListEntry) bool { return re.MatchString(e.ID) }, nil
	case "name":
		re, err := regexp.Compile(value)
		if err != nil {
			return nil, bad("not a regular expression: %v", err)
		}
		return func(e *ListEntry) bool { return slices.ContainsFunc(e.Names, re.MatchString) }, nil
	case "label", "label!":
		k, v, exact := strings.Cut(value, "=")
		return func(e *ListEntry) bool {
			got, has := e.Labels[k]
			return (has && (!exact || got == v)) == (key == "label")
		}, nil
	case "status":
		return statusFilter(value, bad)
	case "exited":
		code, err := strconv.Atoi(value)
		if err != nil {
			return nil, bad("not an exit code")
		}
		return func(e *ListEntry) bool { return e.Exited && e.ExitCode == code }, nil
	case "ancestor":
		return func(e *ListEntry) bool { return madeFrom(e, value) }, nil
	case "before", "since":
		return r.ageFilter(ctx, key, value)
	case "until":
		at, err := logs.ParseTime("--filter until", value, time.Now())
		if err != nil {
			return nil, err
		}
		return func(e *ListEntry) bool { return e.Created.Before(at) }, nil
	case "volume":
		return func(e *ListEntry) bool { return slices.Contains(e.Mounts, value) }, nil
	case "network":
		return func(e *ListEntry) bool { return slices.Contains(e.Networks, value) || e.Network == value }, nil
	case "publish", "expose":
		ports, err := spec.ParseExpose(value)
		if err != nil {
			return nil, bad("not a port").WithHint("write PORT[-PORT][/PROTOCOL], a port of the container")
		}
		return func(e *ListEntry) bool { return e.hasPort(ports, key == "expose") }, nil
	case "restart-policy":
		want, err := spec.ParseRestart(value)
		if err != nil || want.Max != 0 {
			return nil, bad("no such policy").WithHint("write no, always, unless-stopped or on-failure")
		}
		return func(e *ListEntry) bool { return e.RestartPolicy == want.Policy }, nil
	case "should-start-on-boot":
		want, err := strconv.ParseBool(value)
		if err != nil {
			return nil, bad("neither true nor false")
		}
		return func(e *ListEntry) bool { return monitor.OnBoot(e.RestartPolicy, e.StoppedByUser) == want }, nil
	case "health":
		switch value {
		case monitor.HealthStarting, monitor.HealthHealthy, monitor.HealthUnhealthy, "none":
		default:
			return nil, bad("no such health; use starting, healthy, unhealthy or none")
		}
		return func(e *ListEntry) bool { return e.Health == value || value == "none" && e.Health == "" }, nil
	case "pod":
		return nil, errdefs.Unsupported("--filter "+key, "not available in this version")
	}
	return nil, bad("no such filter").WithHint("the filters are %s", filterKeys)
}

func statusFilter(value string, bad func(string, ...any) *errdefs.Error) (func(*ListEntry) bool, error) {
	want := define.Status(value)
	switch want {
	case "stopped":
		want = define.StatusExited
	case "configured":
		want = define.StatusCreated
	case define.StatusCreated, define.StatusRunning, define.StatusPaused, define.StatusExited, define.StatusStopping, define.StatusRemoving, define.StatusRestarting:
	default:
		return nil, bad("no such status; use created, running, paused, exited, restarting, stopping or removing")
	}
	return func(e *ListEntry) bool { return e.Status == want }, nil
}

// madeFrom compares an image as the user may write it: name with or without registry and tag, or id.
func madeFrom(e *ListEntry, value string) bool {
	if e.ImageID != "" && len(value) >= 3 && strings.HasPrefix(e.ImageID, strings.TrimPrefix(value, "sha256:")) {
		return true
	}
	name := e.Image
	for {
		if name == value || strings.TrimSuffix(name, ":latest") == value || stripTag(name) == value {
			return true
		}
		_, rest, ok := strings.Cut(name, "/")
		if !ok {
			return false
		}
		name = rest
	}
}

func stripTag(name string) string {
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') {
		return name[:i]
	}
	return name
}

func (r *Runtime) ageFilter(ctx context.Context, key, value string) (func(*ListEntry) bool, error) {
	id, err := r.state.FindContainer(ctx, value)
	if err != nil {
		return nil, fmt.Errorf("--filter %s: %w", key, err)
	}
	row, err := r.state.Container(ctx, id)
	if err != nil {
		return nil, err
	}
	if key == "before" {
		return func(e *ListEntry) bool { return e.Created.Before(row.Created) }, nil
	}
	return func(e *ListEntry) bool { return e.Created.After(row.Created) }, nil
}
