package main

import (
	"slices"
	"strings"

	"github.com/manager-project/manager/internal/testenv"
)

// module is our module's path.
const module = "github.com/manager-project/manager"

// A suite is a package's tests and the lanes that run them.
type suite struct {
	// Dir is the package's folder in the tree.
	Dir string
	// Lanes are where it runs.
	Lanes []string
	// Run picks its tests and Skip leaves some out, as "go test" does; "" takes all and leaves out none.
	Run, Skip string
	// Part is the part of its lanes that it is in: see boot.
	Part string
}

// suites are what runs elsewhere than in the ordinary run. A package whose tests call testenv.Need has
// to be here with each lane that its tests may be left to; the sum of the run tells if one is not.
var suites = []suite{
	{Dir: "test/vm/world", Lanes: laneNames()},
	{Dir: "pkg/cgroups", Lanes: []string{testenv.LaneBare, testenv.LaneV2}},
	{Dir: "pkg/cgroups", Lanes: []string{testenv.LaneUser}, Run: "User|Rootless|Delegat"},
	{Dir: "pkg/cgroups", Lanes: []string{testenv.LaneV1}, Run: "SystemdScopeV1"},
	// The emulator has time for what its kernel, its cgroups, systemd and SELinux make different, and for a user's commands of
	// each kind. "make vm-test LANE=v2-user RUN='^TestScripts$'" runs whatever else there is.
	//
	// Thousands of mounts are a question of time, which the emulator cannot answer. The tests once more for each missing
	// system call take it minutes, and so do all containers built and joined both ways: the plain ones do for its kernel.
	{
		Dir: "pkg/libcontainer", Lanes: []string{testenv.LaneV2},
		Skip: "TestThousandsOfMounts|TestHiddenCalls|TestReaperHears|TestJoinBothWays/[^p]|TestBuildBothWays/[^p]",
	},
	{Dir: "cmd/manager-runtime", Lanes: []string{testenv.LaneV2}, Part: secondV2, Run: "CRIU|AppArmor|SystemdCgroup|EventsTellOfMemory"},
	{Dir: "cmd/manager-runtime", Lanes: []string{testenv.LaneUser}, Run: "SystemdCgroupOfAUser"},
	{Dir: "cmd/manager-runtime", Lanes: []string{testenv.LaneV1}, Run: "SystemdCgroupV1"},
	{Dir: "pkg/libcontainer", Lanes: []string{testenv.LanePermissive, testenv.LaneEnforcing}, Run: "SELinux"},
	{Dir: "test/e2e", Lanes: []string{testenv.LanePermissive}, Run: "^TestScripts$/^selinux$/^labels$"},
	{Dir: "test/e2e", Lanes: []string{testenv.LaneEnforcing}, Run: "TestSELinux|^TestScripts$/^selinux$"},
	{Dir: "test/e2e", Lanes: []string{testenv.LaneV2}, Part: secondV2, Run: "TestCRIU"},
	{
		Dir: "test/e2e", Lanes: []string{testenv.LaneV2}, Part: secondV2,
		Run: "TestWhy|^TestScripts$/^container$/(run-limits-v2|update-v2|stats|run-security-|run-systemd|logs-journald)",
	},
	{Dir: "test/e2e", Lanes: []string{testenv.LaneV2}, Part: secondV2, Run: "^TestScripts$/^system$/^events-journald$"},
	{Dir: "test/e2e", Lanes: []string{testenv.LaneUser}, Run: "^(TestScripts|TestEventsJournald)$/^system$/^(events-journald|unshare-network)$"},
	{Dir: "test/e2e", Lanes: []string{testenv.LaneV2}, Run: "TestSystemd|TestNotifySocket$|TestListenSockets|TestAppArmorReload"},
	{
		Dir: "test/e2e", Lanes: []string{testenv.LaneUser},
		Run: "TestUserSplit|^TestScripts$/^container$/(run-life|rename-kill-pause|run-network-user|run-limits-user|stop-kills|restart-(lost|boot)" +
			"|cleanup|client-killed|update-life|logs-journald)",
	},
}

// A boot is one start of the machine and the lanes that run in it, one after the other. A lane that is long has parts,
// "LANE/PART", which run in machines of their own at the same time.
type boot struct {
	// Append is what its kernel's command line has besides the usual.
	Append string
	Lanes  []string
}

// laneOf is the lane of a part.
func laneOf(part string) string {
	lane, _, _ := strings.Cut(part, "/")
	return lane
}

// partOf is which part of its lane it is, "" for the first one.
func partOf(part string) string {
	_, name, _ := strings.Cut(part, "/")
	return name
}

// secondV2 is the second part of the longest lane.
const secondV2 = "2"

// boots make all lanes of the machine, the long ones first.
var boots = []boot{
	{Append: "security=apparmor apparmor=1", Lanes: []string{testenv.LaneV2}},
	{Append: "security=apparmor apparmor=1", Lanes: []string{testenv.LaneV2 + "/" + secondV2}},
	{Append: "security=apparmor apparmor=1", Lanes: []string{testenv.LaneUser}},
	{Append: "security=selinux selinux=1 enforcing=1", Lanes: []string{testenv.LaneEnforcing, testenv.LanePermissive}},
	{Append: "systemd.unified_cgroup_hierarchy=0 systemd.legacy_systemd_cgroup_controller=1", Lanes: []string{testenv.LaneV1}},
}

// laneNames are the names of all lanes.
func laneNames() []string {
	var names []string
	for _, lane := range testenv.Lanes() {
		names = append(names, lane.Name)
	}
	return names
}

// packages are the folders of the suites of some lanes, each once.
func packages(lanes []string) []string {
	var dirs []string
	for _, s := range suites {
		if slices.ContainsFunc(s.Lanes, func(l string) bool { return slices.Contains(lanes, l) }) && !slices.Contains(dirs, s.Dir) {
			dirs = append(dirs, s.Dir)
		}
	}
	return dirs
}
