//go:build !lean

package image

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/manager-project/manager/pkg/errdefs"
)

// applyChange applies one Dockerfile-like instruction to a config, as import and commit
// take them with --change: CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, ONBUILD, STOPSIGNAL, USER,
// VOLUME, WORKDIR. Errors: ErrInvalid.
func applyChange(c *documentConfig, change string) error {
	text := strings.TrimSpace(change)
	i := strings.IndexAny(text, " \t=")
	if i < 0 {
		return errdefs.Invalid("--change", change, "an instruction and its value are wanted")
	}
	word, rest := strings.ToUpper(text[:i]), strings.TrimSpace(text[i+1:])
	apply, ok := changeWords[word]
	if !ok {
		return errdefs.Invalid("--change", change, "there is no instruction %q", word)
	}
	if rest == "" && word != "CMD" && word != "ENTRYPOINT" {
		return errdefs.Invalid("--change", change, "%s needs a value", word)
	}
	if err := apply(c, rest); err != nil {
		return errdefs.Invalid("--change", change, "%w", err)
	}
	return nil
}

// changeWords are the instructions.
var changeWords = map[string]func(c *documentConfig, value string) error{
	"CMD":        func(c *documentConfig, v string) error { c.Cmd = command(v); return nil },
	"ENTRYPOINT": func(c *documentConfig, v string) error { c.Entrypoint = command(v); return nil },
	"ONBUILD":    func(c *documentConfig, v string) error { c.OnBuild = append(c.OnBuild, v); return nil },
	"STOPSIGNAL": func(c *documentConfig, v string) error { c.StopSignal = v; return noSpace(v) },
	"USER":       func(c *documentConfig, v string) error { c.User = v; return noSpace(v) },
	"WORKDIR":    changeWorkdir,
	"ENV":        changeEnv,
	"LABEL":      changeLabel,
	"EXPOSE":     changeExpose,
	"VOLUME":     changeVolume,
}

// command reads a JSON list, or wraps a line in the shell.
func command(v string) []string {
	var list []string
	if json.Unmarshal([]byte(v), &list) == nil {
		return list
	}
	if v == "" {
		return nil
	}
	return []string{"/bin/sh", "-c", v}
}

func noSpace(v string) error {
	if hasControl(v) || strings.ContainsAny(v, " ") {
		return fmt.Errorf("the value must be one word")
	}
	return nil
}

func changeWorkdir(c *documentConfig, v string) error {
	if hasControl(v) || !strings.HasPrefix(v, "/") {
		return fmt.Errorf("the directory must be absolute")
	}
	c.WorkingDir = v
	return nil
}

// changeEnv sets variables: "A=1 B=2" or the old form "A 1".
func changeEnv(c *documentConfig, v string) error {
	pairs, err := pairsOf(v)
	if err != nil {
		return err
	}
	for _, p := range pairs {
		if hasControl(p[0]) || p[0] == "" {
			return fmt.Errorf("%q is no name of a variable", printable(p[0]))
		}
		c.Env = slices.DeleteFunc(c.Env, func(e string) bool { return strings.HasPrefix(e, p[0]+"=") })
		c.Env = append(c.Env, p[0]+"="+p[1])
	}
	return nil
}

// changeLabel sets labels, in the forms of changeEnv.
func changeLabel(c *documentConfig, v string) error {
	pairs, err := pairsOf(v)
	if err != nil {
		return err
	}
	if c.Labels == nil {
		c.Labels = map[string]string{}
	}
	for _, p := range pairs {
		c.Labels[p[0]] = p[1]
	}
	return nil
}

func changeExpose(c *documentConfig, v string) error {
	for _, p := range strings.Fields(v) {
		port, err := normalPort(p)
		if err != nil {
			return err
		}
		if c.ExposedPorts == nil {
			c.ExposedPorts = map[string]struct{}{}
		}
		c.ExposedPorts[port] = struct{}{}
	}
	return nil
}

func changeVolume(c *documentConfig, v string) error {
	list := strings.Fields(v)
	if strings.HasPrefix(v, "[") {
		list = nil
		if err := json.Unmarshal([]byte(v), &list); err != nil {
			return fmt.Errorf("the list cannot be read: %w", err)
		}
	}
	for _, dir := range list {
		if !strings.HasPrefix(dir, "/") || hasControl(dir) {
			return fmt.Errorf("volume %q is not an absolute path", printable(dir))
		}
		if c.Volumes == nil {
			c.Volumes = map[string]struct{}{}
		}
		c.Volumes[dir] = struct{}{}
	}
	return nil
}

// pairsOf reads "KEY=VALUE…" with shell-like quotes, or "KEY VALUE".
func pairsOf(v string) ([][2]string, error) {
	words, err := splitQuoted(v)
	if err != nil {
		return nil, err
	}
	if !strings.Contains(words[0], "=") {
		key, value, ok := strings.Cut(v, " ")
		if !ok {
			return nil, fmt.Errorf("%q is not KEY=VALUE", printable(v))
		}
		return [][2]string{{key, strings.TrimSpace(value)}}, nil
	}
	var pairs [][2]string
	for _, w := range words {
		key, value, ok := strings.Cut(w, "=")
		if !ok || key == "" {
			return nil, fmt.Errorf("%q is not KEY=VALUE", printable(w))
		}
		pairs = append(pairs, [2]string{key, value})
	}
	return pairs, nil
}

// splitQuoted splits at blanks outside of quotes and takes quotes and backslashes away.
func splitQuoted(v string) ([]string, error) {
	var words []string
	var word strings.Builder
	var quote rune
	inWord, escaped := false, false
	for _, r := range v {
		switch {
		case escaped:
			word.WriteRune(r)
			escaped = false
		case r == '\\' && quote != '\'':
			escaped, inWord = true, true
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '"' || r == '\'':
			quote, inWord = r, true
		case r == ' ' || r == '\t':
			if inWord {
				words = append(words, word.String())
				word.Reset()
				inWord = false
			}
		default:
			word.WriteRune(r)
			inWord = true
		}
	}
	if quote != 0 || escaped {
		return nil, fmt.Errorf("a quote is not closed")
	}
	if inWord {
		words = append(words, word.String())
	}
	return words, nil
}
