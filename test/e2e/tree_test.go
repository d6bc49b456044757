package e2e

import (
	"debug/elf"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/manager-project/manager/internal/testenv"
	"github.com/manager-project/manager/internal/testenv/evil"
	"github.com/manager-project/manager/internal/testenv/registry"
)

// describeRoot in the environment makes this program describe its root directory instead
// of testing: that is how a test looks at a tree from inside a container.
const describeRoot = "MANAGER_TEST_DESCRIBE_ROOT"

func TestMain(m *testing.M) {
	if words := os.Getenv(peerVariable); words != "" {
		if err := bePeer(words); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if os.Getenv(describeRoot) == "" {
		if err := hideUnified(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(m.Run())
	}
	// What a container has besides its image: mounts, and the files made for it.
	text, err := evil.Describe("/", "proc", "sys", "dev", "etc", "run", "describe")
	fmt.Println(text)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// TestTree sends a tree with everything that tends to get lost through save and load in both
// formats, and through push and pull in three compressions, and compares what a container sees.
func TestTree(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if program, err := elf.Open(self); err != nil || len(program.Sections) > 0 && program.Section(".interp") != nil {
		t.Skip("the test program is not static; build it with CGO_ENABLED=0")
	}
	reg := registry.Start(t, registry.Options{})
	m := testenv.NewManager(t)
	trust(t, m, reg)
	archive := filepath.Join(t.TempDir(), "tree.tar")
	if err := evil.DockerArchive(archive, evil.Tree()); err != nil {
		t.Fatal(err)
	}
	m.MustRun(t, "load", "-q", "-i", archive)
	inside := func(m *testenv.Manager, name string) string {
		t.Helper()
		return m.MustRun(t, "run", "--rm", "--network", "none", "-e", describeRoot+"=1", "-v", self+":/describe:ro", name, "/describe")
	}
	want := inside(m, "tree:1")
	for _, part := range []string{
		`"bin/ping" mode=104755`, "security.capability=010000020020", "user.note=610062", `same-as="bin/ping"`,
		`"dev-null" mode=20600 owner=0:0 dev=103`, `"dev-loop" mode=60600 owner=0:0 dev=700`, `"pipe" mode=10620`,
		`"tmp" mode=41777`, `"sg" mode=102755`, "名前", `\xff\xfe`, `\nnewline`, `"data/01/new"`, `"data/39/074" mode=100612 owner=39000:7400000`,
	} {
		if !strings.Contains(want, part) {
			t.Errorf("the loaded tree lacks %s", part)
		}
	}
	if strings.Contains(want, `"data/00/001"`) || strings.Contains(want, `"data/01/002"`) || strings.Count(want, "\n") < 2900 {
		t.Errorf("whiteouts were not applied; %d entries", strings.Count(want, "\n"))
	}
	for _, format := range []string{"docker-archive", "oci-archive", "oci-dir"} {
		out := filepath.Join(t.TempDir(), "out")
		m.MustRun(t, "save", "-q", "--format", format, "-o", out, "tree:1")
		other := testenv.NewManager(t)
		other.MustRun(t, "load", "-q", "-i", out)
		if got := inside(other, "tree:1"); got != want {
			t.Errorf("%s changed the tree:\n%s", format, evil.Difference(want, got))
		}
	}
	for _, compression := range []string{"gzip", "zstd", "zstd:chunked"} {
		name := reg.Host + "/team/tree:" + strings.ReplaceAll(compression, ":", "-")
		m.MustRun(t, "push", "-q", "--compression-format", compression, "--force-compression", "tree:1", name)
		other := testenv.NewManager(t)
		trust(t, other, reg)
		if got := inside(other, name); got != want { // run pulls what is missing
			t.Errorf("%s changed the tree:\n%s", compression, evil.Difference(want, got))
		}
	}
}

// trust puts the registry's certificate where the manager looks for it.
func trust(t *testing.T, m *testenv.Manager, reg *registry.Registry) {
	t.Helper()
	ca, err := os.ReadFile(filepath.Join(reg.CertDir, "ca.crt"))
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(m.Dir, "home/.config/containers/certs.d", reg.Host)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "ca.crt"), ca, 0o600); err != nil {
		t.Fatal(err)
	}
}
