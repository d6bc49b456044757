package e2e

import (
	"archive/tar"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/manager-project/manager/internal/testenv"
	"github.com/manager-project/manager/internal/testenv/evil"
)

// The tests named TestHostile run images that no honest tool would make. Each watches a
// canary, a folder of the host that nothing may touch or read. Layers and configs that load,
// pull and import must refuse or tame are in libpod/image.

// hostile is a private manager with a canary.
type hostile struct {
	*testenv.Manager
	canary *evil.Canary
	base   []byte
	images int
}

func newHostile(t *testing.T) *hostile {
	base, err := testenv.BusyboxLayer()
	if err != nil {
		t.Skipf("no busybox: %v", err)
	}
	return &hostile{Manager: testenv.NewManager(t), canary: evil.NewCanary(t), base: base}
}

// image loads an image of busybox with the entries on top, and returns its name.
func (h *hostile) image(t *testing.T, execution map[string]any, entries ...evil.Entry) string {
	t.Helper()
	h.images++
	name := fmt.Sprintf("localhost/evil:%d", h.images)
	if execution == nil {
		execution = map[string]any{}
	}
	if execution["Env"] == nil {
		execution["Env"] = []string{"PATH=/bin:/sbin:/usr/bin:/usr/sbin"}
	}
	path := filepath.Join(h.Dir, "evil.tar")
	img := evil.Image{Name: name, Execution: execution, Layers: [][]byte{h.base, evil.Layer(entries...)}}
	if err := evil.DockerArchive(path, img); err != nil {
		t.Fatal(err)
	}
	h.MustRun(t, "load", "-q", "-i", path)
	return name
}

// run runs a command line and sees that the canary is whole and its secret unseen.
func (h *hostile) run(t *testing.T, args ...string) testenv.Result {
	t.Helper()
	r := h.Run(args...)
	h.canary.Check(t)
	if strings.Contains(r.Stdout+r.Stderr, h.canary.Token) {
		t.Errorf("%v showed the secret", args)
	}
	if r.Code == -1 {
		t.Errorf("%v did not end", args)
	}
	return r
}

// targets are the ways in which a link points at a place of the host.
func (h *hostile) targets(below string) []string {
	return []string{h.canary.Dir + below, "../../../../../../../.." + h.canary.Dir + below}
}

// TestHostileS01LinkedSystemDirectories: /dev, /proc, /sys and /run are links to the host.
func TestHostileS01LinkedSystemDirectories(t *testing.T) {
	h := newHostile(t)
	for _, dir := range []string{"dev", "dev/pts", "dev/shm", "proc", "sys", "run"} {
		for i, target := range h.targets("") {
			image := h.image(t, nil, evil.Symlink(dir, target))
			for _, options := range [][]string{{"-t"}, {"--read-only", "--device", "/dev/null:/dev/mine"}} {
				args := append([]string{"run", "--rm", "--network", "none"}, options...)
				r := h.run(t, append(args, image, "true")...)
				if (dir == "proc" || dir == "sys") && (r.Code != 125 || strings.Count(r.Stderr, "\n") != 1 || !strings.Contains(r.Stderr, "/"+dir)) {
					t.Errorf("S06: %s is a link: code %d, %q", dir, r.Code, r.Stderr) // S06
				}
			}
			name := fmt.Sprintf("%s-%d", strings.ReplaceAll(dir, "/", "-"), i)
			h.run(t, "create", "--network", "none", "--name", name, image, "true")
			h.run(t, "start", "-a", name)
			h.run(t, "rm", "-f", name)
		}
	}
}

// TestHostileS02LinkedNodes: the nodes that are made in /dev are links to files of the host,
// below a /dev that the user has bound.
func TestHostileS02LinkedNodes(t *testing.T) {
	h := newHostile(t)
	victim := h.canary.Dir + "/victim"
	image := h.image(t, nil,
		evil.Symlink("dev/null", victim), evil.Symlink("dev/console", victim), evil.Symlink("dev/ptmx", victim),
		evil.Symlink("dev/fd", h.canary.Dir), evil.Symlink("dev/mine", victim), evil.Symlink("out/mine", victim), evil.Symlink("lnk", h.canary.Dir))
	for _, args := range []string{
		"IMAGE true", "-t IMAGE true", "-t --read-only IMAGE true", "--device /dev/null:/dev/mine IMAGE true",
		"--device /dev/null:/out/mine IMAGE true", "--device /dev/null:/lnk/victim IMAGE true", "--privileged IMAGE true",
		"-u 1000 -t IMAGE true",
	} {
		words := strings.Fields("run --rm --network none " + strings.Replace(args, "IMAGE", image, 1))
		h.run(t, words...)
	}
}

