package reserve

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestReserve keeps a reserve once, spends it once, and makes it anew.
func TestReserve(t *testing.T) {
	path := filepath.Join(t.TempDir(), "reserve")
	for range 2 {
		Keep(path, 1<<16)
		Keep(path, 1<<16)
		if st, err := os.Stat(path); err != nil || st.Size() != 1<<16 {
			t.Fatal(st, err)
		}
		if !Spend(path) || Spend(path) {
			t.Error("it was not spent once")
		}
	}
	Keep(filepath.Join(path, "nowhere"), 1<<16)
	for err, want := range map[error]bool{
		&os.PathError{Op: "write", Path: "x", Err: unix.ENOSPC}: true, unix.EDQUOT: true, errors.New("no space left on device"): false,
	} {
		if Full(fmt.Errorf("it failed: %w", err)) != want {
			t.Errorf("%v: want %v", err, want)
		}
	}
}
