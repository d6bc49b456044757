package cli

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/manager-project/manager/cmd/manager/cli/command"
	"github.com/manager-project/manager/pkg/errdefs"
)

func TestFinish(t *testing.T) {
	missing := errdefs.NotFound("container", "a").WithOp("remove")
	running := errdefs.New(errdefs.ErrState, "container", "b", "it is running").WithHint("use --force")
	rm := command.Codes{errdefs.ErrNotFound: 1, errdefs.ErrState: 2}
	for _, c := range []struct {
		name  string
		err   error
		codes command.Codes
		json  bool
		code  int
		text  string
	}{
		{"success", nil, nil, false, 0, ""},
		{"plain", errors.New("no luck"), nil, false, 125, "Error: no luck\n"},
		{"program's code", command.ExitCode(3), nil, false, 3, ""},
		{"not executable", &errdefs.Error{Name: "x", Class: errdefs.ErrNotExecutable}, nil, false, 126, "Error: x: not executable\n"},
		{"no program, wrapped", fmt.Errorf("start: %w", &errdefs.Error{Name: "x", Class: errdefs.ErrNoProgram}), nil, false, 127, "Error: start: x: program not found\n"},
		{"missing elsewhere", missing, nil, false, 125, "Error: remove container a: no such container\n"},
		{"missing for rm", missing, rm, false, 1, "Error: remove container a: no such container\n"},
		{"hint", running, rm, false, 2, "Error: container b: it is running; use --force\n"},
		{"several", errors.Join(missing, running), rm, false, 2, "Error: remove container a: no such container\nError: container b: it is running; use --force\n"},
		{"several with another", errors.Join(missing, errors.New("disk")), rm, false, 125, "Error: remove container a: no such container\nError: disk\n"},
		{"json", running, rm, true, 2, `{"error":"container b: it is running","hint":"use --force","class":"wrong state"}` + "\n"},
		{"one line", errors.New("a\nb"), nil, false, 125, "Error: a b\n"},
	} {
		var out bytes.Buffer
		code := finish(&out, c.err, c.codes, "", c.json)
		if code != c.code || out.String() != c.text {
			t.Errorf("%s: %d %q, want %d %q", c.name, code, out.String(), c.code, c.text)
		}
	}
}

// TestMainErrors runs whole command lines that must fail before the core is opened.
func TestMainErrors(t *testing.T) {
	for line, want := range map[string]string{
		"rum":                         `Error: unknown command "rum"; did you mean "manager run"?`,
		"rn":                          `Error: unknown command "rn"; did you mean "manager rm"?`,
		"build .":                     "Error: manager build: not available in this version",
		"container stats":             "Error: manager container stats: not available in this version",
		"run --nmae x":                "Error: run: unknown option --nmae; did you mean --name?",
		"run":                         "Error: run: needs an image (or with --rootfs a directory); see 'manager run --help'",
		"run --pod p img":             "Error: --pod: there are no pods in this version",
		"run --cpus=abc img":          `Error: run: --cpus "abc": must be a number`,
		"rename a":                    "Error: rename: needs a container and its new name",
		"stop":                        "Error: needs a container name or id, or one of --all",
		"stop -a x":                   "Error: --all and --latest take no container names",
		"rm -t 3 x":                   "Error: --time: needs --force",
		"--remote ps":                 "Error: --remote: there is no remote mode",
		"--log-level loud ps":         `Error: --log-level "loud": must be one of`,
		"ps --format {{.X":            `Error: --format "{{.X": unclosed action`,
		"ps --sort colour":            `Error: --sort "colour": must be one of`,
		"wait --condition asleep x":   `Error: --condition "asleep": no such state`,
		"inspect --type pod x":        `Error: --type "pod": must be`,
		"version --format json extra": `{"error":"version: takes no arguments, got \"extra\""`,
		"exec web":                    "Error: exec: needs a container and a command to run",
		"completion tcsh":             "Error: shell tcsh: no completion for it; use bash, zsh or fish",
		"logs --since yesterday x":    `Error: --since "yesterday"`,
		"start -a x y":                "Error: --attach: takes one container only",
	} {
		var out, errOut bytes.Buffer
		code := Main(append([]string{"manager"}, strings.Fields(line)...), os.Stdin, &out, &errOut)
		if code != 125 || !strings.HasPrefix(errOut.String(), want) {
			t.Errorf("%q: code %d, %q, want %q", line, code, errOut.String(), want)
		}
		if strings.Count(errOut.String(), "\n") != 1 || out.Len() > 0 {
			t.Errorf("%q: not one line: %q, output %q", line, errOut.String(), out.String())
		}
	}
}

func TestHelpAndVersion(t *testing.T) {
	for line, want := range map[string]string{
		"help run":            "Usage:\n  manager run [options] IMAGE",
		"container rm --help": "Usage:\n  manager container rm [options]",
		"ps -h":               "-a, --all",
		"":                    "Commands:\n",
		"--version":           "manager version ",
		"version":             "Client:      manager",
		"completion bash":     "bash completion",
	} {
		var out, errOut bytes.Buffer
		code := Main(append([]string{"manager"}, strings.Fields(line)...), os.Stdin, &out, &errOut)
		if code != 0 || !strings.Contains(out.String(), want) || errOut.Len() > 0 {
			t.Errorf("%q: code %d, %q %q", line, code, out.String(), errOut.String())
		}
	}
}

func TestNearest(t *testing.T) {
	names := []string{"start", "stop", "rm", "rmi", "images", "inspect", "top"}
	for word, want := range map[string]string{"strat": "start", "imgaes": "images", "insp": "inspect", "nope": "", "xyz": "", "stp": "stop"} {
		if got := nearest(word, names); got != want {
			t.Errorf("nearest(%q) = %q, want %q", word, got, want)
		}
	}
}