// TestHostileS08LinkedMountPoints: mount points lie behind links; they are made inside.
func TestHostileS08LinkedMountPoints(t *testing.T) {
	h := newHostile(t)
	for _, target := range h.targets("/conf.d") {
		image := h.image(t, nil, evil.Symlink("l", target), evil.Symlink("f", target+"/../victim"))
		for _, options := range []string{
			"-v DIR:/l/dir", "-v DIR/file:/l/file", "--tmpfs /l/tmp", "-v named:/l/vol", "-v DIR:/l", "-v DIR/file:/f",
			"-v /l/anonymous", "--mount type=bind,src=DIR/file,dst=/l/deep/file", "--device /dev/null:/l/dev",
		} {
			dir := t.TempDir()
			writeText(t, dir+"/file", "bound")
			words := strings.Fields("run --rm --network none " + strings.ReplaceAll(options, "DIR", dir))
			r := h.run(t, append(words, image, "true")...)
			if r.Code != 0 {
				t.Errorf("%s: %d %s", options, r.Code, r.Stderr)
			}
		}
	}
}

// engineFiles are the files that the engine puts into containers.
var engineFiles = []string{
	"run/.containerenv", "etc/hosts", "etc/hostname", "etc/resolv.conf", "etc/passwd", "etc/group", "etc/localtime", "etc/mtab",
}

// TestHostileS10LinkedEngineFiles: what the engine writes is in the image as a link to the
// host, or in a directory that is one.
func TestHostileS10LinkedEngineFiles(t *testing.T) {
	h := newHostile(t)
	for _, file := range engineFiles {
		for _, target := range append(h.targets("/secret"), h.canary.Dir+"/conf.d/new", h.canary.Dir+"/pipe") {
			image := h.image(t, nil, evil.Symlink(file, target))
			h.run(t, "run", "--rm", "--network", "none", "--user", "1000", "--tz", "UTC", "--hostname", "h",
				image, "sh", "-c", "cat /"+file+"; echo x >>/"+file+"; ls -l /"+file)
		}
	}
	for _, dir := range []string{"etc", "run"} {
		for _, target := range h.targets("") {
			image := h.image(t, nil, evil.Symlink(dir, target))
			h.run(t, "run", "--rm", "--network", "none", "--user", "1000", "--tz", "UTC", "--hosts-file", "image", image, "cat", "/etc/secret")
		}
	}
}

// TestHostileS11LinkedWorkdir: the working directory lies behind a link, and is made for the
// image's user.
func TestHostileS11LinkedWorkdir(t *testing.T) {
	h := newHostile(t)
	for _, target := range h.targets("") {
		image := h.image(t, map[string]any{"WorkingDir": "/w/new", "User": "1000"}, evil.Symlink("w", target))
		r := h.run(t, "run", "--rm", "--network", "none", image, "pwd")
		if r.Code == 0 && strings.TrimSpace(r.Stdout) != h.canary.Dir+"/new" { // where the link leads inside
			t.Errorf("in %q", r.Stdout)
		}
		h.run(t, "run", "--rm", "--network", "none", "-w", "/w/other/deep", image, "pwd")
		h.run(t, "run", "-d", "--network", "none", "--name", "c", image, "sleep", "100")
		h.run(t, "exec", "-w", "/w/conf.d", "c", "pwd")
		h.run(t, "rm", "-f", "c")
	}
}

// fifo is a FIFO entry.
func fifo(name string) evil.Entry {
	return evil.Entry{Header: tar.Header{Typeflag: tar.TypeFifo, Name: name, Mode: 0o644}}
}
