package libpod

import (
	"slices"
	"strings"

	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/eventlog"
)

// eventFilters makes one question of the filters. Source: podman-events(1), "--filter".
func eventFilters(texts []string) (func(*eventlog.Event) bool, error) {
	byKey := map[string][]func(*eventlog.Event) bool{}
	for _, text := range texts {
		key, value, ok := strings.Cut(text, "=")
		if !ok || value == "" {
			return nil, errdefs.Invalid("--filter", text, "must be KEY=VALUE").WithHint("for example event=died")
		}
		key = strings.ToLower(key)
		f, err := eventFilter(key, value)
		if err != nil {
			return nil, err
		}
		byKey[key] = append(byKey[key], f)
	}
	return func(e *eventlog.Event) bool {
		for _, any := range byKey {
			if !slices.ContainsFunc(any, func(f func(*eventlog.Event) bool) bool { return f(e) }) {
				return false
			}
		}
		return true
	}, nil
}

func eventFilter(key, value string) (func(*eventlog.Event) bool, error) {
	switch key {
	case "container":
		return func(e *eventlog.Event) bool {
			return e.Type == eventlog.Container && (e.Name == value || strings.HasPrefix(e.ID, value))
		}, nil
	case "image":
		return func(e *eventlog.Event) bool {
			return e.Type == eventlog.Image && (names(e.Name, value) || strings.HasPrefix(e.ID, value)) ||
				e.Type == eventlog.Container && names(e.Image, value)
		}, nil
	case "volume":
		return func(e *eventlog.Event) bool { return e.Type == eventlog.Volume && strings.HasPrefix(e.Name, value) }, nil
	case "event", "status":
		if value == "die" {
			value = eventlog.Died // Docker's word
		}
		if !slices.Contains(eventWords, value) {
			return nil, errdefs.Invalid("--filter", key+"="+value, "no such event").WithHint("use one of %s", strings.Join(eventWords, ", "))
		}
		return func(e *eventlog.Event) bool { return e.Status == value }, nil
	case "type":
		if !slices.Contains(eventTypes, value) {
			return nil, errdefs.Invalid("--filter", key+"="+value, "no such type").WithHint("use one of %s", strings.Join(eventTypes, ", "))
		}
		return func(e *eventlog.Event) bool { return e.Type == value }, nil
	case "label":
		k, v, valued := strings.Cut(value, "=")
		return func(e *eventlog.Event) bool {
			got, ok := e.Attributes[k]
			return ok && (!valued || got == v)
		}, nil
	}
	return nil, errdefs.Invalid("--filter", key+"="+value, "no such filter").WithHint("use container, event, image, label, type or volume")
}

// names reports whether an image's name is meant by a shorter one: without the tag or the registry.
func names(full, value string) bool {
	if full == value || strings.HasSuffix(full, "/"+value) {
		return true
	}
	head, tag, ok := strings.Cut(full[strings.LastIndexByte(full, '/')+1:], ":")
	return ok && tag != "" && (strings.TrimSuffix(full, ":"+tag) == value || head == value || strings.HasSuffix(strings.TrimSuffix(full, ":"+tag), "/"+value))
}

// eventTypes and eventWords are Podman's and our log_lost, so that a filter may name also what never happens here.
var (
	eventTypes = []string{"container", "image", "machine", "network", "pod", "secret", "system", "volume"}
	eventWords = []string{
		"attach", "auto-update", "build", "checkpoint", "cleanup", "commit", "connect", "copy", "create", "died", "disconnect",
		"exec", "exec_died", "export", "health_status", "history", "import", "init", "kill", "loadfromarchive", "log_lost", "mount", "pause",
		"prune", "pull", "pull-error", "push", "refresh", "remove", "rename", "renumber", "restart", "restore", "rotate", "save",
		"start", "stop", "sync", "tag", "unmount", "unpause", "untag", "update",
	}
)
