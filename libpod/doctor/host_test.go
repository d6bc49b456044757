package doctor

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.podman.io/storage/pkg/reexec"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) {
	if reexec.Init() {
		return
	}
	os.Exit(m.Run())
}

// The real trial makes its namespaces and mounts, and leaves nothing, neither where the store is nor where it
// will be.
func TestTry(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root; TestDoctorUser tries a user's")
	}
	dir := t.TempDir()
	for _, store := range []string{dir, filepath.Join(dir, "not/yet")} {
		tr := try(t.Context(), false, store)
		if tr.Clone != nil || tr.Map != nil || tr.Place != nil || tr.Chown != nil || tr.Other != nil {
			t.Errorf("%+v", tr)
		}
		var st unix.Statfs_t
		if err := unix.Statfs(dir, &st); err == nil && st.Type != unix.OVERLAYFS_SUPER_MAGIC && tr.Overlay != nil {
			t.Errorf("%v", tr.Overlay)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("left: %v, %v", left, err)
		}
	}
	if mounts, err := os.ReadFile("/proc/self/mounts"); err != nil || strings.Contains(string(mounts), dir) {
		t.Errorf("left mounts, %v", err)
	}
	// On proc there is no place, and no file system that takes an overlay.
	if tr := try(t.Context(), false, "/proc/sys"); tr.Place == nil {
		t.Errorf("%+v", tr)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if tr := try(ctx, false, dir); tr.Clone == nil && tr.Other == nil {
		t.Errorf("after its time: %+v", tr)
	}
}

func TestMakesAndTakesAway(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("long/", 40))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(bind(dir), makeDir(dir)); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
	if bind("/proc/self/nowhere") == nil || makeDir("/proc/self") == nil {
		t.Error("made something in /proc")
	}
	if s, err := space(filepath.Join(dir, "not/yet")); err != nil || s.Size == 0 {
		t.Errorf("%+v, %v", s, err)
	}
}

// silence is no code of an answer.
const silence = 255

// answer makes a response of a query, with an address if the code is 0. Source: RFC 1035, section 4.
func answer(query []byte, code byte) []byte {
	end := 12 + bytes.IndexByte(query[12:], 0) + 5
	a := append([]byte{}, query[:end]...)
	a[2] |= 0x80
	a[3] = code
	a[6], a[7], a[8], a[9], a[10], a[11] = 0, 0, 0, 0, 0, 0
	if code == 0 {
		a[7] = 1
		a = append(a, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, 192, 0, 2, 7)
	}
	return a
}

// A server that answers works, also with "no such name"; one that refuses or is silent does not.
func TestResolve(t *testing.T) {
	serve := func(address string, code byte) {
		t.Helper()
		conn, err := net.ListenPacket("udp", address+":53")
		if err != nil {
			t.Skipf("no port 53 on %s: %v", address, err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		go func() {
			for query := make([]byte, 512); ; {
				n, from, err := conn.ReadFrom(query)
				if err != nil {
					return
				}
				if code != silence {
					_, _ = conn.WriteTo(answer(query[:n], code), from)
				}
			}
		}()
	}
	serve("127.77.0.1", 0)
	serve("127.77.0.2", 3)
	serve("127.77.0.3", 2)
	serve("127.77.0.4", silence)
	for server, works := range map[string]bool{"127.77.0.1": true, "127.77.0.2": true, "127.77.0.3": false, "127.77.0.4": false, "127.77.0.5": false} {
		began := time.Now()
		if err := resolve(t.Context(), server, "registry.example"); (err == nil) != works {
			t.Errorf("%s: %v after %v", server, err, time.Since(began))
		}
	}
}
