// Package crash kills, starves and crowds the program, and looks at what is left.
//
// The program under test is this test program itself: under the name "manager" it is the
// command line, with the points of internal/fault armed as the environment says:
//
//	CRASH_AT=N      SIGKILL to itself at the Nth point it passes
//	CRASH_FAIL=P    the step behind point P fails
//	CRASH_AFTER=D   SIGKILL to itself after the duration
//
// A command that the monitor starts has a small environment; for the clean-up command the
// same words stand in the file "cleanup-faults" beside the program.
package crash

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/manager-project/manager/cmd/manager/cli"
	"github.com/manager-project/manager/internal/fault"
	"github.com/manager-project/manager/libpod/image"
)

func TestMain(m *testing.M) {
	if image.ReexecInit() {
		return // this process only extracts a layer
	}
	if filepath.Base(os.Args[0]) == "manager" {
		arm()
		os.Exit(cli.Main(os.Args, os.Stdin, os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// arm arms the faults that the environment, or the file of the clean-up command, names.
func arm() {
	words := os.Environ()
	if slices.Contains(os.Args, "cleanup") {
		text, _ := os.ReadFile(filepath.Join(filepath.Dir(os.Args[0]), "cleanup-faults"))
		words = append(words, strings.Fields(string(text))...)
	}
	for _, word := range words {
		key, value, _ := strings.Cut(word, "=")
		switch key {
		case "CRASH_AT":
			at, _ := strconv.ParseInt(value, 10, 64)
			var passed atomic.Int64
			fault.Arm(func(point string) error {
				if passed.Add(1) == at {
					fmt.Fprintf(os.Stderr, "killed at %q\n", point)
					die()
				}
				return nil
			})
		case "CRASH_FAIL":
			fault.Arm(func(point string) error {
				if point == value {
					return fmt.Errorf("injected at %q", point)
				}
				return nil
			})
		case "CRASH_AFTER":
			after, _ := time.ParseDuration(value)
			time.AfterFunc(after, die)
		}
	}
}

// die is kill -9 by somebody else.
func die() {
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}
