package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/manager-project/manager/internal/testenv"
)

// lanePackage ends the name of the package whose tests are the lanes themselves.
const lanePackage = "/test/vm"

// deferral is a test that was skipped because another world has what it needs.
type deferral struct {
	name   string // without the lane in which it was skipped
	lane   string // the one it was left to; "" for another host
	reason string
}

// worlds relates what one test did in several worlds.
type worlds struct {
	deferred []deferral
	// ran has the tests that passed or failed somewhere.
	ran map[string]bool
	// lanes has the result of each lane.
	lanes map[string]string
}

// plain takes the lane out of a test's name: packages are called "PACKAGE@LANE" in a lane.
func plain(pkg, test string) string {
	pkg, _, _ = strings.Cut(pkg, "@")
	return pkg + "." + test
}

// note takes a test's result. It says whether that is a skip which counts only if no other world runs
// the test.
func (w *worlds) note(action, pkg, test, reason string) bool {
	if strings.HasSuffix(pkg, lanePackage) {
		w.lanes[test] = action
	}
	if action != "skip" {
		w.ran[plain(pkg, test)] = true
		return false
	}
	d := deferral{name: plain(pkg, test), reason: reason}
	if rest, found := strings.CutPrefix(reason, testenv.LeftToLane); found {
		d.lane, _, _ = strings.Cut(rest, ":")
	} else if !strings.HasPrefix(reason, testenv.LeftToHost) {
		return false
	}
	w.deferred = append(w.deferred, d)
	return true
}

// settle returns the tests that were left to other worlds and ran in none: skipped when the lane did
// not run either, and forgotten, a failure, when it ran without them.
func (w *worlds) settle() (skipped, forgotten []string) {
	seen := map[string]bool{}
	for _, d := range w.deferred {
		if w.ran[d.name] || seen[d.name] {
			continue
		}
		seen[d.name] = true
		if w.lanes[d.lane] == "pass" {
			forgotten = append(forgotten, fmt.Sprintf("%s: left to lane %s, which ran without it (test/vm/suites.go)", d.name, d.lane))
		} else {
			skipped = append(skipped, d.name+": "+d.reason)
		}
	}
	slices.Sort(skipped)
	slices.Sort(forgotten)
	return skipped, forgotten
}
