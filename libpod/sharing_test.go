package libpod

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/manager-project/manager/libpod/lock"
)

// thing is what the tests share: a file, made and ended by no two at a time and never while it is used.
type thing struct {
	sharing
	t           *testing.T
	users       atomic.Int32
	made, ended atomic.Int32
	busy        atomic.Bool
	// ending is called while it is being taken down, broken says why it cannot be made, and killed that what is there is no good.
	ending func()
	broken error
	killed atomic.Bool
}

func newThing(t *testing.T) *thing {
	h := &thing{t: t}
	file := filepath.Join(t.TempDir(), "shared", "thing")
	h.sharing = sharing{
		dir:   filepath.Dir(file),
		whole: func() bool { return exists(file) && !h.killed.Load() },
		make: func(context.Context) error {
			defer h.only("made")()
			h.made.Add(1)
			h.killed.Store(false)
			return errors.Join(h.broken, os.WriteFile(file, nil, 0o600))
		},
		end: func(context.Context) error {
			defer h.only("taken down")()
			if !exists(file) {
				return nil
			}
			h.ended.Add(1)
			if h.ending != nil {
				h.ending()
			}
			return os.Remove(file)
		},
	}
	return h
}

// only wants nobody else at work, and no user.
func (h *thing) only(what string) (done func()) {
	if h.busy.Swap(true) {
		h.t.Errorf("%s while another is at work", what)
	}
	if n := h.users.Load(); n != 0 && !h.killed.Load() {
		h.t.Errorf("%s with %d users", what, n)
	}
	return func() { h.busy.Store(false) }
}

func (h *thing) enter() *lock.Lock {
	l, err := h.join(context.Background())
	if err != nil {
		h.t.Error(err)
	}
	h.users.Add(1)
	if !h.whole() && !h.killed.Load() {
		h.t.Error("joined what is not there")
	}
	return l
}

func (h *thing) exit(l *lock.Lock) {
	h.users.Add(-1)
	if err := h.leave(context.Background(), l); err != nil {
		h.t.Error(err)
	}
}

// gone wants nothing to be left.
func (h *thing) gone() {
	h.t.Helper()
	left, err := os.ReadDir(filepath.Dir(h.dir))
	if err != nil || len(left) > 0 {
		h.t.Errorf("left: %v, %v", left, err)
	}
}

// The first makes it, the last takes it down, and nobody is ever without.
func TestSharingTogether(t *testing.T) {
	h := newThing(t)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 40 {
				h.exit(h.enter())
			}
		})
	}
	all.Wait()
	if h.made.Load() != h.ended.Load() || h.made.Load() == 0 {
		t.Errorf("made %d times, ended %d times", h.made.Load(), h.ended.Load())
	}
	h.gone()
	first, second := h.enter(), h.enter()
	before := h.made.Load()
	h.exit(first)
	third := h.enter()
	if h.made.Load() != before || h.ended.Load() != before-1 {
		t.Error("it was made anew while it was used")
	}
	h.exit(third)
	h.exit(second)
	h.gone()
}

// Who comes while the last one takes it down gets a new one.
func TestSharingJoinedAtTheEnd(t *testing.T) {
	h := newThing(t)
	joined := make(chan *lock.Lock)
	h.ending = func() {
		h.ending = nil
		begun := make(chan struct{})
		go func() {
			close(begun)
			joined <- h.enter()
		}()
		<-begun
	}
	h.exit(h.enter())
	l := <-joined
	if h.made.Load() != 2 {
		t.Errorf("made %d times", h.made.Load())
	}
	h.exit(l)
	h.gone()
}

// What a killed user, a killed maker, or a carrier that ended has left is replaced, and what cannot be made leaves nothing.
func TestSharingLeftBehind(t *testing.T) {
	h := newThing(t)
	h.enter().Release() // killed: the kernel frees the lock
	h.users.Store(0)
	h.exit(h.enter())
	if h.made.Load() != 2 || h.ended.Load() != 2 {
		t.Errorf("made %d times, ended %d times", h.made.Load(), h.ended.Load())
	}
	h.gone()

	if err := errors.Join(mkdir(h.dir), os.WriteFile(filepath.Join(h.dir, "half"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	h.exit(h.enter())
	h.gone()

	old := h.enter()
	h.killed.Store(true)
	h.users.Add(-1)
	young := h.enter() // of another one, and the old one has no part in it
	if err := h.leave(context.Background(), old); err != nil || !h.whole() {
		t.Errorf("the first user's leaving ended the second one's: %v", err)
	}
	h.exit(young)
	h.gone()

	old = h.enter()
	h.killed.Store(true)
	if err := h.remove(context.Background()); err != nil {
		t.Error(err)
	}
	h.gone()
	h.exit(old)
	h.gone()

	h.broken = errors.New("broken")
	if _, err := h.join(context.Background()); !errors.Is(err, h.broken) {
		t.Errorf("joined what cannot be made: %v", err)
	}
	h.gone()
}
