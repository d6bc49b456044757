package testenv

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// A Lane is one world in which tests run, besides the one in which "go test" was typed. The
// driver in test/vm makes it and runs in it the suites that its table names.
type Lane struct {
	// Name is what the lane is called in results ("PACKAGE@NAME") and in $MANAGER_TEST_LANE.
	Name string
	// Gives is everything that a test may need and finds there.
	Gives []Feature
}

// LaneVariable names the lane in the environment of the tests that run in one; in the ordinary run
// it is not set.
const LaneVariable = "MANAGER_TEST_LANE"

// Names of the lanes.
const (
	// LaneBare is a mount namespace of this machine in which /sys/fs/cgroup is a version 2
	// hierarchy without controllers.
	LaneBare = "bare"
	// LaneV2 is root in the virtual machine with AppArmor in force.
	LaneV2 = "v2"
	// LaneUser is a user in the virtual machine who lingers, in a unit of the user's own manager.
	LaneUser = "v2-user"
	// LanePermissive is root in the virtual machine with SELinux reporting what it would refuse.
	LanePermissive = "permissive"
	// LaneEnforcing is root in the virtual machine with SELinux refusing.
	LaneEnforcing = "enforcing"
	// LaneV1 is root in the virtual machine, whose systemd has all controllers in version 1 hierarchies.
	LaneV1 = "v1"
)

// Lanes are all lanes, the least first: a test that is not possible in the ordinary run is left to
// the first that gives all it needs.
func Lanes() []Lane {
	return []Lane{
		{LaneBare, []Feature{Root, Bare}},
		{LaneV2, []Feature{Root, Unified, Systemd, AppArmor}},
		{LaneUser, []Feature{User, Unified, Systemd, Delegated, AppArmor}},
		{LanePermissive, []Feature{Root, Unified, Systemd, SELinux, Permissive}},
		{LaneEnforcing, []Feature{Root, Unified, Systemd, SELinux, Enforcing}},
		{LaneV1, []Feature{Root, SystemdV1}},
	}
}

// What the reasons begin with when Need skips a test. The sum of a run (internal/testsum) counts such
// a test by its result in the world that had what it needs.
const (
	// LeftToLane is followed by the lane's name, ": " and what the test needs.
	LeftToLane = "left to lane "
	// LeftToHost is followed by what the test needs and no lane has.
	LeftToHost = "left to another host: "
)

// Need says what the test needs of the world: call it first. Where all of it is there, the test
// goes on. Elsewhere the test is skipped and left to a lane that has it:
//
//	testenv.Need(t, testenv.Root, testenv.Unified, testenv.Systemd)
//
// Nothing is hidden by that: "make test" runs the lanes too, and its sum has the test's result
// from there, or a failure if no lane ran it. In a lane that promises what the test needs and
// has it not, the test fails.
func Need(t testing.TB, needs ...Feature) {
	t.Helper()
	switch fate, text := fateOf(needs, os.Getenv(LaneVariable), missing); fate {
	case skips:
		t.Skip(text)
	case fails:
		t.Fatal(text)
	case runs:
	}
}

// Missing is Need for callers without a test: "" if all that is needed is there, or else the reason
// with which the test is to be skipped. A lane that breaks its promise is an error.
func Missing(needs ...Feature) (reason string, err error) {
	switch fate, text := fateOf(needs, os.Getenv(LaneVariable), missing); fate {
	case skips:
		return text, nil
	case fails:
		return "", fmt.Errorf("%s", text)
	case runs:
	}
	return "", nil
}

// fate is what happens to a test.
type fate int

const (
	runs fate = iota
	skips
	fails
)

// fateOf decides what happens to a test in the lane ("" for none). missing says why a need is not
// met in this world, "" if it is.
func fateOf(needs []Feature, lane string, missing func(Feature) string) (fate, string) {
	var lacks []string
	for _, need := range needs {
		if why := missing(need); why != "" {
			lacks = append(lacks, fmt.Sprintf("%s (%s)", need, why))
		}
	}
	if len(lacks) == 0 {
		return runs, ""
	}
	all := Lanes()
	if i := slices.IndexFunc(all, func(l Lane) bool { return l.Name == lane }); i >= 0 && all[i].gives(needs) {
		return fails, fmt.Sprintf("lane %s should give %s", lane, strings.Join(lacks, ", "))
	}
	for _, l := range all {
		if l.gives(needs) {
			return skips, LeftToLane + l.Name + ": needs " + strings.Join(lacks, ", ")
		}
	}
	return skips, LeftToHost + "needs " + strings.Join(lacks, ", ")
}

// gives says whether the lane has all of it.
func (l *Lane) gives(needs []Feature) bool {
	return !slices.ContainsFunc(needs, func(n Feature) bool { return !slices.Contains(l.Gives, n) })
}
