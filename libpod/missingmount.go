package libpod

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/manager-project/manager/pkg/atomicfile"
	"github.com/manager-project/manager/pkg/errdefs"
)

// storeDevice says on which file system the store was in this boot. It lies in the run directory, so that it is there when the store's
// disk is not, whose mount point looks like a store that nobody has begun.
type storeDevice struct {
	Boot   string `json:"boot"`
	Root   string `json:"root"`
	Device uint64 `json:"device"`
}

func (p *paths) deviceFile() string { return filepath.Join(p.tmp, "store-device") }

// noteDevice writes down where the store is. Without it a missing mount is not noticed, so a failure is none of the command's.
func (p *paths) noteDevice(boot string) {
	device, err := deviceOf(p.graphRoot)
	if err != nil {
		return
	}
	text, err := json.Marshal(storeDevice{Boot: boot, Root: p.graphRoot, Device: device})
	if err == nil {
		_ = atomicfile.Write(p.deviceFile(), text, 0o600, atomicfile.Volatile)
	}
}

// checkMounted refuses to begin a new store in the place of one that was there in this boot, on a file system that is not there now.
func (p *paths) checkMounted() error {
	if exists(p.static) {
		return nil
	}
	then, ok := p.notedDevice()
	if !ok {
		return nil
	}
	now, err := deviceOf(p.graphRoot)
	if err != nil || now == then {
		return err // somebody has removed the store
	}
	return errdefs.New(errdefs.ErrUnavailable, "store", p.graphRoot, "it was on another file system, which is not mounted now").
		WithHint("mount it; or remove %s, and the next command begins a new store", p.deviceFile())
}

// notedDevice is what noteDevice wrote in this boot for this store, if anything.
func (p *paths) notedDevice() (device uint64, ok bool) {
	text, err := os.ReadFile(p.deviceFile())
	if err != nil {
		return 0, false
	}
	var then storeDevice
	if json.Unmarshal(text, &then) != nil || then.Root != p.graphRoot {
		return 0, false
	}
	boot, err := bootID()
	return then.Device, err == nil && then.Boot == boot
}

// deviceOf is the device number of the file system that a path is on, or will be.
func deviceOf(path string) (uint64, error) {
	for {
		var st syscall.Stat_t
		err := syscall.Stat(path, &st)
		if err == nil {
			return st.Dev, nil
		}
		if !errors.Is(err, syscall.ENOENT) || path == "/" {
			return 0, &fs.PathError{Op: "stat", Path: path, Err: err}
		}
		path = filepath.Dir(path)
	}
}
