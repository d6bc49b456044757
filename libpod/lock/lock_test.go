package lock

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/manager-project/manager/pkg/errdefs"
)

func TestExclusion(t *testing.T) {
	path := filepath.Join(t.TempDir(), "l")
	var (
		wg    sync.WaitGroup
		inner int
	)
	for range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for range 20 {
				l, err := Acquire(context.Background(), path, true)
				if err != nil {
					t.Error(err)
					return
				}
				inner++
				if inner != 1 {
					t.Error("two holders")
				}
				inner--
				l.Release()
			}
		}()
	}
	wg.Wait()
}

func TestContextEndsTheWait(t *testing.T) {
	path := filepath.Join(t.TempDir(), "l")
	l, err := Acquire(context.Background(), path, true)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Release()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if _, err := Acquire(ctx, path, true); !errors.Is(err, errdefs.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

// A waiter does not get the lock of a file that its holder removed.
func TestRemovedWhileWaiting(t *testing.T) {
	path := filepath.Join(t.TempDir(), "l")
	l, err := Acquire(context.Background(), path, true)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() {
		_, err := Acquire(context.Background(), path, false)
		done <- err
	}()
	time.Sleep(5 * time.Millisecond)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	l.Release()
	if err := <-done; !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

// Nobody finds a lock free whose maker holds it, at no moment of its making.
func TestMadeLockIsSeenHeld(t *testing.T) {
	dir := t.TempDir()
	if _, err := Make(filepath.Join(dir, "none", "l")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a directory: %v", err)
	}
	for i := range 100 {
		path := filepath.Join(dir, strconv.Itoa(i))
		made := make(chan *Lock)
		go func() {
			l, err := Make(path)
			if err != nil {
				t.Error(err)
			}
			made <- l
		}()
		for seen := false; !seen; {
			l, err := Try(path, false)
			switch {
			case l != nil:
				t.Fatal("the lock was free")
			case err == nil:
				seen = true
			case !errors.Is(err, ErrGone):
				t.Fatal(err)
			}
		}
		l := <-made
		if _, err := Make(path); !errors.Is(err, os.ErrExist) {
			t.Errorf("a second one: %v", err)
		}
		l.Release()
		again, err := Try(path, false)
		if err != nil || again == nil {
			t.Errorf("after its release: %v, %v", again, err)
		}
		again.Release()
	}
}
