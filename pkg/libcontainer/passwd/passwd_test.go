package passwd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestHome(t *testing.T) {
	dir := t.TempDir()
	write := func(text string) string {
		path := filepath.Join(dir, "passwd")
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for text, want := range map[string]string{
		"": "/",
		"root:x:0:0:root:/root:/bin/sh\na:x:5:5::/home/a:/bin/sh\n": "/home/a",
		"a:x:5:5::/first\na:x:5:5::/second\n":                       "/first",
		"a:x:5:5:::\n":                                              "/",
		"a:x:5\n":                                                   "/",
		"a:x:x:5::/no:\nb:x:05:5::/b:\n":                            "/b",
		"a:x:4294967301:5::/wrapped:\n":                             "/",
		"a:x:5:5::/nul\x00:\n":                                      "/",
		strings.Repeat("x", maxLine+1) + "\na:x:5:5::/late:\n":      "/",
		strings.Repeat("x:y\n", maxSize/4) + "a:x:5:5::/late:\n":    "/",
	} {
		if got := homeIn(t, write(text)); got != want {
			t.Errorf("%.60q: %q, want %q", text, got, want)
		}
	}
	fifo := filepath.Join(dir, "fifo")
	if err := unix.Mkfifo(fifo, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{fifo, "/dev/zero", dir} {
		if got := homeIn(t, path); got != "/" {
			t.Errorf("%s: %q", path, got)
		}
	}
}

func homeIn(t *testing.T, path string) string {
	t.Helper()
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	file := os.NewFile(uintptr(fd), path)
	defer func() { _ = file.Close() }()
	return Home(file, 5)
}
