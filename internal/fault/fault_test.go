package fault

import (
	"errors"
	"testing"
)

func TestPoints(t *testing.T) {
	if err := Check("x"); err != nil {
		t.Errorf("a point that nobody armed: %v", err)
	}
	Point("x")
	var seen []string
	broken := errors.New("broken")
	Arm(func(point string) error { seen = append(seen, point); return broken })
	t.Cleanup(func() { Arm(nil) })
	if err := Check("a"); !errors.Is(err, broken) {
		t.Errorf("armed: %v", err)
	}
	Point("b")
	if len(Environ()) != 0 {
		t.Errorf("children get %q", Environ())
	}
	if len(seen) != 2 || seen[0] != "a" || seen[1] != "b" {
		t.Errorf("passed %q", seen)
	}
}
