package volume

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/errdefs"
)

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root to change owners")
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newVolume(t *testing.T) (volumes, data string) {
	t.Helper()
	volumes = t.TempDir()
	data, err := Create(volumes, "v", Owner{os.Geteuid(), os.Getegid()})
	must(t, err)
	return volumes, data
}

// newRootfs makes a root with a file of every kind under /data.
func newRootfs(t *testing.T) *os.File {
	t.Helper()
	dir := t.TempDir()
	d := filepath.Join(dir, "data")
	must(t, os.MkdirAll(filepath.Join(d, "sub"), 0o751))
	must(t, os.WriteFile(filepath.Join(d, "file"), []byte("text"), 0o640))
	must(t, os.Link(filepath.Join(d, "file"), filepath.Join(d, "sub", "again")))
	must(t, os.Symlink("/etc/passwd", filepath.Join(d, "link")))
	must(t, unix.Mkfifo(filepath.Join(d, "pipe"), 0o600))
	if os.Geteuid() == 0 {
		must(t, os.Lchown(filepath.Join(d, "link"), 12, 13))
		must(t, os.Chown(filepath.Join(d, "file"), 10, 11))
	}
	must(t, unix.Chmod(filepath.Join(d, "file"), 0o4750))
	must(t, os.Chtimes(filepath.Join(d, "sub"), time.Unix(1, 0), time.Unix(2, 0)))
	must(t, unix.Chmod(d, 0o1777))
	root, err := os.Open(dir)
	must(t, err)
	t.Cleanup(func() { root.Close() })
	return root
}

func TestCopyUp(t *testing.T) {
	needRoot(t)
	root := newRootfs(t)
	_, data := newVolume(t)
	src := filepath.Join(root.Name(), "data", "file")
	xattrs := unix.Setxattr(src, "user.note", []byte("kept"), 0) == nil
	copied, err := CopyUp(root, "/data", data)
	if err != nil || !copied {
		t.Fatalf("copied %v, %v", copied, err)
	}
	var file, again, link, pipe, top, sub unix.Stat_t
	for name, st := range map[string]*unix.Stat_t{"file": &file, "sub/again": &again, "link": &link, "pipe": &pipe, ".": &top, "sub": &sub} {
		must(t, unix.Lstat(filepath.Join(data, name), st))
	}
	if file.Uid != 10 || file.Gid != 11 || file.Mode&0o7777 != 0o4750 {
		t.Errorf("file is %d:%d %o", file.Uid, file.Gid, file.Mode)
	}
	if again.Ino != file.Ino {
		t.Error("the hard link became a file of its own")
	}
	if link.Uid != 12 || link.Gid != 13 {
		t.Errorf("link is %d:%d", link.Uid, link.Gid)
	}
	if pipe.Mode&unix.S_IFMT != unix.S_IFIFO || top.Mode&0o7777 != 0o1777 || sub.Mtim.Sec != 2 {
		t.Errorf("pipe %o, top %o, sub %d", pipe.Mode, top.Mode, sub.Mtim.Sec)
	}
	if xattrs {
		buf := make([]byte, 16)
		n, err := unix.Getxattr(filepath.Join(data, "file"), "user.note", buf)
		if err != nil || string(buf[:n]) != "kept" {
			t.Errorf("attribute: %q, %v", buf[:n], err)
		}
	}
	if text, err := os.ReadFile(filepath.Join(data, "file")); err != nil || string(text) != "text" {
		t.Errorf("content: %q, %v", text, err)
	}
}

// TestCopyUpKeepsData is CVE-2020-1726: a filled volume stays as it is, byte for byte.
func TestCopyUpKeepsData(t *testing.T) {
	root := newRootfs(t)
	_, data := newVolume(t)
	must(t, os.WriteFile(filepath.Join(data, "file"), []byte("mine"), 0o600))
	copied, err := CopyUp(root, "/data", data)
	if err != nil || copied {
		t.Fatalf("copied %v, %v", copied, err)
	}
	entries, err := os.ReadDir(data)
	must(t, err)
	text, err := os.ReadFile(filepath.Join(data, "file"))
	must(t, err)
	if len(entries) != 1 || string(text) != "mine" {
		t.Errorf("the volume has %v, file %q", entries, text)
	}
}

// TestCopyUpAfterKill finds the half copy of a killed copy-up and does it again.
func TestCopyUpAfterKill(t *testing.T) {
	needRoot(t)
	root := newRootfs(t)
	volumes, data := newVolume(t)
	half := filepath.Join(volumes, "v", copyPrefix+"123")
	must(t, os.MkdirAll(half, 0o700))
	must(t, os.WriteFile(filepath.Join(half, "half"), nil, 0o600))
	copied, err := CopyUp(root, "/data", data)
	if err != nil || !copied {
		t.Fatalf("copied %v, %v", copied, err)
	}
	left, err := os.ReadDir(filepath.Join(volumes, "v"))
	must(t, err)
	if len(left) != 1 {
		t.Errorf("left over: %v", left)
	}
}

// TestCopyUpOutside gives sources that are links out of the root.
func TestCopyUpOutside(t *testing.T) {
	outside := t.TempDir()
	must(t, os.WriteFile(filepath.Join(outside, "secret"), []byte("token"), 0o600))
	dir := t.TempDir()
	must(t, os.Symlink(outside, filepath.Join(dir, "absolute")))
	must(t, os.Symlink("../../../../../../../../.."+outside, filepath.Join(dir, "dots")))
	must(t, os.WriteFile(filepath.Join(dir, "file"), nil, 0o600))
	root, err := os.Open(dir)
	must(t, err)
	defer root.Close()
	for _, source := range []string{"/absolute", "/dots", "/missing", "/file", "/../../" + outside} {
		_, data := newVolume(t)
		if copied, err := CopyUp(root, source, data); err != nil || copied {
			t.Errorf("%s: copied %v, %v", source, copied, err)
		}
		if empty, err := isEmpty(data); err != nil || !empty {
			t.Errorf("%s: the volume is not empty", source)
		}
	}
}

