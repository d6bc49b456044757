package image_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/internal/testenv/evil"
	"github.com/manager-project/manager/libpod/image"
)

// smallStore opens a service whose store has so many bytes of room.
func smallStore(t *testing.T, bytes int) (*image.Service, string) {
	t.Helper()
	dir := t.TempDir()
	if os.Geteuid() != 0 {
		t.Skip("a store of limited size needs root")
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d,mode=700", bytes)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return newService(t, func(o *image.OpenOptions) {
		o.GraphRoot, o.RunRoot = filepath.Join(dir, "root"), filepath.Join(dir, "run")
	}), dir
}

// header is one tar header with any size field, and its checksum. Source: tar(5), "POSIX
// ustar Archives" and "Numeric Extensions".
func header(name string, kind byte, size [12]byte) []byte {
	var block [512]byte
	copy(block[0:], name)
	copy(block[100:], "0000644\x000000000\x000000000\x00")
	copy(block[124:], size[:])
	copy(block[136:], "00000000000\x00        ")
	block[156] = kind
	copy(block[257:], "ustar\x0000")
	sum := 0
	for _, b := range block {
		sum += int(b)
	}
	copy(block[148:], fmt.Sprintf("%06o\x00 ", sum))
	return block[:]
}

// base256 is a size in GNU's binary form.
func base256(n int64) (size [12]byte) {
	if n < 0 {
		copy(size[:4], "\xff\xff\xff\xff")
	}
	binary.BigEndian.PutUint64(size[4:], uint64(n))
	size[0] |= 0x80
	return size
}

func octal(n int64) (size [12]byte) {
	copy(size[:], fmt.Sprintf("%011o", n))
	return size
}

// pax is an extended header with one record, and the entry behind it.
func pax(key, value, name string) []byte {
	record := fmt.Sprintf(" %s=%s\n", key, value)
	for n := len(record); ; n++ {
		if line := fmt.Sprint(n) + record; len(line) == n {
			record = line
			break
		}
	}
	block := make([]byte, 512)
	copy(block, record)
	return bytes.Join([][]byte{header("pax", 'x', octal(int64(len(record)))), block, header(name, '0', octal(0))}, nil)
}

// sparse is a file of that size without any data, as GNU tar writes it in PAX format 1.0.
func sparse(size int64) []byte {
	records := ""
	for _, r := range []string{"GNU.sparse.major=1", "GNU.sparse.minor=0", "GNU.sparse.name=hole", fmt.Sprintf("GNU.sparse.realsize=%d", size)} {
		records += fmt.Sprintf("%d %s\n", len(r)+4, r)
	}
	block := make([]byte, 512)
	copy(block, records)
	data := make([]byte, 512)
	copy(data, fmt.Sprintf("1\n%d\n0\n", size))
	return bytes.Join([][]byte{header("pax", 'x', octal(int64(len(records)))), block, header("hole", '0', octal(512)), data}, nil)
}

// oldSparse is such a file in GNU's older format, without a map of its data.
func oldSparse(size int64) []byte {
	block := header("hole", 'S', octal(0))
	copy(block[257:], "ustar  \x00")
	real := base256(size)
	copy(block[483:], real[:])
	copy(block[148:], "        ")
	sum := 0
	for _, b := range block {
		sum += int(b)
	}
	copy(block[148:], fmt.Sprintf("%06o\x00 ", sum))
	return block
}

// TestLayerSizes brings in layers that lie about their sizes or do not fit. All must end soon,
// with one line, in little memory, and leave the store as it was.
func TestLayerSizes(t *testing.T) {
	long(t)
	end := make([]byte, 1024)
	for name, tc := range map[string]struct {
		layer    []byte
		accepted bool
		cause    string // of the error
	}{
		"8 EiB":               {layer: append(header("huge", '0', base256(math.MaxInt64)), "data"...)},
		"8 EiB in PAX":        {layer: append(pax("size", "9223372036854775807", "huge"), end...)},
		"more than 64 bits":   {layer: append(pax("size", "92233720368547758070", "huge"), end...)},
		"negative":            {layer: append(header("neg", '0', base256(-512)), end...)},
		"negative in PAX":     {layer: append(pax("size", "-1", "neg"), end...)},
		"sparse 1 GiB":        {layer: append(sparse(1<<30), end...)},
		"sparse 1 EiB":        {layer: append(sparse(1<<60), end...), cause: "sparse file of 1152921504606846976 bytes"},
		"sparse 8 EiB":        {layer: append(sparse(math.MaxInt64), end...), cause: "sparse file"},
		"old sparse 4 EiB":    {layer: append(oldSparse(1<<62), end...), cause: "sparse file"},
		"sparse in parts":     {layer: append(bytes.Repeat(sparse(1<<30), 5), end...), cause: "sparse file of 1073741824 bytes"},
		"size above the data": {layer: append(header("long", '0', octal(1<<20)), "data"...)},
		"a directory's size":  {layer: append(header("dir/", '5', octal(1<<40)), end...)},
		"zeros at the end":    {layer: append(evil.Layer(evil.File("x", "x", 0o644)), make([]byte, 32<<20)...), accepted: true},
		"cut in a header":     {layer: evil.Layer(evil.File("x", "x", 0o644))[:300]},
		"noise":               {layer: bytes.Repeat([]byte("noise, no tar. "), 1000)},
	} {
		t.Run(name, func(t *testing.T) {
			svc, dir := smallStore(t, 48<<20)
			before := residentKiB(t)
			start := time.Now()
			_, err := loadLayers(t, svc, [][]byte{tc.layer})
			if took := time.Since(start); took > time.Minute {
				t.Errorf("took %v", took)
			}
			if grown := residentKiB(t) - before; grown > 256<<10 {
				t.Errorf("the peak grew by %d KiB", grown)
			}
			t.Logf("%v", err)
			if tc.accepted != (err == nil) && name != "a directory's size" {
				t.Errorf("error %v", err)
			}
			if tc.cause != "" && (err == nil || !strings.Contains(err.Error(), tc.cause)) {
				t.Errorf("error %v lacks %q", err, tc.cause)
			}
			if err != nil {
				checkRefused(t, svc, err, "")
				emptyStore(t, dir)
			}
		})
	}
}

