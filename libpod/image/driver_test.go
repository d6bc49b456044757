package image

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.podman.io/storage"

	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/ground"
)

func TestSettleDriver(t *testing.T) {
	t.Setenv("CONTAINERS_STORAGE_CONF", "")
	nfs, noexec, overlay := ground.Ground{Network: "NFS"}, ground.Ground{NoExec: true}, ground.Ground{Nested: "overlay"}
	fuse := []string{"overlay.mount_program=/usr/bin/fuse-overlayfs"}
	for name, c := range map[string]struct {
		options  storage.StoreOptions
		ground   ground.Ground
		root     bool
		noFuse   bool
		driver   string
		program  bool
		refusal  string // part of the error
		nextStep string // part of its hint
	}{
		"nothing is named":       {driver: "overlay"},
		"vfs is named":           {options: storage.StoreOptions{GraphDriverName: "vfs"}, driver: "vfs"},
		"an order is named":      {options: storage.StoreOptions{GraphDriverPriority: []string{"vfs"}}, driver: ""},
		"on overlay":             {ground: overlay, driver: "overlay", program: true},
		"on overlay, root":       {ground: overlay, root: true, driver: "overlay", program: true},
		"on overlay, named":      {ground: overlay, options: storage.StoreOptions{GraphDriverOptions: fuse}, driver: "overlay", program: true},
		"on overlay, no program": {ground: overlay, noFuse: true, refusal: "it lies on overlay", nextStep: "install fuse-overlayfs"},
		"on NFS":                 {ground: nfs, refusal: "it lies on NFS", nextStep: "set graphroot in ~/.config/containers/storage.conf"},
		"on NFS, program only":   {ground: nfs, options: storage.StoreOptions{GraphDriverOptions: fuse}, refusal: "it lies on NFS", nextStep: `force_mask = "700"`},
		"on NFS, all set":        {ground: nfs, options: storage.StoreOptions{GraphDriverOptions: append(fuse, "force_mask=700")}, driver: "overlay", program: true},
		"on NFS, vfs":            {ground: nfs, options: storage.StoreOptions{GraphDriverName: "vfs"}, refusal: "it lies on NFS", nextStep: "set graphroot"},
		"on NFS, root":           {ground: nfs, root: true, driver: "overlay"},
		"noexec":                 {ground: noexec, driver: "overlay"},
		"noexec, vfs":            {ground: noexec, options: storage.StoreOptions{GraphDriverName: "vfs"}, refusal: "mounted noexec", nextStep: "set graphroot"},
	} {
		t.Run(name, func(t *testing.T) {
			path := t.TempDir()
			if !c.noFuse {
				if err := os.WriteFile(filepath.Join(path, fuseOverlay), nil, 0o700); err != nil {
					t.Fatal(err)
				}
			}
			t.Setenv("PATH", path)
			err := settleDriver(&c.options, c.ground, !c.root)
			if c.refusal != "" {
				if !errors.Is(err, errdefs.ErrUnsupported) || !strings.Contains(err.Error(), c.refusal) || !strings.Contains(errdefs.Hint(err), c.nextStep) {
					t.Errorf("%v; %s", err, errdefs.Hint(err))
				}
				return
			}
			if err != nil || c.options.GraphDriverName != c.driver || (driverOption(&c.options, "mount_program") != "") != c.program {
				t.Errorf("%v, driver %q, options %q", err, c.options.GraphDriverName, c.options.GraphDriverOptions)
			}
		})
	}
}

func TestDriverOption(t *testing.T) {
	o := storage.StoreOptions{GraphDriverOptions: []string{"mount_program=/a", "overlay.mount_program=/b", "mountopt=nodev"}}
	if got := driverOption(&o, "mount_program"); got != "/b" {
		t.Errorf("%q", got)
	}
	if got := driverOption(&o, "force_mask"); got != "" {
		t.Errorf("%q", got)
	}
}
