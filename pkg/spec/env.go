package spec

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/manager-project/manager/pkg/errdefs"
)

// DefaultPath is the PATH of a container whose image sets none.
const DefaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// proxyVars are handed from the host to the container by --http-proxy.
var proxyVars = []string{
	"http_proxy", "https_proxy", "ftp_proxy", "no_proxy",
	"HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY",
}

// envSet is an environment that keeps the order of first mention.
type envSet struct {
	keys   []string
	values map[string]string
}

func (e *envSet) set(key, value string) {
	if e.values == nil {
		e.values = map[string]string{}
	}
	if _, have := e.values[key]; !have {
		e.keys = append(e.keys, key)
	}
	e.values[key] = value
}

func (e *envSet) unset(key string) {
	if _, have := e.values[key]; !have {
		return
	}
	delete(e.values, key)
	for i, k := range e.keys {
		if k == key {
			e.keys = append(e.keys[:i], e.keys[i+1:]...)
			return
		}
	}
}

func (e *envSet) list() []string {
	out := make([]string, 0, len(e.keys))
	for _, k := range e.keys {
		out = append(out, k+"="+e.values[k])
	}
	return out
}

// env merges the environment. Each source overrides those before it:
//
//	PATH and TERM, containers.conf, --http-proxy or --env-host, the image,
//	--env-merge (expanded over the former), then what --unsetenv removes,
//	--env-file, --env
func (d *decider) env() error {
	var e envSet
	e.set("PATH", DefaultPath)
	if d.req.Process.TTY {
		e.set("TERM", "xterm")
	}
	d.ambientEnv(&e)
	for _, kv := range d.img.Env {
		k, v, ok := cutEnv(kv)
		if !ok || k == "" || strings.IndexByte(kv, 0) >= 0 {
			d.warnf(fmt.Sprintf("the image's environment entry %q is not KEY=VALUE and was left out", kv))
			continue
		}
		e.set(k, v)
	}
	if err := d.mergeEnv(&e); err != nil {
		return err
	}
	if d.req.Process.UnsetEnvAll {
		e = envSet{}
	}
	for _, k := range d.req.Process.UnsetEnv {
		e.unset(k)
	}
	if err := d.envFiles(&e, d.req.Process.EnvFile); err != nil {
		return err
	}
	for _, entry := range d.req.Process.Env {
		if err := d.setEnv(&e, "--env", entry); err != nil {
			return err
		}
	}
	d.cfg.Process.Env = e.list()
	return nil
}

// envFiles adds the entries of files, in their order.
func (d *decider) envFiles(e *envSet, files []string) error {
	for _, file := range files {
		data, err := d.readUserFile("--env-file", file)
		if err != nil {
			return err
		}
		entries, err := ParseEnvFile(data)
		if err != nil {
			return errdefs.Invalid("--env-file", file, "%w", err).WithHint("write one KEY=VALUE or KEY on each line")
		}
		for _, entry := range entries {
			if err := d.setEnv(e, "--env-file", entry); err != nil {
				return err
			}
		}
	}
	return nil
}

// ambientEnv adds what the administrator and the calling environment bring.
func (d *decider) ambientEnv(e *envSet) {
	for _, kv := range d.def.Env {
		if k, v, ok := cutEnv(kv); ok && k != "" {
			e.set(k, v)
		}
	}
	if d.req.Process.EnvHost || d.def.EnvHost {
		for _, kv := range d.host.Environ {
			if k, v, ok := cutEnv(kv); ok && k != "" {
				e.set(k, v)
			}
		}
		return
	}
	if !d.req.Process.HTTPProxy {
		return
	}
	for _, k := range proxyVars {
		if v, ok := d.host.lookupEnv(k); ok {
			e.set(k, v)
		}
	}
}

// mergeEnv applies --env-merge: ${K} and $K stand for the values so far.
func (d *decider) mergeEnv(e *envSet) error {
	for _, kv := range d.req.Process.EnvMerge {
		k, v, ok := cutEnv(kv)
		if !ok || k == "" {
			return errdefs.Invalid("--env-merge", kv, "no '=' after a name").WithHint("write KEY=VALUE, where ${KEY} is the image's value")
		}
		e.set(k, os.Expand(v, func(name string) string { return e.values[name] }))
	}
	return nil
}

// setEnv applies one entry as a user writes it: K=V, K (the caller's value, if it has
// one) or K* (every variable of the caller that begins so).
func (d *decider) setEnv(e *envSet, option, entry string) error {
	if strings.IndexByte(entry, 0) >= 0 {
		return errdefs.Invalid(option, entry, "a NUL byte cannot be in a variable")
	}
	k, v, ok := cutEnv(entry)
	switch {
	case k == "":
		return errdefs.Invalid(option, entry, "no name before '='").WithHint("write KEY=VALUE, or KEY to take the caller's value")
	case ok:
		e.set(k, v)
	case strings.HasSuffix(k, "*"):
		prefix := strings.TrimSuffix(k, "*")
		for _, kv := range d.host.Environ {
			if hk, hv, ok := cutEnv(kv); ok && hk != "" && strings.HasPrefix(hk, prefix) {
				e.set(hk, hv)
			}
		}
	default:
		if v, ok := d.host.lookupEnv(k); ok {
			e.set(k, v)
		}
	}
	return nil
}

func cutEnv(kv string) (key, value string, ok bool) { return strings.Cut(kv, "=") }

// readUserFile reads a file that an option names, relative to the caller's directory.
func (d *decider) readUserFile(option, path string) ([]byte, error) {
	if path == "" {
		return nil, errdefs.Invalid(option, path, "no file named")
	}
	data, err := d.host.ReadFile(d.abs(path))
	if err != nil {
		var file *fs.PathError
		if errors.As(err, &file) {
			err = file.Err
		}
		return nil, errdefs.Invalid(option, path, "%w", err).WithHint("name a file that can be read")
	}
	return data, nil
}

// OverlayEnv puts env-file contents and then entries of --env over a container's
// environment, with the words of --env: K=V, K and K* (from environ, the caller's). For
// exec. base is not changed. Errors are of class invalid.
func OverlayEnv(base []string, files [][]byte, entries, environ []string) ([]string, error) {
	d := &decider{host: &Host{Environ: environ}}
	var e envSet
	for _, kv := range base {
		if k, v, ok := cutEnv(kv); ok {
			e.set(k, v)
		}
	}
	for _, data := range files {
		lines, err := ParseEnvFile(data)
		if err != nil {
			return nil, errdefs.Invalid("--env-file", "", "%w", err).WithHint("write one KEY=VALUE or KEY on each line")
		}
		for _, line := range lines {
			if err := d.setEnv(&e, "--env-file", line); err != nil {
				return nil, err
			}
		}
	}
	for _, entry := range entries {
		if err := d.setEnv(&e, "--env", entry); err != nil {
			return nil, err
		}
	}
	return e.list(), nil
}
