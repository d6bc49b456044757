package crash

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/manager-project/manager/internal/testenv"
	"github.com/manager-project/manager/internal/testenv/evil"
	"github.com/manager-project/manager/internal/testenv/registry"
)

// incomplete is how the store notes a layer that is being filled.
var incomplete = regexp.MustCompile(`"incomplete": ?true`)

// TestPullsAfterAKilledOne kills a pull while its layer is half there, and pulls the image three times at once then: one takes
// the remains away, and all have the image.
func TestPullsAfterAKilledOne(t *testing.T) {
	t.Parallel()
	m := newManager(t)
	const count = 1000
	files := make([]evil.Entry, count)
	for i := range files {
		files[i] = evil.File(fmt.Sprintf("f%d", i), strings.Repeat("x", 1000), 0o644)
	}
	const big = "localhost/big:latest"
	if err := evil.DockerArchive(filepath.Join(m.Dir, "big.tar"), evil.Image{Name: big, Layers: [][]byte{evil.Layer(files...)}}); err != nil {
		t.Fatal(err)
	}
	reg := registry.Start(t, registry.Options{})
	name, certs := reg.Host+"/team/big:v1", "--cert-dir="+reg.CertDir
	m.must("load", "--quiet", "--input", "big.tar")
	m.must("push", "--quiet", certs, big, name)
	m.must("rmi", big)
	half := func() bool {
		for _, file := range []string{"layers.json", "volatile-layers.json"} {
			text, _ := os.ReadFile(filepath.Join(m.Root, "overlay-layers", file))
			if incomplete.Match(text) {
				return true
			}
		}
		return false
	}
	for try := 1; !half(); try++ {
		if try > 20 {
			t.Fatal("a pull was never killed with its layer half there")
		}
		m.must("rmi", "--ignore", name)
		ctx, cancel := context.WithCancel(context.Background())
		cmd := m.Command(ctx, "pull", "--quiet", certs, name)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		over := make(chan struct{})
		go func() { _ = cmd.Wait(); close(over) }()
		for waiting := true; waiting && !half(); {
			select {
			case <-over:
				waiting = false
			case <-time.After(time.Millisecond):
			}
		}
		cancel()
		<-over
	}
	cleaned := 0
	for i, r := range crowd(3, 3, func(int) testenv.Result { return m.Run("pull", "--quiet", certs, name) }) {
		if r.Code != 0 {
			t.Errorf("pull %d: exit code %d: %s", i, r.Code, r.Stderr)
		}
		cleaned += strings.Count(r.Stderr, "Found incomplete layer")
	}
	if cleaned != 1 || half() {
		t.Errorf("the remains were taken away %d times; there are some: %v", cleaned, half())
	}
	got := m.must("run", "--rm", "--network", "none", "--mount", "type=image,source="+name+",destination=/i", busybox, "sh", "-c", "ls /i | wc -l; cat /i/* | wc -c")
	if want := fmt.Sprintf("%d\n%d", count, count*1000); got != want {
		t.Errorf("in the image: %q, want %q", got, want)
	}
	m.must("rmi", name)
	m.noTemporaries()
	m.reuse("after the pulls")
}
