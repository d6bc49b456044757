package criu

import (
	"encoding/binary"
	"errors"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/errdefs"
)

const (
	// inventoryMagic begins the file inventory.img. Source: criu/include/magic.h.
	inventoryMagic = 0x58313116
	// lsmSELinux says that processes were dumped with their SELinux contexts. Source: images/inventory.proto, "Lsmtype".
	lsmSELinux = 1
)

// selinuxMissing is in what a criu that was built without libselinux says to a context for its processes. Source: criu/lsm.c.
const selinuxMissing = "selinux LSM specified but"

// errNoSELinux says that criu would let confined processes go on unconfined.
func errNoSELinux() error {
	return &errdefs.Error{
		Op: "use", Kind: "program", Name: "criu", Class: errdefs.ErrUnsupported, Cause: errors.New("it was built without SELinux, so that it can neither keep nor restore the label of the processes"),
		Hint: "install a criu that was built with libselinux, or run the container with --security-opt label=disable",
	}
}

// CheckSELinux is ErrUnsupported unless a dump holds the SELinux contexts of its processes: those of a criu that was built
// without libselinux have none, and would go on with criu's own.
func CheckSELinux(images *os.File) error {
	fd, err := unix.Openat(int(images.Fd()), "inventory.img", unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: images.Name() + "/inventory.img", Err: err}
	}
	f := os.NewFile(uintptr(fd), "inventory.img")
	defer func() { _ = f.Close() }()
	raw, err := io.ReadAll(io.LimitReader(f, maxMessage))
	if err != nil {
		return err
	}
	has, err := inventoryHasSELinux(raw)
	if err != nil {
		return errdefs.New(errdefs.ErrCorrupt, "file", images.Name()+"/inventory.img", "%w", err)
	}
	if !has {
		return errNoSELinux()
	}
	return nil
}

func inventoryHasSELinux(raw []byte) (has bool, err error) {
	if len(raw) < 8 || binary.LittleEndian.Uint32(raw) != inventoryMagic {
		return false, errors.New("it is no inventory of criu")
	}
	size := binary.LittleEndian.Uint32(raw[4:])
	if uint64(size) > uint64(len(raw)-8) {
		return false, errWire
	}
	return has, fields(raw[8:8+size], func(field int, n uint64, _ []byte) error {
		if field == 6 {
			has = n == lsmSELinux
		}
		return nil
	})
}

// selinuxDenies says that SELinux may be what stands behind an error's words.
func selinuxDenies(words string) bool {
	mode, err := os.ReadFile("/sys/fs/selinux/enforce")
	return err == nil && string(mode) == "1" && strings.Contains(words, "Permission denied")
}

// ownLabel is this process's label, which criu has too.
func ownLabel() string {
	text, err := os.ReadFile("/proc/self/attr/current")
	if err != nil {
		return "this label"
	}
	return strings.TrimRight(string(text), "\x00\n")
}
