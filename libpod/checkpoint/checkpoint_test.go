package checkpoint

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/manager-project/manager/pkg/errdefs"
)

// entry is a part of an archive under construction.
type entry struct {
	name, text string
	kind       byte
	link       string
	pax        map[string]string
	// size, if not 0, is said in place of the text's.
	size int64
}

// pack makes an archive with the right digests, unless one of the entries is digests.json itself.
func pack(t *testing.T, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	sums, own, cut := map[string]sum{}, false, false
	put := func(e entry) {
		if cut {
			return // the one before said that it was longer
		}
		cut = e.size != 0
		if e.kind == 0 {
			e.kind = tar.TypeReg
		}
		h := &tar.Header{Typeflag: e.kind, Name: e.name, Linkname: e.link, Size: int64(len(e.text)), Mode: 0o600, PAXRecords: e.pax}
		if e.size != 0 {
			h.Size = e.size
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(w, e.text)
	}
	for _, e := range entries {
		sums[e.name] = sumOf([]byte(e.text))
		own = own || e.name == digestsName
		put(e)
	}
	if !own {
		raw, _ := json.Marshal(sums)
		put(entry{name: digestsName, text: string(raw)})
	}
	_ = w.Close() // it complains of sizes that are lies
	return b.Bytes()
}

// unpack reads an archive into a fresh directory.
func unpack(t *testing.T, raw []byte, room int64) (dir string, config map[string]string, err error) {
	t.Helper()
	dir = t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = root.Close() }()
	r, err := NewReader("a.tar", bytes.NewReader(raw))
	if err != nil {
		return dir, nil, err
	}
	defer r.Close()
	if err := r.Config(&config); err != nil {
		return dir, nil, err
	}
	return dir, config, r.Extract(root, room)
}

