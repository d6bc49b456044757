package image

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"
)

// Bounds of a config. They are far above what honest images have, and low enough that an
// image cannot exhaust the memory of whoever lists or starts it.
const (
	maxEntries   = 10_000
	maxEntrySize = 128 << 10 // the kernel's MAX_ARG_STRLEN: longer entries cannot be executed
	maxLayers    = 500       // overlay and the mount option page give out long before
)

// ReservedPrefixes are beginnings of label names that control some engine when they stand
// in a container's annotations. From an image they are never taken over as annotations.
var ReservedPrefixes = []string{
	"io.podman.", "io.container.manager", "io.containers.", "io.kubernetes.", "io.manager-project.",
	"io.manager.", "org.systemd.property.", "run.oci.", "org.criu.", "org.opencontainers.runc.", "module.wasm.",
}

// Reserved says whether a label's name lies under one of ReservedPrefixes.
func Reserved(label string) bool {
	return slices.ContainsFunc(ReservedPrefixes, func(p string) bool { return strings.HasPrefix(label, p) })
}

// configOf checks a stored config and turns it into a Config. What cannot be used is
// dropped with a warning when a container can do without it, and refused otherwise.
func configOf(doc *document) (Config, error) {
	c := &doc.Config
	if err := checkBounds(doc); err != nil {
		return Config{}, err
	}
	cfg := Config{
		Entrypoint: c.Entrypoint, Cmd: c.Cmd, User: c.User, WorkingDir: c.WorkingDir,
		Labels: c.Labels, StopSignal: c.StopSignal, Healthcheck: c.Healthcheck,
		OnBuild: c.OnBuild, Shell: c.Shell,
		Architecture: doc.Architecture, Variant: doc.Variant, OS: doc.OS,
		Author: doc.Author, Comment: doc.Comment, DiffIDs: doc.RootFS.DiffIDs, History: doc.History,
	}
	if doc.Created != nil {
		cfg.Created = *doc.Created
	}
	for _, check := range []func(*documentConfig, *Config) error{
		checkEnv, checkLabels, checkVolumes, checkPorts, checkStrings, checkHealth,
	} {
		if err := check(c, &cfg); err != nil {
			return Config{}, err
		}
	}
	for _, d := range cfg.DiffIDs {
		if err := d.Validate(); err != nil {
			return Config{}, fmt.Errorf("layer digest %q: %w", printable(d.String()), err)
		}
	}
	return cfg, nil
}

// checkBounds refuses documents with more parts than any honest image.
func checkBounds(doc *document) error {
	c := &doc.Config
	for _, part := range []struct {
		name string
		n    int
		most int
	}{
		{"environment", len(c.Env), maxEntries},
		{"labels", len(c.Labels), maxEntries},
		{"volumes", len(c.Volumes), maxEntries},
		{"exposed ports", len(c.ExposedPorts), maxEntries},
		{"command", len(c.Cmd) + len(c.Entrypoint), maxEntries},
		{"history", len(doc.History), maxEntries},
		{"layers", len(doc.RootFS.DiffIDs), maxLayers},
	} {
		if part.n > part.most {
			return fmt.Errorf("config: %d entries in %s; the most is %d", part.n, part.name, part.most)
		}
	}
	return nil
}

// checkEnv keeps the entries that set a variable. One without "=" would mean the caller's
// own variable to a careless reader, which is how images once read secrets of the host.
func checkEnv(c *documentConfig, cfg *Config) error {
	for _, e := range c.Env {
		name, _, ok := strings.Cut(e, "=")
		switch {
		case len(e) > maxEntrySize:
			return fmt.Errorf("config: environment entry of %d bytes; the most is %d", len(e), maxEntrySize)
		case !ok, name == "", strings.ContainsRune(e, 0), hasControl(name), strings.ContainsAny(name, "* "):
			cfg.warn("environment "+printable(e), "the image's entry is not NAME=value and was dropped")
		default:
			cfg.Env = append(cfg.Env, e)
		}
	}
	return nil
}

