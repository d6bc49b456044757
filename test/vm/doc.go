// Vm runs tests in worlds that the build machine is not: in a virtual machine with the unified cgroup
// hierarchy, systemd, a lingering user and SELinux, and in a mount namespace with a bare version 2
// hierarchy. Such a world is a lane (see testenv.Lanes); suites.go says which tests run in which.
//
// The programs, the compiled tests and their data go in on a second disk, the payload. In the
// machine a unit starts this same program from there, with -inside. It runs the tests of each lane
// and writes "go test -json" events, the package being called "PACKAGE@LANE", to a port that
// comes out here, on standard output, for internal/testsum. Each lane is an event of its own too,
// of the package test/vm: it passes when its tests have run to the end, whatever they said, and
// fails when the machine did not boot, hung or died; the end of its console is shown then.
//
// The disk is made once and cached (testenv.BuildMachine) and is never written to: QEMU keeps changes
// apart, in a file without a name.
package main
