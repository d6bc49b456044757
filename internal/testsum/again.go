package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// Many tests kill processes at random moments, or race on purpose, and one of thousands fails now and then without anything being wrong
// that was not wrong before. So a few tests that fail are run again by themselves, several times. One that passes each time is
// listed as unsteady, for somebody to look at, and is no failure of the run; one that fails again is.

// againVariable is a shell command that runs the tests that match $RUN of the package $PACKAGE, in the lane $LANE of the machine if that is
// not empty, as often as they are to pass. Without it nothing is run again.
const againVariable = "TESTSUM_AGAIN"

// mostAgain is how many tests, without their subtests, may be run again. When more fail, it is no chance.
const mostAgain = 3

// failure is a failed test of a package, which in a lane is called PACKAGE@LANE.
type failure struct{ pkg, test string }

// again runs the tests that failed once more, and forgives those that pass.
func (s *summary) again(env []string) error {
	command := os.Getenv(againVariable)
	var whole []failure
	for _, f := range s.failures {
		f.test, _, _ = strings.Cut(f.test, "/")
		if !slices.Contains(whole, f) {
			whole = append(whole, f)
		}
	}
	if command == "" || len(s.broken) > 0 || len(whole) == 0 || len(whole) > mostAgain {
		return nil
	}
	for _, f := range whole {
		pkg, lane, _ := strings.Cut(f.pkg, "@")
		fmt.Fprintf(s.out, "\nAgain: %s.%s\n", f.pkg, f.test)
		more := newSummary(s.out)
		waited, err := more.follow([]string{"bash", "-c", command}, append(slices.Clone(env), "RUN=^"+f.test+"$", "PACKAGE="+pkg, "LANE="+lane))
		if err != nil {
			return err
		}
		if waited == nil && more.ok() && more.ran(f) {
			s.forgive(f)
		}
	}
	return nil
}

// ran says that a test passed, and was not only skipped.
func (s *summary) ran(f failure) bool { return s.worlds.ran[plain(f.pkg, f.test)] }

// forgive makes a failed test, and its subtests, an unsteady one.
func (s *summary) forgive(f failure) {
	name := f.pkg + "." + f.test
	s.unsteady = append(s.unsteady, name)
	s.failed = slices.DeleteFunc(s.failed, func(failed string) bool { return failed == name || strings.HasPrefix(failed, name+"/") })
}