// checkLabels reports the labels that look like orders to an engine.
func checkLabels(c *documentConfig, cfg *Config) error {
	var reserved []string
	for name, value := range c.Labels {
		if len(name)+len(value) > maxDocument {
			return fmt.Errorf("config: label %q is too long", printable(name))
		}
		if Reserved(name) {
			reserved = append(reserved, printable(name))
		}
	}
	if len(reserved) > 0 {
		slices.Sort(reserved)
		cfg.warn("labels "+strings.Join(reserved, ", "), "labels of an image have no effect on the engine")
	}
	return nil
}

// checkVolumes keeps absolute, clean paths.
func checkVolumes(c *documentConfig, cfg *Config) error {
	for _, v := range slices.Sorted(maps.Keys(c.Volumes)) {
		if !path.IsAbs(v) || hasControl(v) || len(v) > 4096 || path.Clean(v) == "/" {
			cfg.warn("volume "+printable(v), "the image's volume is not an absolute path below / and was dropped")
			continue
		}
		cfg.Volumes = append(cfg.Volumes, path.Clean(v))
	}
	cfg.Volumes = slices.Compact(cfg.Volumes)
	return nil
}

// checkPorts keeps "port[-port][/protocol]" with ports from 1 to 65535.
func checkPorts(c *documentConfig, cfg *Config) error {
	for _, p := range slices.Sorted(maps.Keys(c.ExposedPorts)) {
		port, err := normalPort(p)
		if err != nil {
			cfg.warn("port "+printable(p), "the image's exposed port cannot be used and was dropped")
			continue
		}
		cfg.ExposedPorts = append(cfg.ExposedPorts, port)
	}
	return nil
}

// checkStrings refuses control bytes where they would end up in generated files.
func checkStrings(c *documentConfig, _ *Config) error {
	for _, f := range []struct{ name, value string }{
		{"user", c.User}, {"working directory", c.WorkingDir}, {"stop signal", c.StopSignal},
	} {
		if hasControl(f.value) || len(f.value) > 4096 {
			return fmt.Errorf("config: %s %q has bytes that are not allowed", f.name, printable(f.value))
		}
	}
	for _, arg := range slices.Concat(c.Entrypoint, c.Cmd) {
		if strings.ContainsRune(arg, 0) || len(arg) > maxEntrySize {
			return fmt.Errorf("config: argument %q cannot be executed", printable(arg))
		}
	}
	return nil
}

// checkHealth drops a healthcheck that cannot run.
func checkHealth(c *documentConfig, cfg *Config) error {
	h := c.Healthcheck
	if h == nil {
		return nil
	}
	bad := h.Retries < 0 || len(h.Test) > 0 && !slices.Contains([]string{"NONE", "CMD", "CMD-SHELL"}, h.Test[0])
	for _, d := range []time.Duration{h.Interval, h.Timeout, h.StartPeriod, h.StartInterval} {
		bad = bad || d < 0
	}
	if bad {
		cfg.Healthcheck = nil
		cfg.warn("healthcheck", "the image's healthcheck cannot be used and was dropped")
	}
	return nil
}

// warn adds a warning; only the first few of each config are kept.
func (cfg *Config) warn(subject, text string) {
	const most = 20
	if len(cfg.Warnings) < most {
		cfg.Warnings = append(cfg.Warnings, Warning{Subject: subject, Text: text})
	}
}

// hasControl finds bytes that would break a line-oriented file or a terminal.
func hasControl(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r == 0x7f })
}

// printable makes hostile text safe for a one-line message: quoted escapes, at most 64 bytes.
func printable(s string) string {
	const most = 64
	if len(s) > most {
		s = s[:most] + "…"
	}
	q := fmt.Sprintf("%q", s)
	return q[1 : len(q)-1]
}
