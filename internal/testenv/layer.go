package testenv

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// kernelMade are folders whose content is not part of an image.
var kernelMade = []string{"dev", "proc", "sys", "run"}

// writeLayer writes the tree at root as a layer: all of it, or, with a base tree, what
// differs from it, with whiteouts for what is gone.
func writeLayer(out io.Writer, root, base string) error {
	tw := tar.NewWriter(out)
	w := &layerWriter{tar: tw, root: root, base: base, links: map[uint64]string{}}
	if err := filepath.WalkDir(root, w.visit); err != nil {
		return err
	}
	if base != "" {
		if err := filepath.WalkDir(base, w.whiteout); err != nil {
			return err
		}
	}
	return tw.Close()
}

// layerWriter walks a tree into a tar.
type layerWriter struct {
	tar        *tar.Writer
	root, base string
	links      map[uint64]string // inode to the first name of it
}

// visit writes one entry.
func (w *layerWriter) visit(full string, d fs.DirEntry, err error) error {
	if err != nil {
		return err
	}
	name, err := filepath.Rel(w.root, full)
	if err != nil || name == "." {
		return err
	}
	if slices.Contains(kernelMade, path.Dir(name)) {
		if d.IsDir() {
			return fs.SkipDir
		}
		return nil
	}
	info, err := d.Info()
	if err != nil {
		return err
	}
	if info.Mode()&fs.ModeSocket != 0 || w.base != "" && same(info, full, filepath.Join(w.base, name)) {
		return nil
	}
	return w.entry(name, full, info)
}

// same says whether the base has the same entry.
func same(info fs.FileInfo, full, base string) bool {
	old, err := os.Lstat(base)
	if err != nil || old.Mode() != info.Mode() {
		return false
	}
	a, b := info.Sys().(*syscall.Stat_t), old.Sys().(*syscall.Stat_t)
	if a.Uid != b.Uid || a.Gid != b.Gid {
		return false
	}
	switch {
	case info.IsDir():
		return true
	case info.Mode()&fs.ModeSymlink != 0:
		was, _ := os.Readlink(base)
		is, _ := os.Readlink(full)
		return was == is
	}
	return old.Size() == info.Size() && old.ModTime().Equal(info.ModTime())
}

// entry writes one header and, for a file, its bytes.
func (w *layerWriter) entry(name, full string, info fs.FileInfo) error {
	target := ""
	if info.Mode()&fs.ModeSymlink != 0 {
		var err error
		if target, err = os.Readlink(full); err != nil {
			return err
		}
	}
	header, err := tar.FileInfoHeader(info, target)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	header.Name, header.Uname, header.Gname = name, "", ""
	if info.IsDir() {
		header.Name += "/"
	}
	stat := info.Sys().(*syscall.Stat_t)
	if info.Mode().IsRegular() && stat.Nlink > 1 {
		if first := w.links[stat.Ino]; first != "" {
			header.Typeflag, header.Linkname, header.Size = tar.TypeLink, first, 0
			return w.tar.WriteHeader(header)
		}
		w.links[stat.Ino] = name
	}
	// File capabilities are part of an image; they live in this attribute.
	capability := make([]byte, 64)
	if n, err := unix.Lgetxattr(full, "security.capability", capability); err == nil {
		header.PAXRecords = map[string]string{"SCHILY.xattr.security.capability": string(capability[:n])}
	}
	if err := w.tar.WriteHeader(header); err != nil || !info.Mode().IsRegular() {
		return err
	}
	file, err := os.Open(full)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = io.Copy(w.tar, file)
	return err
}

// whiteout writes a mark for an entry of the base that the tree no longer has.
// Source: OCI image-spec, layer.md, "Whiteouts".
func (w *layerWriter) whiteout(full string, d fs.DirEntry, err error) error {
	if err != nil {
		return err
	}
	name, err := filepath.Rel(w.base, full)
	if err != nil || slices.Contains(kernelMade, strings.Split(name, "/")[0]) {
		return err
	}
	_, err = os.Lstat(filepath.Join(w.root, name))
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	header := &tar.Header{Typeflag: tar.TypeReg, Mode: 0o644, Name: path.Join(path.Dir(name), ".wh."+path.Base(name))}
	if err := w.tar.WriteHeader(header); err != nil || !d.IsDir() {
		return err
	}
	return fs.SkipDir
}
