package main

import (
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"

	"github.com/manager-project/manager/pkg/errdefs"
)

type psOptions struct{ format string }

func psCommand() *command {
	o := &psOptions{format: "table"}
	return &command{
		name: "ps", args: "ID [ps options]", summary: "list the processes of a container", least: 1, most: -1, inOrder: true,
		about: "The table is ps(1)'s, by default of ps -ef, with the lines of the container's processes alone.",
		flags: []option{{name: "format", short: "f", to: &o.format, value: "FORMAT", usage: "table, or json: the host's process ids (default table)"}},
		run:   func(a *app, args []string) (int, error) { return 0, o.ps(a, args) },
	}
}

func (o *psOptions) ps(a *app, args []string) error {
	if o.format != "table" && o.format != "json" {
		return errdefs.Invalid("--format", o.format, "want table or json")
	}
	c, err := a.factory().Load(args[0])
	if err != nil {
		return err
	}
	pids, err := c.Processes()
	if err = errors.Join(err, c.Close()); err != nil {
		return err
	}
	slices.Sort(pids)
	if o.format == "json" {
		return printJSON(a.out, append([]int{}, pids...), "")
	}
	words := args[1:]
	if len(words) > 0 && words[0] == "--" {
		words = words[1:]
	}
	if len(words) == 0 {
		words = []string{"-ef"}
	}
	out, err := exec.Command("ps", words...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("ps %s: %w: %s", strings.Join(words, " "), err, strings.TrimSpace(string(out)))
	}
	lines := strings.Split(strings.TrimRight(string(out), "\n"), "\n")
	column := slices.Index(strings.Fields(lines[0]), "PID")
	if column < 0 {
		return errdefs.Invalid("ps", strings.Join(words, " "), "its output has no field PID")
	}
	fmt.Fprintln(a.out, lines[0])
	for _, line := range lines[1:] {
		fields := strings.Fields(line)
		if len(fields) <= column {
			continue
		}
		pid, err := strconv.Atoi(fields[column])
		if err == nil && slices.Contains(pids, pid) {
			fmt.Fprintln(a.out, line)
		}
	}
	return nil
}