// emptyStore looks for the room that a refused image still takes up.
func emptyStore(t *testing.T, dir string) {
	t.Helper()
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		t.Fatal(err)
	}
	if used := (st.Blocks - st.Bfree) * uint64(st.Bsize); used > 1<<20 {
		t.Errorf("%d bytes of the store are in use", used)
	}
}

// TestBombs brings in a few compressed bytes that become a great many: they end where the
// store does.
func TestBombs(t *testing.T) {
	long(t)
	var packed bytes.Buffer
	zip := gzip.NewWriter(&packed)
	sum := digest.SHA256.Digester()
	out := io.MultiWriter(zip, sum.Hash())
	const size = 256 << 20
	_, _ = out.Write(header("bomb", '0', octal(size)))
	zeros := make([]byte, 1<<20)
	for range size / len(zeros) {
		if _, err := out.Write(zeros); err != nil {
			t.Fatal(err)
		}
	}
	_, _ = out.Write(make([]byte, 1024))
	if err := zip.Close(); err != nil {
		t.Fatal(err)
	}
	svc, dir := smallStore(t, 48<<20)
	before := residentKiB(t)
	// An honest bomb: its digests are right.
	layout := t.TempDir()
	img := evil.Image{Layers: [][]byte{nil}, DiffIDs: []string{sum.Digest().String()}, Manifest: func(m map[string]any) {
		layer := m["layers"].([]any)[0].(map[string]any)
		layer["digest"], layer["size"] = digest.FromBytes(packed.Bytes()).String(), packed.Len()
	}}
	if err := evil.OCILayout(layout, img); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(layout, "blobs/sha256", digest.FromBytes(packed.Bytes()).Encoded()), packed.String())
	for way, bring := range map[string]func() error{
		"layer": func() error {
			_, err := svc.Load(t.Context(), image.LoadOptions{Path: layout})
			return err
		},
		"import": func() error {
			_, err := svc.Import(t.Context(), image.ImportOptions{Reader: bytes.NewReader(packed.Bytes())})
			return err
		},
	} {
		start := time.Now()
		err := bring()
		if err == nil {
			t.Fatalf("%s: 256 MiB were stored in 48 MiB", way)
		}
		t.Logf("%s: %v after %v", way, err, time.Since(start))
		if took := time.Since(start); took > time.Minute {
			t.Errorf("%s: took %v", way, took)
		}
		if !strings.Contains(err.Error(), "no space left") {
			t.Errorf("%s: the cause is not named: %v", way, err)
		}
		checkRefused(t, svc, err, "free space")
		emptyStore(t, dir)
	}
	if grown := residentKiB(t) - before; grown > 256<<10 {
		t.Errorf("the peak grew by %d KiB", grown)
	}
}

