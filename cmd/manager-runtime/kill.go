package main

import (
	"errors"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/errdefs"
)

func killCommand() *command {
	var all bool
	return &command{
		name: "kill", args: "ID [SIGNAL]", summary: "send a signal (TERM) to a container's init", least: 1, most: 2,
		about: "SIGNAL is a number or a name, with or without SIG, in any case.",
		flags: []option{{name: "all", short: "a", to: &all, hidden: true, usage: "send it to every process; a stopped container is no error"}},
		run: func(a *app, args []string) (int, error) {
			sig := unix.SIGTERM
			if len(args) == 2 {
				var err error
				if sig, err = parseSignal(args[1]); err != nil {
					return 0, err
				}
			}
			c, err := a.factory().Load(args[0])
			if err != nil {
				return 0, err
			}
			return 0, errors.Join(c.Signal(sig, all), c.Close())
		},
	}
}

// parseSignal takes a number or a name, those of the real-time signals (RTMIN+n, RTMAX-n) among them.
func parseSignal(s string) (unix.Signal, error) {
	const (
		first, last = 1, 64
		rtmin       = 34 // the C library keeps the two before
	)
	if n, err := strconv.Atoi(s); err == nil {
		if n < first || n > last {
			return 0, errdefs.Invalid("signal", s, "unknown signal")
		}
		return unix.Signal(n), nil
	}
	word := strings.TrimPrefix(strings.ToUpper(s), "SIG")
	if n := unix.SignalNum("SIG" + word); n != 0 {
		return n, nil
	}
	for prefix, base := range map[string]int{"RTMIN": rtmin, "RTMAX": last} {
		rest, ok := strings.CutPrefix(word, prefix)
		if !ok {
			continue
		}
		n := 0
		var err error
		if rest != "" {
			n, err = strconv.Atoi(rest)
		}
		if sig := base + n; err == nil && sig >= rtmin && sig <= last {
			return unix.Signal(sig), nil
		}
	}
	return 0, errdefs.Invalid("signal", s, "unknown signal")
}
