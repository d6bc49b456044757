package testenv

import (
	"archive/tar"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	imgspec "github.com/opencontainers/image-spec/specs-go/v1"
)

// busyboxPath is where the packages of all distributions put the static busybox.
const busyboxPath = "/bin/busybox"

// busyboxArchive makes the busybox image.
func busyboxArchive() (string, error) {
	layer, err := busyboxLayer()
	if err != nil {
		return "", err
	}
	sum, err := sha256File(layer)
	if err != nil {
		return "", err
	}
	config := &imgspec.ImageConfig{
		Env: []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}, Cmd: []string{"sh"},
	}
	return cached("busybox-"+key(recipeVersion, sum, configText(config))+".tar", func(path string) error {
		return writeArchive(path, "localhost/busybox:latest", config, []string{layer})
	})
}

// busyboxLayer makes the root filesystem: the static program, a link for each applet, the
// usual folders and a few users.
func busyboxLayer() (string, error) {
	if err := programsThere(busyboxPath); err != nil {
		return "", err
	}
	sum, err := sha256File(busyboxPath)
	if err != nil {
		return "", err
	}
	return cached("busybox-root-"+key(recipeVersion, sum)+".tar", writeBusybox)
}

// writeBusybox writes the root filesystem's tar; equal programs give equal bytes.
func writeBusybox(path string) error {
	applets, err := exec.Command(busyboxPath, "--list-full").Output()
	if err != nil {
		return fmt.Errorf("%s --list-full: %w", busyboxPath, err)
	}
	program, err := os.ReadFile(busyboxPath)
	if err != nil {
		return err
	}
	out, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer out.Close()
	w := &treeWriter{tar: tar.NewWriter(out)}
	for _, dir := range []string{"bin", "dev", "etc", "home", "proc", "run", "sbin", "sys", "usr", "usr/bin", "usr/sbin", "var", "var/log", "var/www"} {
		w.dir(dir, 0o755)
	}
	w.dir("root", 0o700)
	w.dir("tmp", 0o1777)
	w.file("bin/busybox", 0o755, program)
	w.file("etc/passwd", 0o644, []byte("root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1:daemon:/usr/sbin:/bin/false\nwww-data:x:33:33:www-data:/var/www:/bin/false\nnobody:x:65534:65534:nobody:/home:/bin/false\n"))
	w.file("etc/group", 0o644, []byte("root:x:0:\ndaemon:x:1:\nadm:x:4:daemon\nwww-data:x:33:\nnogroup:x:65534:\n"))
	for applet := range strings.FieldsSeq(string(applets)) {
		if applet != "bin/busybox" {
			w.link(applet, "/bin/busybox")
		}
	}
	if w.err != nil {
		return w.err
	}
	if err := w.tar.Close(); err != nil {
		return err
	}
	return out.Close()
}

// treeWriter writes entries with a fixed time and remembers the first error.
type treeWriter struct {
	tar *tar.Writer
	err error
}

// put writes one entry.
func (w *treeWriter) put(header *tar.Header, text []byte) {
	if w.err != nil {
		return
	}
	header.ModTime = time.Unix(0, 0)
	if w.err = w.tar.WriteHeader(header); w.err == nil && len(text) > 0 {
		_, w.err = w.tar.Write(text)
	}
}

func (w *treeWriter) dir(name string, mode int64) {
	w.put(&tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: mode}, nil)
}

func (w *treeWriter) file(name string, mode int64, text []byte) {
	w.put(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode, Size: int64(len(text))}, text)
}

func (w *treeWriter) link(name, target string) {
	w.put(&tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: target, Mode: 0o777}, nil)
}

// BusyboxLayer is the busybox image's only layer, for tests that put others on top of it.
func BusyboxLayer() ([]byte, error) {
	path, err := busyboxLayer()
	if err != nil {
		return nil, err
	}
	return os.ReadFile(path)
}
