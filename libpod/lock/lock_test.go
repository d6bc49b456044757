package lock

import (
	"context"
	"errors"
	"os"
	"path/filepath"
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
