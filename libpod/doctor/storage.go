package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
)

// strange are the kinds of file systems that hold no images, or hold them badly.
var strange = []string{"nfs", "cifs", "smb3", "9p", "vfat", "exfat", "ntfs", "fuse", "afs", "ceph", "lustre", "gpfs"}

// probeFilesystem looks at what the store lies on.
func probeFilesystem(_ context.Context, e *Env) []Finding {
	s, err := e.Space(e.GraphRoot)
	if err != nil {
		return []Finding{broken(fmt.Sprintf("the store %s cannot be looked at: %v", e.GraphRoot, err), "there is no place for images", e.ownStore())}
	}
	elsewhere := "set graphroot in /etc/containers/storage.conf to a directory on ext4, xfs or btrfs"
	if e.rootless() {
		elsewhere = "set rootless_storage_path = \"/var/tmp/$USER/containers\" in /etc/containers/storage.conf, or any other directory of the user's on ext4, xfs or btrfs"
	}
	var found []Finding
	if slices.Contains(strange, s.Kind) {
		found = append(found, broken(fmt.Sprintf("the store %s is on %s", e.GraphRoot, s.Kind), "files there cannot belong to a container's users, and layers cannot be mounted", elsewhere))
	}
	if s.ReadOnly {
		found = append(found, broken("the store "+e.GraphRoot+" is on a file system that is mounted read-only", "nothing can be pulled or started", "sudo mount -o remount,rw \"$(findmnt -no TARGET -T "+e.GraphRoot+")\""))
	}
	if s.NoExec {
		found = append(found, broken("the store "+e.GraphRoot+" is on a file system that is mounted noexec", "no program of an image can be executed", "sudo mount -o remount,exec \"$(findmnt -no TARGET -T "+e.GraphRoot+")\""))
	}
	return orWell(found, "%s", e.GraphRoot)
}

// probeOverlay mounts an overlay on the store's file system.
func probeOverlay(ctx context.Context, e *Env) []Finding {
	if e.Driver != "" && e.Driver != "overlay" {
		return []Finding{skipped("storage.conf chooses the driver %s", e.Driver)}
	}
	if e.rootless() && e.forbidden() != nil {
		return []Finding{skipped("there are no user namespaces to mount it in")}
	}
	t := e.trial(ctx)
	switch {
	case t.Clone != nil || t.Map != nil || t.Other != nil:
		return []Finding{skipped("there are no namespaces to mount it in")}
	case t.Place != nil:
		if e.rootless() && probeHome(ctx, e)[0].Status == Broken {
			return []Finding{skipped("there is no home directory")}
		}
		return []Finding{e.noPlace(t.Place)}
	case t.Overlay != nil:
		return []Finding{e.noOverlay(t.Overlay)}
	case t.Chown != nil:
		return []Finding{broken(fmt.Sprintf("files in %s cannot be given to other ids: %v", e.GraphRoot, t.Chown), "images with files of any other user than root cannot be used", "put the store on ext4, xfs or btrfs: graphroot in storage.conf")}
	}
	return []Finding{well("an overlay was mounted on %s", e.GraphRoot)}
}

// noPlace says why nothing can be written to the store, unless another probe does.
func (e *Env) noPlace(err error) Finding {
	s, spaceErr := e.Space(e.GraphRoot)
	cure := e.ownStore()
	switch full := errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT); {
	case spaceErr == nil && (s.ReadOnly || full && (s.Free == 0 || s.Inodes > 0 && s.FreeInodes == 0)):
		return skipped("nothing can be written to %s", e.GraphRoot)
	case full:
		cure = "manager image prune --all"
	}
	return broken(fmt.Sprintf("nothing can be written to the store %s: %v", e.GraphRoot, err), "nothing can be pulled or started", cure)
}

// ownStore makes the store the user's.
func (e *Env) ownStore() string {
	if below, ok := strings.CutPrefix(e.GraphRoot, e.Home+"/"); ok && e.rootless() {
		// Whoever ran something as root in a user's home has left directories of root's on the way.
		dir := e.Home
		for part := range strings.SplitSeq(below, "/") {
			dir += "/" + part
			if o, err := e.stat(dir); err == nil && o.uid != e.UID {
				return "sudo chown -R " + e.User + " " + dir
			}
		}
	}
	if e.exists(e.GraphRoot) {
		return "sudo chown -R " + e.User + " " + e.GraphRoot
	}
	return "sudo install -d -m 0700 -o " + e.User + " " + e.GraphRoot
}

