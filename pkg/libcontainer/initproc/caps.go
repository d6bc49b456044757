package initproc

import (
	"strconv"

	"github.com/manager-project/manager/pkg/libcontainer/launch"
	"github.com/manager-project/manager/pkg/libcontainer/plan"
	"golang.org/x/sys/unix"
)

const sysAdmin = uint64(1) << unix.CAP_SYS_ADMIN

// boundingSet drops what the program may never gain and returns the sets to be had: what this
// process does not hold itself cannot be granted and is left out, as the OCI specification asks.
func (in *initializer) boundingSet() (plan.Capabilities, *launch.Failure) {
	var want plan.Capabilities
	if c := in.Process.Capabilities; c != nil {
		want = *c
	}
	have, err := permitted()
	if err != nil {
		return want, failure("capabilities", "read", err)
	}
	want.Permitted &= have
	want.Effective &= want.Permitted
	want.Inheritable &= have
	want.Ambient &= want.Permitted & want.Inheritable
	for c := 0; c < 64; c++ {
		if want.Bounding>>c&1 != 0 {
			continue
		}
		err := unix.Prctl(unix.PR_CAPBSET_DROP, uintptr(c), 0, 0, 0)
		if err == unix.EINVAL { // the kernel's last capability was the one before
			break
		}
		if err != nil {
			return want, failure("capabilities", "bounding "+strconv.Itoa(c), err)
		}
	}
	return want, nil
}

// userCapabilities sets the other four sets. A filter without no_new_privs needs CAP_SYS_ADMIN
// to be installed; it is held until then, which is after everything else.
func (in *initializer) userCapabilities(want plan.Capabilities) *launch.Failure {
	in.finalCaps = want
	now := want
	if in.Process.Seccomp != nil && !in.Process.NoNewPrivs {
		have, err := permitted()
		if err != nil {
			return failure("capabilities", "read", err)
		}
		now.Permitted |= sysAdmin & have
		now.Effective |= sysAdmin & have
	}
	if err := capset(now); err != nil {
		return failure("capabilities", "", err)
	}
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return failure("capabilities", "ambient", err)
	}
	for c := 0; c < 64; c++ {
		if want.Ambient>>c&1 == 0 {
			continue
		}
		if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_RAISE, uintptr(c), 0, 0); err != nil {
			return failure("capabilities", "ambient "+strconv.Itoa(c), err)
		}
	}
	return nil
}

func permitted() (uint64, error) {
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&hdr, &data[0]); err != nil {
		return 0, err
	}
	return uint64(data[0].Permitted) | uint64(data[1].Permitted)<<32, nil
}

func capset(c plan.Capabilities) error {
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	data := [2]unix.CapUserData{
		{Effective: uint32(c.Effective), Permitted: uint32(c.Permitted), Inheritable: uint32(c.Inheritable)},
		{Effective: uint32(c.Effective >> 32), Permitted: uint32(c.Permitted >> 32), Inheritable: uint32(c.Inheritable >> 32)},
	}
	return unix.Capset(&hdr, &data[0])
}
