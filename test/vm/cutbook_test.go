package main

import (
	"slices"
	"testing"
)

// TestPowerCutBook: what was reported done has to be there, what was only begun may be.
func TestPowerCutBook(t *testing.T) {
	b := readBook(`begin 0 create old
done 0 create old
reset
begin 0 create a
done 0 create a
begin 1 volume v
done 1 volume v
begin 1 data v 17
done 1 data v 17
begin 2 load i
done 2 load i
begin 2 rmi i
begin 0 rename a b
`)
	for _, c := range []struct {
		found map[string]string
		want  []string
	}{
		{map[string]string{"container a": "", "volume v": "17", "image i": ""}, nil},
		{map[string]string{"container b": "", "volume v": "17"}, nil},
		{map[string]string{"container b": "", "volume v": "3"}, []string{`volume v has "3", was reported to have "17"`}},
		{map[string]string{"container b": ""}, []string{"volume v was reported done and is not there"}},
		{
			map[string]string{"container b": "", "volume v": "17", "container old": ""},
			[]string{"container old was never made, or reported gone, and is there"},
		},
	} {
		if got := b.compare(c.found); !slices.Equal(got, c.want) {
			t.Errorf("%v: %q, want %q", c.found, got, c.want)
		}
	}
}