// TestManyEntries stores a layer of a hundred thousand tiny files.
func TestManyEntries(t *testing.T) {
	long(t)
	const n = 100_000
	var layer bytes.Buffer
	w := tar.NewWriter(&layer)
	for i := range n {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: fmt.Sprintf("d%03d/%05d", i%100, i), Mode: 0o644}
		if i < 100 {
			h = &tar.Header{Typeflag: tar.TypeDir, Name: fmt.Sprintf("d%03d/", i), Mode: 0o755}
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	svc := newService(t)
	start := time.Now()
	img, err := loadLayers(t, svc, [][]byte{layer.Bytes()})
	took := time.Since(start)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d entries in %v", n, took)
	if took > time.Minute {
		t.Errorf("%d entries took %v", n, took)
	}
	if _, err := svc.Remove(t.Context(), []string{img.ID}, image.RemoveOptions{}); err != nil {
		t.Error(err)
	}
}

// TestExtremeHeaders stores owners and times at the ends of their ranges: an owner that the
// kernel does not know is refused, and a time that cannot be kept is the epoch.
func TestExtremeHeaders(t *testing.T) {
	file := func(change func(h *tar.Header)) []byte {
		e := evil.File("f", "x", 0o644)
		e.Format = tar.FormatGNU
		change(&e.Header)
		return evil.Layer(e)
	}
	owner := func(n int) []byte { return file(func(h *tar.Header) { h.Uid, h.Gid = n, n }) }
	stamp := func(year int) []byte {
		return file(func(h *tar.Header) { h.ModTime = time.Date(year, 1, 2, 3, 4, 5, 0, time.UTC) })
	}
	const none = -1 // refused
	for name, tc := range map[string]struct {
		layer []byte
		uid   int64 // the only one it may have
		year  [2]int
	}{
		"uid 2^31":             {owner(1 << 31), 1 << 31, [2]int{2023, 2023}},
		"uid 2^32-2":           {owner(1<<32 - 2), 1<<32 - 2, [2]int{2023, 2023}},
		"uid 2^32-1":           {owner(1<<32 - 1), none, [2]int{2023, 2023}},
		"uid 2^32":             {owner(1 << 32), none, [2]int{2023, 2023}},
		"uid 2^32+1000":        {owner(1<<32 + 1000), none, [2]int{2023, 2023}},
		"uid -1":               {owner(-1), none, [2]int{2023, 2023}},
		"time before the year": {stamp(-1), 0, [2]int{-1, 1970}},
		"time in 1900":         {stamp(1900), 0, [2]int{1900, 1970}},
		"time in 9999":         {stamp(9999), 0, [2]int{1970, 9999}},
		"time in 1969":         {stamp(1969), 0, [2]int{1969, 1970}},
	} {
		t.Run(name, func(t *testing.T) {
			svc := newService(t)
			img, err := loadLayers(t, svc, [][]byte{tc.layer})
			if refused := tc.uid == none; refused != (err != nil) {
				t.Fatalf("error %v", err)
			} else if refused {
				if !strings.Contains(err.Error(), "belongs to") {
					t.Errorf("the cause is not named: %v", err)
				}
				checkRefused(t, svc, err, "")
				return
			}
			root, err := svc.Mount(t.Context(), img.ID, "")
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _, _ = svc.Unmount(t.Context(), img.ID, true) }()
			var st unix.Stat_t
			if err := unix.Lstat(filepath.Join(root, "f"), &st); err != nil {
				t.Fatal(err)
			}
			if int64(st.Uid) != tc.uid || int64(st.Gid) != tc.uid {
				t.Errorf("the owner became %d:%d", st.Uid, st.Gid)
			}
			if year := time.Unix(st.Mtim.Unix()).UTC().Year(); year < tc.year[0] || year > tc.year[1] {
				t.Errorf("the year became %d", year)
			}
		})
	}
}

// TestNestedIndexes pulls and loads indexes in indexes, and one that lists a great many.
func TestNestedIndexes(t *testing.T) {
	nest := func(depth int) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			img := simple("localhost/app:1")
			if err := evil.OCILayout(dir, img); err != nil {
				t.Fatal(err)
			}
			for range depth {
				wrapIndex(t, dir, 1)
			}
		}
	}
	for name, tc := range map[string]struct {
		make     func(t *testing.T, dir string)
		accepted bool
	}{
		"one level":   {nest(1), true},
		"1000 levels": {nest(1000), false},
		"wide": {func(t *testing.T, dir string) {
			if err := evil.OCILayout(dir, simple("localhost/app:1")); err != nil {
				t.Fatal(err)
			}
			wrapIndex(t, dir, 30_000)
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			tc.make(t, dir)
			svc := newService(t)
			before, start := residentKiB(t), time.Now()
			_, err := svc.Load(t.Context(), image.LoadOptions{Path: dir})
			t.Logf("after %v: %v", time.Since(start), err)
			if (err == nil) != tc.accepted {
				t.Errorf("error %v", err)
			}
			if took := time.Since(start); took > 30*time.Second {
				t.Errorf("took %v", took)
			}
			if grown := residentKiB(t) - before; grown > 256<<10 {
				t.Errorf("the peak grew by %d KiB", grown)
			}
			if err != nil {
				checkRefused(t, svc, err, "")
			}
		})
	}
}

// wrapIndex makes the layout's index a blob and lists that, so many times, in a new index.
func wrapIndex(t *testing.T, dir string, times int) {
	t.Helper()
	path := filepath.Join(dir, "index.json")
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	sum := digest.FromBytes(raw)
	writeFile(t, filepath.Join(dir, "blobs/sha256", sum.Encoded()), string(raw))
	entry := fmt.Sprintf(`{"mediaType":"application/vnd.oci.image.index.v1+json","digest":%q,"size":%d}`, sum, len(raw))
	writeFile(t, path, `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[`+
		strings.TrimSuffix(strings.Repeat(entry+",", times), ",")+`]}`)
}
