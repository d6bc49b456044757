package testenv

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// Programs returns the folder with bin/manager, manager-runtime and manager-monitor:
// $MANAGER_BIN, or a build of the checkout made once per test run in the cache. The folder
// belongs to all tests.
func Programs(t testing.TB) string {
	t.Helper()
	dir, err := programs()
	if err != nil {
		t.Fatalf("programs: %v", err)
	}
	return dir
}

var programs = sync.OnceValues(func() (string, error) {
	if dir := os.Getenv("MANAGER_BIN"); dir != "" {
		if !filepath.IsAbs(dir) {
			return "", fmt.Errorf("$MANAGER_BIN %s is not absolute", dir)
		}
		return dir, nil
	}
	root, err := checkout()
	if err != nil {
		return "", err
	}
	cache, err := CacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "bin")
	const tags = "containers_image_openpgp exclude_graphdriver_btrfs"
	for _, args := range [][]string{
		{"run", "./internal/genembed"},
		{"build", "-trimpath", "-tags", tags, "-o", dir + "/", "./cmd/manager", "./cmd/manager-runtime", "./cmd/manager-monitor"},
	} {
		cmd := exec.Command("go", args...)
		cmd.Dir = root
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if err := run(cmd); err != nil {
			return "", err
		}
	}
	return dir, nil
})