func TestCreateRemove(t *testing.T) {
	volumes := t.TempDir()
	me := Owner{os.Geteuid(), os.Getegid()}
	data, err := Create(volumes, "v", me)
	must(t, err)
	if _, err := Create(volumes, "v", me); err != nil {
		t.Errorf("an empty leftover: %v", err)
	}
	must(t, os.WriteFile(filepath.Join(data, "x"), make([]byte, 100), 0o600))
	must(t, os.Link(filepath.Join(data, "x"), filepath.Join(data, "y")))
	if _, err := Create(volumes, "v", me); !errors.Is(err, errdefs.ErrExists) {
		t.Errorf("over files: %v", err)
	}
	if n, err := Size(data); err != nil || n != 100 {
		t.Errorf("size %d, %v", n, err)
	}
	if _, err := Create(volumes, "../v", me); !errors.Is(err, errdefs.ErrInvalid) {
		t.Errorf("bad name: %v", err)
	}
	must(t, os.MkdirAll(filepath.Join(volumes, removingPrefix+"1", "x"), 0o700))
	must(t, Sweep(volumes))
	must(t, Remove(volumes, "v"))
	must(t, Remove(volumes, "v"))
	if left, _ := os.ReadDir(volumes); len(left) != 0 {
		t.Errorf("left over: %v", left)
	}
}

func TestChownTree(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	outside := filepath.Join(t.TempDir(), "victim")
	must(t, os.WriteFile(outside, nil, 0o600))
	must(t, os.MkdirAll(filepath.Join(dir, "a", "b"), 0o700))
	must(t, os.Symlink(outside, filepath.Join(dir, "a", "link")))
	must(t, ChownTree(dir, 100, 200))
	var st unix.Stat_t
	for _, name := range []string{".", "a", "a/b", "a/link"} {
		must(t, unix.Lstat(filepath.Join(dir, name), &st))
		if st.Uid != 100 || st.Gid != 200 {
			t.Errorf("%s is %d:%d", name, st.Uid, st.Gid)
		}
	}
	must(t, unix.Lstat(outside, &st))
	if st.Uid == 100 {
		t.Error("the link was followed")
	}
}

func TestSubpath(t *testing.T) {
	_, data := newVolume(t)
	must(t, os.MkdirAll(filepath.Join(data, "a", "b"), 0o700))
	must(t, os.Symlink("/etc", filepath.Join(data, "out")))
	f, err := OpenSubpath(data, "a/b")
	must(t, err)
	if f.Close() != nil {
		t.Error("no descriptor")
	}
	for _, p := range []string{"out", "a/c", "out/passwd"} {
		if _, err := OpenSubpath(data, p); !errors.Is(err, errdefs.ErrNotFound) {
			t.Errorf("%s: %v", p, err)
		}
	}
}

func TestParseOptions(t *testing.T) {
	for name, c := range map[string]struct {
		in    map[string]string
		class error
		want  string
	}{
		"none":       {nil, nil, ""},
		"tmpfs":      {map[string]string{"type": "tmpfs", "device": "tmpfs", "o": "size=2m,nodev"}, nil, "tmpfs size=2m,nodev"},
		"bind":       {map[string]string{"device": "/x", "o": "bind,ro"}, nil, "none bind,ro"},
		"nfs":        {map[string]string{"type": "nfs", "device": "h:/x", "o": "addr=h"}, nil, "nfs addr=h"},
		"owner":      {map[string]string{"o": "uid=5,gid=6"}, nil, ""},
		"size":       {map[string]string{"o": "size=5"}, errdefs.ErrUnsupported, ""},
		"unknown":    {map[string]string{"x": "5"}, errdefs.ErrInvalid, ""},
		"bad uid":    {map[string]string{"o": "uid=x"}, errdefs.ErrInvalid, ""},
		"no device":  {map[string]string{"type": "nfs"}, errdefs.ErrInvalid, ""},
		"no type":    {map[string]string{"device": "/x"}, errdefs.ErrInvalid, ""},
		"lone flags": {map[string]string{"o": "ro"}, errdefs.ErrInvalid, ""},
		"relative":   {map[string]string{"device": "x", "o": "bind"}, errdefs.ErrInvalid, ""},
	} {
		t.Run(name, func(t *testing.T) {
			o, err := ParseOptions(c.in)
			if !errors.Is(err, c.class) {
				t.Fatalf("error %v, want %v", err, c.class)
			}
			if got := strings.TrimSpace(o.Type + " " + strings.Join(o.MountOptions, ",")); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestMountTmpfs(t *testing.T) {
	needRoot(t)
	_, data := newVolume(t)
	o, err := ParseOptions(map[string]string{"type": "tmpfs", "o": "size=1m"})
	must(t, err)
	if err := Mount(data, o); errors.Is(err, unix.EPERM) {
		t.Skip("mounting is not permitted here")
	} else if err != nil {
		t.Fatal(err)
	}
	var fs unix.Statfs_t
	err = unix.Statfs(data, &fs)
	if err != nil || fs.Type != unix.TMPFS_MAGIC || fs.Blocks*uint64(fs.Bsize) != 1<<20 {
		t.Errorf("statfs %+v, %v", fs, err)
	}
	root := newRootfs(t)
	if copied, err := CopyUp(root, "/data", data); err != nil || copied {
		t.Errorf("copy-up onto a mount: %v, %v", copied, err)
	}
	must(t, Unmount(data))
	must(t, Unmount(data))
}
