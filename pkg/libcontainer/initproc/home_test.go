package initproc

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestHomeOf(t *testing.T) {
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
		"root:x:0:0:root:/root:/bin/sh\na:x:5:5::/home/a:/bin/sh\n":  "/home/a",
		"a:x:5:5::/first\na:x:5:5::/second\n":                        "/first",
		"a:x:5:5:::\n":                                               "/",
		"a:x:5\n":                                                    "/",
		"a:x:x:5::/no:\nb:x:05:5::/b:\n":                             "/b",
		"a:x:4294967301:5::/wrapped:\n":                              "/",
		"a:x:5:5::/nul\x00:\n":                                       "/",
		strings.Repeat("x", maxPasswdLine+1) + "\na:x:5:5::/late:\n": "/",
		strings.Repeat("x:y\n", maxPasswd/4) + "a:x:5:5::/late:\n":   "/",
	} {
		if got := homeOf(5, write(text)); got != want {
			t.Errorf("%.60q: %q, want %q", text, got, want)
		}
	}
	if got := homeOf(5, filepath.Join(dir, "nothing")); got != "/" {
		t.Errorf("without a file: %q", got)
	}
	fifo := filepath.Join(dir, "fifo")
	if err := unix.Mkfifo(fifo, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{fifo, "/dev/zero", dir} {
		if got := homeOf(5, path); got != "/" {
			t.Errorf("%s: %q", path, got)
		}
	}
}
