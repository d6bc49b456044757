package testenv

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// CacheDir is where fixtures are kept: $MANAGER_TEST_CACHE, or .cache in the checkout, or
// manager-test below $XDG_CACHE_HOME when there is no checkout. It is created, mode 0755.
func CacheDir() (string, error) {
	dir := os.Getenv("MANAGER_TEST_CACHE")
	if dir == "" {
		if root, err := checkout(); err == nil {
			dir = filepath.Join(root, ".cache")
		} else if user, err := os.UserCacheDir(); err == nil {
			dir = filepath.Join(user, "manager-test")
		} else {
			return "", err
		}
	}
	return dir, os.MkdirAll(dir, 0o755)
}

// checkout is the folder of go.mod above the working directory.
func checkout() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("not in a checkout")
		}
	}
}

// key names content: a short hash of what decides it.
func key(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:8])
}

// cached returns the path of name in the cache, after making it with build if it is not
// there. build writes to the path it is given, a file or a folder that does not exist yet;
// it is renamed when build succeeds, so a killed build leaves nothing that counts. Other
// processes that want the same name wait.
func cached(name string, build func(path string) error) (string, error) {
	dir, err := CacheDir()
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, name)
	if _, err := os.Lstat(path); err == nil {
		return path, nil // whole, since it was renamed; another user than the cache's can read it
	}
	lock, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR|unix.O_CLOEXEC, 0o644)
	if err != nil {
		return "", err
	}
	defer lock.Close()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return "", fmt.Errorf("lock %s: %w", lock.Name(), err)
	}
	if _, err := os.Lstat(path); err == nil {
		return path, nil // somebody was faster
	}
	partial := path + ".partial"
	if err := os.RemoveAll(partial); err != nil {
		return "", err
	}
	if err := build(partial); err != nil {
		return "", errors.Join(err, os.RemoveAll(partial))
	}
	return path, os.Rename(partial, path)
}
