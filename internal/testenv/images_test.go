package testenv

import (
	"encoding/json"
	"os/exec"
	"testing"
	"time"
)

// TestImages builds each image (or takes it from the cache) and has skopeo, which is not
// ours, read the archive: its config and the digests of all its layers.
func TestImages(t *testing.T) {
	failOrSkip(t, programsThere("skopeo"))
	for name, layers := range map[string]int{"busybox": 1, "debian": 1, "nginx": 2, "redis": 2, "postgres": 2} {
		t.Run(name, func(t *testing.T) {
			if testing.Short() && name != "busybox" {
				t.Skip("building images takes minutes; not with -short")
			}
			begin := time.Now()
			path := Image(t, name)
			t.Logf("image %s: %v", name, time.Since(begin).Round(time.Millisecond))
			out, err := exec.Command("skopeo", "inspect", "docker-archive:"+path).CombinedOutput()
			if err != nil {
				t.Fatalf("skopeo inspect: %v: %s", err, out)
			}
			var seen struct{ Layers []string }
			if err := json.Unmarshal(out, &seen); err != nil {
				t.Fatal(err)
			}
			if len(seen.Layers) != layers {
				t.Errorf("%d layers, want %d:\n%s", len(seen.Layers), layers, out)
			}
			copied := exec.Command("skopeo", "--insecure-policy", "copy", "docker-archive:"+path, "dir:"+t.TempDir())
			if out, err := copied.CombinedOutput(); err != nil {
				t.Errorf("skopeo copy: %v: %s", err, out)
			}
		})
	}
}

func TestMirror(t *testing.T) {
	for name, tc := range map[string]struct{ got, want string }{
		"one line": {oneLineMirror("# deb http://a bookworm main\ndeb [signed-by=/k arch=amd64] http://b/debian bookworm main contrib\n", "bookworm"), "http://b/debian"},
		"other":    {oneLineMirror("deb http://b/debian trixie main\n", "bookworm"), ""},
		"stanza":   {stanzaMirror("Types: deb\nURIs: http://c\nSuites: other\nComponents: main\n\nTypes: deb deb-src\n# URIs: http://x\nURIs: http://d/debian\nSuites: bookworm bookworm-updates\nComponents: main\n", "bookworm"), "http://d/debian"},
	} {
		if tc.got != tc.want {
			t.Errorf("%s: got %q, want %q", name, tc.got, tc.want)
		}
	}
}
