package spec

import (
	"errors"
	"reflect"
	"testing"

	"github.com/manager-project/manager/pkg/errdefs"
)

func TestOverlayEnv(t *testing.T) {
	base := []string{"PATH=/bin", "A=1"}
	got, err := OverlayEnv(base, [][]byte{[]byte("B=file\nC=file\n")}, []string{"C=cmd", "A", "X*", "GONE"}, []string{"A=host", "X1=y"})
	if want := []string{"PATH=/bin", "A=host", "B=file", "C=cmd", "X1=y"}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, %v", got, err)
	}
	if base[1] != "A=1" {
		t.Error("the base was changed")
	}
	if _, err := OverlayEnv(nil, nil, []string{"=x"}, nil); !errors.Is(err, errdefs.ErrInvalid) {
		t.Errorf("error %v", err)
	}
	if _, err := OverlayEnv(nil, [][]byte{[]byte("=x")}, nil, nil); !errors.Is(err, errdefs.ErrInvalid) {
		t.Errorf("error %v", err)
	}
}