// TestRoundTrip writes with each compression and reads back.
func TestRoundTrip(t *testing.T) {
	src := t.TempDir()
	for name, text := range map[string]string{"pages-1.img": strings.Repeat("page", 5000), "inventory.img": "", "tmpfs-dev-66.tar.gz.img": "x"} {
		if err := os.WriteFile(filepath.Join(src, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("../pre-checkpoint", filepath.Join(src, "parent")); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(src)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = root.Close() }()
	for _, compression := range []string{"none", "gzip", "zstd"} {
		var b bytes.Buffer
		w, err := NewWriter(&b, compression)
		if err != nil {
			t.Fatal(err)
		}
		err = errors.Join(
			w.Add(ConfigName, 11, strings.NewReader(`{"a":"b c"}`)), w.AddDir(ImagesDir, root), w.Add(RootfsName, 5, strings.NewReader("layer")), w.Close(),
		)
		if err != nil {
			t.Fatal(err)
		}
		dir, config, err := unpack(t, b.Bytes(), 1<<20)
		if err != nil || config["a"] != "b c" {
			t.Fatalf("%s: %v, %v", compression, config, err)
		}
		if raw, err := os.ReadFile(filepath.Join(dir, ImagesDir, "pages-1.img")); err != nil || len(raw) != 20000 {
			t.Errorf("%s: %d bytes, %v", compression, len(raw), err)
		}
		if raw, err := os.ReadFile(filepath.Join(dir, RootfsName)); err != nil || string(raw) != "layer" {
			t.Errorf("%s: %q, %v", compression, raw, err)
		}
		if _, err := os.Lstat(filepath.Join(dir, ImagesDir, "parent")); err == nil {
			t.Errorf("%s: the link came along", compression)
		}
		// Cut short anywhere, it is refused.
		for _, n := range []int{1, b.Len() / 2, b.Len() - 600} {
			if n > 0 && n < b.Len() {
				if _, _, err := unpack(t, b.Bytes()[:n], 1<<20); !errors.Is(err, errdefs.ErrCorrupt) {
					t.Errorf("%s, cut at %d of %d: %v", compression, n, b.Len(), err)
				}
			}
		}
	}
	if _, err := NewWriter(io.Discard, "rar"); !errors.Is(err, errdefs.ErrInvalid) {
		t.Errorf("rar: %v", err)
	}
}

// TestHostile refuses what a stranger may have put into an archive, and writes nothing outside.
func TestHostile(t *testing.T) {
	config := entry{name: ConfigName, text: "{}"}
	for name, tc := range map[string]struct {
		entries []entry
		want    string
	}{
		"traversal":              {[]entry{config, {name: "checkpoint/../../out", text: "x"}}, "no part of a checkpoint"},
		"a path outside":         {[]entry{config, {name: "/etc/cron.d/x", text: "x"}}, "no part of a checkpoint"},
		"parent":                 {[]entry{config, {name: "checkpoint/..", text: "x"}}, "no part of a checkpoint"},
		"a folder below":         {[]entry{config, {name: "checkpoint/a/b", text: "x"}}, "no part of a checkpoint"},
		"another name":           {[]entry{config, {name: "ctr.log", text: "x"}}, "no part of a checkpoint"},
		"a dot file":             {[]entry{config, {name: "checkpoint/.x", text: "x"}}, "no part of a checkpoint"},
		"symlink":                {[]entry{config, {name: "checkpoint/pages-1.img", kind: tar.TypeSymlink, link: "/etc/shadow"}}, "not a regular file"},
		"symlink as a folder":    {[]entry{config, {name: "checkpoint", kind: tar.TypeSymlink, link: "/tmp"}}, "not a regular file"},
		"hard link":              {[]entry{config, {name: "checkpoint/pages-1.img", kind: tar.TypeLink, link: "/etc/shadow"}}, "not a regular file"},
		"device":                 {[]entry{config, {name: "checkpoint/pages-1.img", kind: tar.TypeBlock}}, "not a regular file"},
		"pipe":                   {[]entry{config, {name: "checkpoint/pages-1.img", kind: tar.TypeFifo}}, "not a regular file"},
		"another folder":         {[]entry{config, {name: "etc/", kind: tar.TypeDir}}, "not a regular file"},
		"twice":                  {[]entry{config, {name: "checkpoint/a", text: "x"}, {name: "checkpoint/a", text: "y"}}, "in it twice"},
		"more than there is":     {[]entry{config, {name: "checkpoint/a", size: 1 << 40}}, "more than there is room for"},
		"more in sum":            {[]entry{config, {name: "checkpoint/a", text: strings.Repeat("x", 600<<10)}, {name: "checkpoint/b", text: strings.Repeat("x", 600<<10)}}, "more than there is room for"},
		"a lying size":           {[]entry{config, {name: "checkpoint/a", text: "x", size: 1000}}, ""},
		"no description":         {[]entry{{name: "checkpoint/a", text: "x"}}, "it begins with"},
		"nothing":                {nil, "it begins with"},
		"a broken description":   {[]entry{{name: ConfigName, text: "{"}}, ConfigName},
		"a huge description":     {[]entry{{name: ConfigName, text: strings.Repeat(" ", maxConfig+1)}}, "more than"},
		"another digest":         {[]entry{config, {name: "checkpoint/a", text: "x"}, {name: digestsName, text: `{"config.json":{"size":2,"sha256":"` + sumOf([]byte("{}")).SHA256 + `"},"checkpoint/a":{"size":1,"sha256":"00"}}`}}, "is not what"},
		"a digest of no entry":   {[]entry{config, {name: digestsName, text: `{"config.json":{"size":2},"checkpoint/a":{}}`}}, "tells of 2"},
		"no digests that can be": {[]entry{config, {name: digestsName, text: `[]`}}, digestsName},
		"an entry after the end": {[]entry{config, {name: digestsName, text: `{"config.json":{"size":2,"sha256":"` + sumOf([]byte("{}")).SHA256 + `"}}`}, {name: "checkpoint/a", text: "x"}}, "after its end"},
	} {
		t.Run(name, func(t *testing.T) {
			dir, _, err := unpack(t, pack(t, tc.entries...), 1<<20)
			if !errors.Is(err, errdefs.ErrCorrupt) || !strings.Contains(err.Error(), tc.want) || errdefs.Hint(err) == "" {
				t.Errorf("%v, want %q", err, tc.want)
			}
			if _, err := os.Lstat(filepath.Join(filepath.Dir(dir), "out")); err == nil {
				t.Error("it wrote outside")
			}
			_ = filepath.WalkDir(dir, func(path string, d os.DirEntry, _ error) error {
				if !d.IsDir() && !d.Type().IsRegular() {
					t.Errorf("%s is a %s", path, d.Type())
				}
				return nil
			})
		})
	}
}

// TestHoles has a file of the kind that is larger than what the archive has of it.
func TestHoles(t *testing.T) {
	raw := pack(t, entry{name: ConfigName, text: "{}"}, entry{name: "checkpoint/a", text: "x"})
	h := raw[bytes.Index(raw, []byte("checkpoint/a")):][:512]
	h[156] = tar.TypeGNUSparse
	copy(h[148:156], "        ")
	sum := 0
	for _, b := range h {
		sum += int(b)
	}
	copy(h[148:156], fmt.Sprintf("%06o\x00 ", sum))
	if _, _, err := unpack(t, raw, 1<<20); !errors.Is(err, errdefs.ErrCorrupt) {
		t.Errorf("%v", err)
	}
}

// TestBomb is small, and large inside.
func TestBomb(t *testing.T) {
	raw := pack(t, entry{name: ConfigName, text: "{}"}, entry{name: "checkpoint/a", text: strings.Repeat("\x00", 64<<20)})
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(raw); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	dir, _, err := unpack(t, b.Bytes(), 32<<20)
	if !errors.Is(err, errdefs.ErrCorrupt) || !strings.Contains(err.Error(), "room") {
		t.Errorf("%d bytes: %v", b.Len(), err)
	}
	if _, err := os.Lstat(filepath.Join(dir, "checkpoint/a")); err == nil {
		t.Error("it was begun to be unpacked")
	}
}

// FuzzRead feeds anything.
func FuzzRead(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{0x1f, 0x8b, 8})
	f.Add([]byte{0x28, 0xb5, 0x2f, 0xfd})
	f.Add(pack(&testing.T{}, entry{name: ConfigName, text: "{}"}, entry{name: "checkpoint/a", text: "x"}))
	f.Fuzz(func(t *testing.T, raw []byte) {
		dir, _, err := unpack(t, raw, 1<<16)
		if err != nil {
			return
		}
		if entries, _ := os.ReadDir(dir); len(entries) > 3 {
			t.Errorf("%v", entries)
		}
	})
}
