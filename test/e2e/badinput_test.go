package e2e

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/manager-project/manager/internal/testenv"
	"github.com/manager-project/manager/internal/testenv/evil"
)

// badInput is one command line that must be refused: with this exit code, one line on
// standard error that has all of want and a next step, nothing on standard output, and
// nothing changed.
type badInput struct {
	// args are the words. "·" stands for a space in a word, "⏎" for a newline, "∅" for an empty
	// word, IN for the folder of input files, TWO for the beginning that two ids share.
	args string
	code int
	want string // parts of the message, separated by " | "
}

// words are the command line's words.
func (b badInput) words(in, two string) []string {
	words := strings.Fields(b.args)
	for i, w := range words {
		words[i] = strings.NewReplacer("·", " ", "⏎", "\n", "∅", "", "IN", in, "TWO", two).Replace(w)
	}
	return words
}

// badWorld is the store that all cases share: containers in every state, a volume in use.
type badWorld struct {
	*testenv.Manager
	in, two string
}

func newBadWorld(t *testing.T) *badWorld {
	w := &badWorld{Manager: testenv.NewManager(t)}
	w.Image(t, "busybox")
	w.in = filepath.Join(w.Dir, "in")
	writeInputs(t, w.in)
	image := "localhost/busybox"
	w.MustRun(t, "run", "-d", "--network", "none", "--name", "running", image, "sleep", "1000")
	w.MustRun(t, "run", "-d", "--network", "none", "--name", "paused", image, "sleep", "1000")
	w.MustRun(t, "pause", "paused")
	w.MustRun(t, "run", "--network", "none", "--name", "stopped", image, "true")
	w.MustRun(t, "create", "--network", "none", "--name", "created", "-v", "used:/data", image, "true")
	w.MustRun(t, "create", "--network", "none", "--name", "broken", image, "/no/such")
	for range 2 { // from then on a failed start changes nothing more
		w.Run("start", "broken")
	}
	w.MustRun(t, "run", "--rm", "--network", "none", image, "true") // the store's files for such containers
	first := map[string]bool{}
	for i := 0; w.two == ""; i++ {
		id := w.MustRun(t, "create", "--network", "none", fmt.Sprintf("--name=z%d", i), image, "true")
		if first[id[:1]] {
			w.two = id[:1]
		}
		first[id[:1]] = true
	}
	return w
}

// writeInputs writes the files that cases name.
func writeInputs(t *testing.T, dir string) {
	layer := evil.Layer(evil.File("etc/hello", strings.Repeat("hello", 10_000), 0o644))
	check := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	check(os.Mkdir(dir, 0o700))
	good := filepath.Join(dir, "good.tar")
	check(evil.DockerArchive(good, evil.Image{Name: "localhost/good:1", Layers: [][]byte{layer}}))
	raw, err := os.ReadFile(good)
	check(err)
	flipped := slices.Clone(raw)
	flipped[2000] ^= 0xff
	for name, data := range map[string][]byte{
		"cid": []byte("x"), "text": []byte(strings.Repeat("not an archive\n", 100)), "empty": {},
		"truncated.tar": raw[:len(raw)/2], "flipped.tar": flipped,
		"garbage.gz": append([]byte{0x1f, 0x8b, 8, 0}, []byte(strings.Repeat("garbage", 100))...),
		"short.gz":   evil.Gzip(raw)[:200], "rootfs.tar": layer,
		"seccomp.json": []byte(`{"defaultAction":"SCMP_ACT_NOPE"}`), "seccomp.txt": []byte("{"),
		"bad.env": []byte("=x\n"), "label": []byte("=x\n"),
	} {
		check(os.WriteFile(filepath.Join(dir, name), data, 0o600))
	}
	check(os.Mkdir(filepath.Join(dir, "dir"), 0o700))
	lying := filepath.Join(dir, "lying")
	check(evil.OCILayout(lying, evil.Image{Layers: [][]byte{layer}, DiffIDs: []string{"sha256:" + strings.Repeat("0", 64)}}))
	short := filepath.Join(dir, "shortlayer")
	check(evil.OCILayout(short, evil.Image{Layers: [][]byte{layer}, Manifest: func(m map[string]any) {
		hex := strings.TrimPrefix(m["layers"].([]any)[0].(map[string]any)["digest"].(string), "sha256:")
		check(os.Truncate(filepath.Join(short, "blobs/sha256", hex), 60))
	}}))
}

