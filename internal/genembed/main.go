// Command genembed builds what package embedded carries. Run it in the module's root:
//
//	go run ./internal/genembed [-arch GOARCH] [-full FLAGS]
//
// It builds the programs that exist under cmd/, static and without debug tables, for
// Linux on this machine's or the named architecture, and packs cmd/hello into an image. A file whose content would not
// change is left alone, so that the compiler's cache stays good.
package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"
)

// The folders that package embedded carries.
const (
	assets = "internal/embedded/assets"
	full   = "internal/embedded/full"
)

// smallest are the linker's flags for programs that only their content matters of.
const smallest = "-s -w -buildid="

// fullFlags are the linker's flags for manager with everything linked in; "" leaves it out.
var fullFlags = flag.String("full", "", "build manager-full, with these flags for the linker")

// arch is the architecture to build for, in Go's words. It is a flag because GOARCH in
// the environment would also be what "go run" builds this command for.
var arch = flag.String("arch", runtime.GOARCH, "architecture to build for")

func main() {
	flag.Parse()
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "genembed:", err)
		os.Exit(1)
	}
}

func run() error {
	for _, name := range []string{"manager-monitor", "manager-runtime"} {
		data, err := build(name, smallest)
		if err != nil {
			return err
		}
		if data == nil {
			continue
		}
		sum := sha256.Sum256(data)
		if err := put(name+".id", []byte(hex.EncodeToString(sum[:8]))); err != nil {
			return err
		}
		if err := put(name, data); err != nil {
			return err
		}
	}
	hello, err := build("hello", smallest)
	if err != nil || hello == nil {
		return err
	}
	img, err := pack(hello)
	if err != nil {
		return err
	}
	if err := put("hello.tar", img); err != nil {
		return err
	}
	if *fullFlags == "" {
		return nil
	}
	return buildFull()
}

// buildFull builds manager with everything linked in, for the lean one to carry, and beside it
// in bin/ as it is installed. It comes last, since it carries the others.
func buildFull() error {
	program, err := build("manager", *fullFlags)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(program)
	id := []byte(hex.EncodeToString(sum[:8]))
	installed := filepath.Join("bin", "manager-full-"+string(id))
	if _, err := os.Stat(installed); err == nil {
		return nil
	}
	old, err := filepath.Glob(filepath.Join("bin", "manager-full-*"))
	for _, path := range old {
		err = errors.Join(err, os.Remove(path))
	}
	if err := errors.Join(err, os.MkdirAll("bin", 0o755)); err != nil {
		return err
	}
	packed, err := compress(program, gzip.DefaultCompression)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(full, "manager-full.gz"), packed, 0o644); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(full, "manager-full.id"), id, 0o644); err != nil {
		return err
	}
	return os.WriteFile(installed, program, 0o755)
}

// build compiles cmd/name and returns the program, or nil when there is no such command.
func build(name, flags string) ([]byte, error) {
	dir := filepath.Join("cmd", name)
	if files, err := filepath.Glob(filepath.Join(dir, "*.go")); err != nil || len(files) == 0 {
		return nil, err
	}
	tmp, err := os.MkdirTemp("", "genembed-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(tmp) }()
	out := filepath.Join(tmp, name)
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags", flags,
		"-tags", "containers_image_openpgp exclude_graphdriver_btrfs", "-o", out, "./"+dir)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+*arch)
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("build %s: %w", dir, err)
	}
	return os.ReadFile(out)
}

// put writes an asset unless it has that content already.
func put(name string, data []byte) error {
	path := filepath.Join(assets, name)
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, data) {
		return nil
	}
	return os.WriteFile(path, data, 0o644)
}

// epoch is the time of everything in the image, so that the same program gives the same image.
var epoch = time.Unix(0, 0).UTC()

// file is one entry of a tar.
type file struct {
	name string
	mode int64
	body []byte
	dir  bool
	link string
}

// pack makes a docker archive of an image whose only program is hello.
func pack(program []byte) ([]byte, error) {
	root := []file{
		{name: "bin/", mode: 0o755, dir: true},
		{name: "bin/hello", mode: 0o755, body: program},
		{name: "etc/", mode: 0o755, dir: true},
		{name: "etc/passwd", mode: 0o644, body: []byte("root:x:0:0:root:/root:/bin/hello\nnobody:x:65534:65534:nobody:/:/bin/hello\n")},
		{name: "etc/group", mode: 0o644, body: []byte("root:x:0:\nnogroup:x:65534:\n")},
		{name: "root/", mode: 0o700, dir: true},
		{name: "tmp/", mode: 0o1777, dir: true},
		{name: "dev/", mode: 0o755, dir: true},
		{name: "proc/", mode: 0o755, dir: true},
		{name: "sys/", mode: 0o755, dir: true},
	}
	for _, applet := range []string{"cat", "echo", "env", "false", "id", "ls", "serve", "sleep", "true"} {
		root = append(root, file{name: "bin/" + applet, link: "hello"})
	}
	layer, err := tarOf(root)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(layer)
	config, err := json.Marshal(map[string]any{
		"created": epoch, "architecture": *arch, "os": "linux",
		"config": map[string]any{
			"Env": []string{"PATH=/bin"}, "Cmd": []string{"/bin/hello"}, "WorkingDir": "/",
			"ExposedPorts": map[string]any{"8080/tcp": struct{}{}},
			"Labels":       map[string]string{"org.opencontainers.image.title": "hello", "org.opencontainers.image.description": "a friendly first container"},
		},
		"rootfs":  map[string]any{"type": "layers", "diff_ids": []string{"sha256:" + hex.EncodeToString(sum[:])}},
		"history": []any{map[string]any{"created": epoch, "created_by": "genembed"}},
	})
	if err != nil {
		return nil, err
	}
	id := sha256.Sum256(config)
	name := hex.EncodeToString(id[:]) + ".json"
	manifest, err := json.Marshal([]any{map[string]any{
		"Config": name, "Layers": []string{"layer.tar"}, "RepoTags": []string{"localhost/hello:latest"},
	}})
	if err != nil {
		return nil, err
	}
	archive, err := tarOf([]file{
		{name: name, mode: 0o644, body: config},
		{name: "layer.tar", mode: 0o644, body: layer},
		{name: "manifest.json", mode: 0o644, body: manifest},
	})
	if err != nil {
		return nil, err
	}
	return compress(archive, gzip.BestCompression)
}

// tarOf writes the files as a tar.
func tarOf(files []file) ([]byte, error) {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, f := range files {
		h := &tar.Header{Name: f.name, Mode: f.mode, Size: int64(len(f.body)), ModTime: epoch, Typeflag: tar.TypeReg}
		switch {
		case f.dir:
			h.Typeflag = tar.TypeDir
		case f.link != "":
			h.Typeflag, h.Linkname, h.Mode = tar.TypeSymlink, f.link, 0o777
		}
		if err := w.WriteHeader(h); err != nil {
			return nil, err
		}
		if _, err := w.Write(f.body); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

// compress gzips data without a time stamp.
func compress(data []byte, level int) ([]byte, error) {
	var buf bytes.Buffer
	w, err := gzip.NewWriterLevel(&buf, level)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(data); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}
