package pack

import (
	"errors"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
)

type inner struct {
	Name string
	Tags map[string]string
}

// everything has a field of each kind that can be packed.
type everything struct {
	Yes           bool
	Small         int8
	Number        int
	Big           uint64
	Raw           uintptr
	Text          string
	Bytes         []byte
	Words         []string
	Empty         []string
	None          []string
	Pointer       *int
	Nothing       *inner
	Inner         inner
	Inners        []inner
	Pointers      []*inner
	Three         [3]bool
	NoMap, OneMap map[string]string
}

func full() everything {
	n := -7
	return everything{
		Yes: true, Small: math.MinInt8, Number: math.MinInt64, Big: math.MaxUint64, Raw: 1 << 40, Text: "a\x00ä", Bytes: []byte{0, 255},
		Words: []string{"", "b"}, Empty: []string{}, Pointer: &n, Inner: inner{"x", map[string]string{"b": "2", "a": "1"}},
		Inners: []inner{{}, {Name: "y"}}, Pointers: []*inner{nil, {Name: "z"}}, Three: [3]bool{false, true, false}, OneMap: map[string]string{"": ""},
	}
}

func TestRoundTrip(t *testing.T) {
	for _, want := range []everything{{}, full()} {
		b, err := Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		got := full() // what was there before is overwritten
		if err := Unmarshal(b, &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		if again, _ := Marshal(got); string(again) != string(b) {
			t.Error("the same value gives other bytes")
		}
	}
}

func TestDamaged(t *testing.T) {
	b, err := Marshal(full())
	if err != nil {
		t.Fatal(err)
	}
	for n := range b {
		var got everything
		if err := Unmarshal(b[:n], &got); !errors.Is(err, ErrDamaged) {
			t.Fatalf("the first %d of %d bytes: %v", n, len(b), err)
		}
	}
	var got everything
	if err := Unmarshal(append(b, 0), &got); !errors.Is(err, ErrDamaged) {
		t.Errorf("a byte too many: %v", err)
	}
	var tiny struct{ N int8 }
	if wide, _ := Marshal(struct{ N int }{300}); !errors.Is(Unmarshal(wide, &tiny), ErrDamaged) {
		t.Error("300 fits into int8")
	}
}

func TestRefused(t *testing.T) {
	for _, v := range []any{struct{ F float64 }{}, struct{ F func() }{}, struct{ hidden int }{}, struct{ M map[int]int }{}, struct{ I any }{}} {
		if _, err := Marshal(v); err == nil {
			t.Errorf("%T was packed", v)
		}
	}
	if Unmarshal([]byte{0}, everything{}) == nil {
		t.Error("a value is no place to unpack to")
	}
}

func FuzzUnmarshal(f *testing.F) {
	b, err := Marshal(full())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		var got everything
		if Unmarshal(b, &got) != nil {
			return
		}
		packed, err := Marshal(got)
		if err != nil {
			t.Fatal(err)
		}
		var again everything
		if err := Unmarshal(packed, &again); err != nil || !cmp.Equal(got, again) {
			t.Errorf("%v: %s", err, cmp.Diff(got, again))
		}
	})
}
