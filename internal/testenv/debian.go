package testenv

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	imgspec "github.com/opencontainers/image-spec/specs-go/v1"
)

// suite is the Debian release of the fixtures.
const suite = "bookworm"

// mirror is where packages come from.
type mirror struct{ uri, suite string }

// findMirror takes the mirror that this machine's apt uses for the suite.
func findMirror() (*mirror, error) {
	lists, err := filepath.Glob("/etc/apt/sources.list.d/*")
	if err != nil {
		return nil, err
	}
	for _, path := range append([]string{"/etc/apt/sources.list"}, lists...) {
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		find := oneLineMirror
		if strings.HasSuffix(path, ".sources") {
			find = stanzaMirror
		}
		if uri := find(string(text), suite); uri != "" {
			return &mirror{uri, suite}, nil
		}
	}
	return nil, errors.New("apt's sources on this machine name no mirror for " + suite)
}

// oneLineMirror reads "deb [options] URI suite component…" lines. Source: sources.list(5).
func oneLineMirror(text, suite string) string {
	for line := range strings.Lines(text) {
		if open := strings.Index(line, "["); open >= 0 {
			if end := strings.Index(line, "]"); end > open {
				line = line[:open] + line[end+1:]
			}
		}
		words := strings.Fields(line)
		if len(words) >= 4 && words[0] == "deb" && words[2] == suite && slices.Contains(words[3:], "main") {
			return words[1]
		}
	}
	return ""
}

// stanzaMirror reads deb822 stanzas. Source: sources.list(5), "DEB822-STYLE FORMAT".
func stanzaMirror(text, suite string) string {
	for stanza := range strings.SplitSeq(text, "\n\n") {
		fields := map[string][]string{}
		lines := bufio.NewScanner(strings.NewReader(stanza))
		for lines.Scan() {
			if name, value, ok := strings.Cut(lines.Text(), ":"); ok && !strings.HasPrefix(name, "#") {
				fields[strings.ToLower(strings.TrimSpace(name))] = strings.Fields(value)
			}
		}
		if slices.Contains(fields["types"], "deb") && slices.Contains(fields["suites"], suite) &&
			slices.Contains(fields["components"], "main") && len(fields["uris"]) > 0 {
			return fields["uris"][0]
		}
	}
	return ""
}

// bootstrap makes a minimal Debian root at path. It runs in a mount namespace of its own,
// so that nothing it mounts is seen or left outside.
func (m *mirror) bootstrap(path string) error {
	cmd := exec.Command("unshare", "--mount", "debootstrap", "--variant=minbase", m.suite, path, m.uri)
	if err := run(cmd); err != nil {
		return err
	}
	return tidy(path)
}

// install adds packages to a Debian root and runs the script in it. No service is started.
func install(root string, packages []string, script string) error {
	resolv, err := os.ReadFile("/etc/resolv.conf")
	if err != nil {
		return err
	}
	resolvPath := filepath.Join(root, "etc/resolv.conf")
	for path, file := range map[string]struct {
		text []byte
		mode os.FileMode
	}{
		resolvPath: {resolv, 0o644},
		filepath.Join(root, "usr/sbin/policy-rc.d"):                          {[]byte("#!/bin/sh\nexit 101\n"), 0o755},
		filepath.Join(root, "etc/postgresql-common/createcluster.conf"):      {[]byte("create_main_cluster = false\n"), 0o644},
		filepath.Join(root, "etc/dpkg/dpkg.cfg.d/without-documentation"):     {[]byte("path-exclude=/usr/share/doc/*\npath-exclude=/usr/share/man/*\npath-exclude=/usr/share/locale/*\n"), 0o644},
		filepath.Join(root, "etc/apt/apt.conf.d/without-recommended-things"): {[]byte("APT::Install-Recommends \"false\";\n"), 0o644},
	} {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, file.text, file.mode); err != nil {
			return err
		}
	}
	inside := "set -e\nexport DEBIAN_FRONTEND=noninteractive\napt-get update -q\n" +
		"apt-get install -y -q -o Dpkg::Options::=--force-confold " + strings.Join(packages, " ") + "\n" +
		script + "\nrm -f /usr/sbin/policy-rc.d\n"
	cmd := exec.Command("unshare", "--mount", "--pid", "--fork", "sh", "-c",
		`mount -t proc proc "$1/proc" && exec chroot "$1" sh -c "$2"`, "sh", root, inside)
	// The caller's folder for temporary files is not there inside.
	cmd.Env = append(os.Environ(), debianPath, "LC_ALL=C", "TMPDIR=/tmp")
	if err := run(cmd); err != nil {
		return err
	}
	return tidy(root)
}

// tidy empties what only apt needs.
func tidy(root string) error {
	var errs []error
	for _, pattern := range []string{"var/cache/apt/archives/*.deb", "var/cache/apt/*.bin", "var/lib/apt/lists/*", "var/log/*.log", "var/log/apt/*"} {
		paths, err := filepath.Glob(filepath.Join(root, pattern))
		errs = append(errs, err)
		for _, path := range paths {
			errs = append(errs, os.RemoveAll(path))
		}
	}
	return errors.Join(errs...)
}

// run runs a command and puts the end of its output into the error.
func run(cmd *exec.Cmd) error {
	out, err := cmd.CombinedOutput()
	if err == nil {
		return nil
	}
	if len(out) > 2000 {
		out = out[len(out)-2000:]
	}
	return fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args[:min(4, len(cmd.Args))], " "), err, out)
}

// errMissing says that this machine cannot build a fixture; tests are skipped then.
var errMissing = errors.New("not possible here")

// programsThere fails with errMissing when a program is not installed.
func programsThere(names ...string) error {
	for _, name := range names {
		if _, err := exec.LookPath(name); err != nil {
			return fmt.Errorf("%w: %s is not installed (hack/deps.sh test installs it)", errMissing, name)
		}
	}
	return nil
}

// configText is the config as text, for the cache's keys.
func configText(config *imgspec.ImageConfig) string {
	text, err := json.Marshal(config)
	if err != nil {
		panic(err) // strings, lists and maps of strings always encode
	}
	return string(text)
}
