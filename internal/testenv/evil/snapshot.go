package evil

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"syscall"
	"testing"
)

// Snapshot describes a tree, one line for each entry: type and mode, owner, links, size,
// device, extended attributes, target or hash of the content, name. Times of regular files
// are included in whole seconds; directories' are not, as writing a child changes them.
func Snapshot(t testing.TB, root string) string {
	t.Helper()
	text, err := Describe(root)
	if err != nil {
		t.Fatalf("snapshot of %s: %v", root, err)
	}
	return text
}

// Describe is Snapshot for callers without a test. Paths below root in skip are left out.
func Describe(root string, skip ...string) (string, error) {
	var lines []string
	inodes := map[uint64]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		if slices.Contains(skip, rel) {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		var st syscall.Stat_t
		if err := syscall.Lstat(path, &st); err != nil {
			return err
		}
		line := fmt.Sprintf("%q mode=%o owner=%d:%d dev=%x", rel, st.Mode, st.Uid, st.Gid, st.Rdev)
		switch d.Type() {
		case 0:
			raw, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			line += fmt.Sprintf(" size=%d mtime=%d hash=%x", st.Size, st.Mtim.Sec, sha256.Sum256(raw))
			if first, ok := inodes[st.Ino]; ok && st.Nlink > 1 {
				line += fmt.Sprintf(" same-as=%q", first)
			} else {
				inodes[st.Ino] = rel
			}
		case fs.ModeSymlink:
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			line += fmt.Sprintf(" target=%q", target)
		default: // mode and device say it all
		}
		if d.Type()&fs.ModeSymlink == 0 {
			line += xattrs(path)
		}
		lines = append(lines, line)
		return nil
	})
	sort.Strings(lines)
	return strings.Join(lines, "\n"), err
}

// xattrs lists a file's extended attributes without those of the storage driver.
func xattrs(path string) string {
	buf := make([]byte, 1<<16)
	n, err := syscall.Listxattr(path, buf)
	if err != nil {
		return ""
	}
	names := strings.Split(strings.Trim(string(buf[:n]), "\x00"), "\x00")
	sort.Strings(names)
	out := ""
	for _, name := range names {
		if name == "" || strings.HasPrefix(name, "trusted.overlay.") || strings.HasPrefix(name, "user.overlay.") {
			continue
		}
		val := make([]byte, 1<<16)
		if n, err := syscall.Getxattr(path, name, val); err == nil {
			out += fmt.Sprintf(" %s=%x", name, val[:n])
		}
	}
	return out
}