func (e *Env) noOverlay(err error) Finding {
	why := "images cannot be mounted"
	what := fmt.Sprintf("no overlay can be mounted on %s: %v", e.GraphRoot, err)
	fuse := e.program("fuse-overlayfs") != "" && e.exists("/dev/fuse")
	switch {
	case errors.Is(err, syscall.ENODEV):
		return broken("the kernel does not know the file system overlay", why, "sudo modprobe overlay", "echo overlay | sudo tee /etc/modules-load.d/overlay.conf")
	case e.rootless() && fuse:
		return poor(what, "fuse-overlayfs is used, which is slower", "boot a kernel of version 5.13 or newer, or put the store on ext4, xfs or btrfs")
	case e.rootless() && older(e.Kernel, 5, 11):
		return broken(fmt.Sprintf("Linux %s mounts no overlay for ordinary users; 5.11 was the first", e.Kernel), why, e.install("fuse-overlayfs", "fuse-overlayfs"), "or boot a newer kernel")
	}
	return broken(what, why, "put the store on ext4, xfs or btrfs: graphroot in storage.conf", "or set driver = \"vfs\" there, which copies every image")
}

// The room below which it gets tight, and below which nothing works, in bytes and files.
const (
	tightRoom, noRoom   = 1 << 30, 64 << 20
	tightRun, noRun     = 16 << 20, 1 << 20
	tightFiles, noFiles = 20_000, 1_000
)

// place is a directory whose room is looked at.
type place struct {
	name, dir   string
	tight, none uint64
	cure        string
}

func (e *Env) places() []place {
	free := "manager image prune --all"
	all := []place{
		{"the store", e.GraphRoot, tightRoom, noRoom, free},
		{"the run directory", first(e.RuntimeDir, e.RunRoot), tightRun, noRun, "sudo du -xh --max-depth=2 " + first(e.RuntimeDir, e.RunRoot) + " | sort -h | tail"},
	}
	if e.TempDir != "" {
		all = append(all, place{"the directory for temporary files", e.TempDir, tightRun, noRun, "sudo du -xh --max-depth=1 " + e.TempDir + " | sort -h | tail"})
	}
	return all
}

func first(words ...string) string {
	for _, w := range words {
		if w != "" {
			return w
		}
	}
	return ""
}

// probeDisk measures free space.
func probeDisk(_ context.Context, e *Env) []Finding {
	var found []Finding
	for _, p := range e.places() {
		s, err := e.Space(p.dir)
		if err != nil || s.Size == 0 || s.ReadOnly {
			continue
		}
		tight := min(p.tight, s.Size/20)
		what := fmt.Sprintf("%s %s has %s left of %s", p.name, p.dir, size(s.Free), size(s.Size))
		switch {
		case s.Free == 0, s.Free < min(p.none, s.Size/50):
			found = append(found, broken(what, "nothing new can be pulled or started", p.cure))
		case s.Free < tight:
			found = append(found, poor(what, "the next pull may fill it", p.cure))
		}
	}
	return orWell(found, "there is room")
}

// probeInodes counts what is left of files that can be made.
func probeInodes(_ context.Context, e *Env) []Finding {
	var found []Finding
	for _, p := range e.places() {
		s, err := e.Space(p.dir)
		if err != nil || s.Inodes == 0 || s.ReadOnly {
			continue
		}
		what := fmt.Sprintf("%s %s can have %d more files, of %d", p.name, p.dir, s.FreeInodes, s.Inodes)
		switch {
		case s.FreeInodes == 0, s.FreeInodes < min(noFiles, s.Inodes/50):
			found = append(found, broken(what, "nothing new can be pulled or started, whatever space there is", p.cure))
		case s.FreeInodes < min(tightFiles, s.Inodes/20):
			found = append(found, poor(what, "the next pull may use them up", p.cure))
		}
	}
	return orWell(found, "there are inodes")
}

// size is a number of bytes for people.
func size(n uint64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	f, i := float64(n), 0
	for f >= 1024 && i < len(units)-1 {
		f /= 1024
		i++
	}
	return strings.TrimSuffix(fmt.Sprintf("%.1f", f), ".0") + " " + units[i]
}