// picture is everything that a refused command must not change.
func (w *badWorld) picture(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	b.WriteString(w.MustRun(t, "ps", "-a", "--no-trunc", "--format", "{{.ID}} {{.Names}} {{.State}}") + "\n")
	b.WriteString(w.MustRun(t, "images", "-a", "--no-trunc", "--format", "{{.ID}} {{.Repository}}:{{.Tag}}") + "\n")
	b.WriteString(w.MustRun(t, "volume", "ls", "--format", "{{.Name}}") + "\n")
	things, err := testenv.Picture(w.Marks())
	if err != nil {
		t.Fatal(err)
	}
	b.WriteString(strings.Join(things, "\n") + "\n")
	for _, dir := range []string{w.Root, w.RunRoot, w.TmpDir, w.in} {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() && (strings.HasSuffix(path, "/diff") || strings.HasSuffix(path, "/work")) {
				err = fs.SkipDir
			}
			// SQLite's and the store's own side files come and go with reading.
			if !strings.HasSuffix(path, "-wal") && !strings.HasSuffix(path, "-shm") && !strings.HasSuffix(path, ".lock") {
				fmt.Fprintln(&b, path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

// internals are words of the machinery that no user should read.
var internals = []string{
	"level=", "/proc/self/fd", "goroutine", "panic:", "*errors", "*fs.", "errdefs", "libpod", "strconv", "invalid character", "unmarshal",
	"cobra", "pflag", "sql", "%!", "<nil>", "errno",
}

// check looks at one refusal.
func (b badInput) check(t *testing.T, in string, args []string, r testenv.Result) {
	t.Helper()
	line := strings.TrimSuffix(r.Stderr, "\n")
	t.Logf("manager %s: %d\n%s", strings.Join(args, " "), r.Code, line)
	if r.Code != b.code {
		t.Errorf("exit code %d, want %d", r.Code, b.code)
	}
	// inspect answers with a list even when it is empty, as Podman's and Docker's do.
	if r.Stdout != "" && !(slices.Contains(args, "inspect") && r.Stdout == "[]\n") {
		t.Errorf("standard output: %q", r.Stdout)
	}
	if strings.Contains(line, "\n") || !strings.HasPrefix(line, "Error: ") {
		t.Errorf("not one line of error")
	}
	if _, hint, ok := strings.Cut(line, "; "); !ok || hint == "" {
		t.Errorf("no next step")
	}
	if len(line) > 400 {
		t.Errorf("%d bytes long", len(line))
	}
	for _, part := range strings.Split(strings.ReplaceAll(b.want, "IN/", in+"/"), " | ") {
		if !strings.Contains(line, part) {
			t.Errorf("%q is missing", part)
		}
	}
	for _, word := range internals {
		if strings.Contains(line, word) && !strings.Contains(strings.Join(args, " "), word) {
			t.Errorf("%q is none of the user's words", word)
		}
	}
}

// TestBadInput gives the program wrong words in every place where it takes some. The cases
// share one store, so that each proves as well that those before it did no harm.
func TestBadInput(t *testing.T) {
	w := newBadWorld(t)
	before := w.picture(t)
	for _, group := range badInputs {
		t.Run(group.name, func(t *testing.T) {
			for _, b := range group.cases {
				t.Run(b.args, func(t *testing.T) {
					args := b.words(w.in, w.two)
					b.check(t, w.in, args, w.Run(args...))
					before = w.unchanged(t, before)
				})
			}
		})
	}
}

// unchanged fails the test when the picture is not what it was, after a moment: a process
// that another test is just starting may hold our mounts until it has its own.
func (w *badWorld) unchanged(t *testing.T, before string) string {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		now := w.picture(t)
		if now == before {
			return now
		}
		if time.Now().After(deadline) {
			t.Errorf("changed:\n%s", difference(before, now))
			return now
		}
	}
}

// difference lists the lines that only one of the pictures has.
func difference(before, now string) string {
	was, is := strings.Split(before, "\n"), strings.Split(now, "\n")
	var out []string
	for _, l := range was {
		if !slices.Contains(is, l) {
			out = append(out, "- "+l)
		}
	}
	for _, l := range is {
		if !slices.Contains(was, l) {
			out = append(out, "+ "+l)
		}
	}
	return strings.Join(out, "\n")
}

// TestBadInputJSON sees that with --format json errors are JSON too.
func TestBadInputJSON(t *testing.T) {
	m := testenv.NewManager(t)
	for _, words := range []string{
		"ps --format json --filter nope=1", "images --format json --filter nope=1", "inspect --format json nosuch",
		"volume ls --format json --filter nope=1", "info --format json extra", "version --format json extra", "ps --format json --nope",
		"history --format json nosuch", "image inspect --format json nosuch", "volume inspect --format json nosuch",
	} {
		t.Run(words, func(t *testing.T) {
			r := m.Run(strings.Fields(words)...)
			var e struct{ Error, Hint, Class string }
			err := json.Unmarshal([]byte(r.Stderr), &e)
			if err != nil || e.Error == "" || e.Class == "" || e.Class == "internal" || e.Hint == "" || r.Code == 0 || strings.Count(r.Stderr, "\n") != 1 {
				t.Errorf("code %d, %+v, %v: %q", r.Code, e, err, r.Stderr)
			}
		})
	}
}
