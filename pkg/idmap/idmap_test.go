package idmap

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// parse reads "INSIDE:OUTSIDE:SIZE,…".
func parse(t *testing.T, text string) Map {
	t.Helper()
	var m Map
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' }) {
		e, err := ParseEntry(word)
		if err != nil {
			t.Fatal(err)
		}
		m = append(m, e.Range)
	}
	return m
}

// alice is a user with the number 1000 and two ranges of subordinate ids; host is all that root can map.
const (
	alice = "0:1000:1,1:100000:65536,65537:2000:1"
	host  = "0:0:4294967295"
)

// The words of podman-run(1) on --uidmap, and what they come to.
func TestBuild(t *testing.T) {
	for _, tt := range []struct {
		words, own string
		fill       bool
		want, err  string
	}{
		{words: "0:100000:65536", own: host, want: "0:100000:65536"},
		{words: "0:100000", own: host, want: "0:100000:1"},
		{words: "0:0:1 1:1:65535", own: host, want: "0:0:65536"},
		// "Extending previous mappings": the two spellings are the same.
		{words: "0:0:1 2:2:64998 100000:1:1", own: host, want: "0:0:1,2:2:64998,100000:1:1"},
		{words: "0:0:65000 +100000:1:1", own: host, want: "0:0:1,2:2:64998,100000:1:1"},
		{words: "0:0:65000 +100000:1:1 1:65001:1", own: host, want: "0:0:1,1:65001:1,2:2:64998,100000:1:1"},
		{words: "0:0:65000 +100000:1:1", own: alice, fill: true, want: "0:0:1,2:2:64998,100000:1:1"},
		{words: "+0:5:1", own: host, want: "0:5:1"},
		// "Rootless mapping of additional host GIDs": @ and + of a user.
		{words: "100000:@2000:1", own: alice, fill: true, want: "100000:65537:1"},
		{words: "+g100000:@2000", own: alice, fill: true, want: "0:0:65537,100000:65537:1"},
		{words: "+100000:1:1", own: alice, fill: true, want: "0:0:1,1:2:65536,100000:1:1"},
		{words: "0:@1000", own: alice, want: "0:0:1"},
		{words: "0:@100005:3", own: alice, want: "0:6:3"},
		{words: "1000:0:1", own: alice, want: "1000:0:1"},
		{words: "0:0:1 5:3:2 +6:0:1", own: host, want: "5:3:1,6:0:1"},
		{words: "0:1:2 1:5:1", own: host, err: "0:1:2 and 1:5:1 give the same ids inside twice"},
		{words: "0:1:2 5:2:1", own: host, err: "give the same ids outside twice"},
		{words: "0:@7:3", own: alice, err: "the id 7-9 of the host is not among those that can be mapped (1000, 2000, 100000-165535)"},
		{words: "0:70000:3", own: alice, err: "not all of the ids 70000-70002 can be mapped: there are 0-65537"},
	} {
		var list []Entry
		for _, word := range strings.Fields(tt.words) {
			e, err := ParseEntry(word)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, e)
		}
		m, err := Build(list, parse(t, tt.own), tt.fill)
		switch {
		case tt.err != "":
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%s: error %v, want %q", tt.words, err, tt.err)
			}
		case err != nil || m.String() != tt.want:
			t.Errorf("%s of %s: %v, %v, want %s", tt.words, tt.own, m, err, tt.want)
		}
	}
}

func TestParseEntry(t *testing.T) {
	for word, want := range map[string]string{
		"": "no ids", "+": "no ids", "1": "two or three numbers", "1:2:3:4": "two or three numbers", "++1:2:3": "twice",
		"x:1:1": `"x" is not a number`, "1:@x": `"x" is not a number`, "1:2:0": "size is 0", "0:0:4294967296": "not a number",
		"4294967295:0:1": "beyond the largest id", "0:4294967294:2": "beyond the largest id", "-1:0:1": "not a number", "1:@@2": "not a number",
	} {
		if _, err := ParseEntry(word); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", word, err, want)
		}
	}
	e, err := ParseEntry("u+g7:@8")
	if err != nil || !e.Extends || !e.OnlyUIDs || !e.OnlyGIDs || !e.OfHost || e.Range != (Range{ContainerID: 7, HostID: 8, Size: 1}) || !e.For(UIDs) || !e.For(GIDs) {
		t.Errorf("%+v, %v", e, err)
	}
	e, _ = ParseEntry("g1:2:3")
	if e.For(UIDs) || !e.For(GIDs) {
		t.Errorf("%+v", e)
	}
}

// The table of podman-run(1) on --userns for users.
func TestKeepID(t *testing.T) {
	for _, tt := range []struct {
		own      string
		id, size uint32
		want     string
	}{
		{alice, 1000, 0, "0:1:1000,1000:0:1,1001:1001:64537"},
		{alice, 200, 0, "0:1:200,200:0:1,201:201:65337"},
		{alice, 0, 0, "0:0:65538"},
		{alice, 200, 1000, "0:1:200,200:0:1,201:201:799"},
		{alice, 5000, 10, "0:1:9,5000:0:1"},
		{alice, 100000, 0, "0:1:65537,100000:0:1"},
		{"0:1000:1", 1000, 0, "1000:0:1"},
	} {
		m, err := KeepID(tt.id, parse(t, tt.own), tt.size)
		if err != nil || m.String() != tt.want {
			t.Errorf("%d of %d ids: %v, %v, want %s", tt.id, tt.size, m, err, tt.want)
		}
	}
	if _, err := KeepID(1000, parse(t, alice), 65539); err == nil {
		t.Error("more ids than there are")
	}
	if m := NoMap(parse(t, alice)); m.String() != "0:1:65537" {
		t.Errorf("nomap: %v", m)
	}
}

// The kernel takes a range only where one of the parent's has all of it.
func TestFit(t *testing.T) {
	own := parse(t, alice)
	for in, want := range map[string]string{
		"0:0:65538": "0:0:1,1:1:65536,65537:65537:1", "0:1:10": "0:1:10", "0:65530:8": "0:65530:7,7:65537:1", "0:65530:20": "0:65530:7,7:65537:1",
	} {
		if got := parse(t, in).Fit(own); got.String() != want {
			t.Errorf("%s: %v, want %s", in, got, want)
		}
	}
}

func TestAuto(t *testing.T) {
	pool := []Span{{100, 50}, {1000, 2000}}
	for _, tt := range []struct {
		size         uint32
		used, forced string
		want         string
	}{
		{size: 50, want: "0:100:50"},
		{size: 51, want: "0:1000:51"},
		{size: 2050, want: "0:100:50,50:1000:2000"},
		{size: 10, used: "0:100:45", want: "0:1000:10"},
		{size: 10, used: "0:100:50,0:1000:10,0:1020:1980", want: "0:1010:10"},
		{size: 1000, forced: "500:0:1", want: "0:1000:500,500:0:1,501:1500:499"},
		{size: 10, forced: "20:1000:5", want: "0:100:10,20:1000:5"},
		{size: 60, forced: "0:1000:5", want: "0:1000:60"},
	} {
		m, err := Auto(tt.size, pool, parse(t, tt.used).Outside(), parse(t, tt.forced))
		if err != nil || m.String() != tt.want {
			t.Errorf("%+v: %v, %v", tt, m, err)
		}
	}
	var full *Full
	if _, err := Auto(2051, pool, nil, nil); !errors.As(err, &full) || *full != (Full{2051, 2050, 2050}) {
		t.Errorf("%v", err)
	}
	if _, err := Auto(1, pool, pool, nil); !errors.As(err, &full) || *full != (Full{1, 0, 2050}) {
		t.Errorf("%v", err)
	}
}

// However many maps are given out and given back, no two have an id in common.
func TestAutoIsDisjoint(t *testing.T) {
	pool, held := []Span{{5000, 300}, {9000, 1}, {20000, 700}}, map[uint32]Map{}
	for i := uint32(0); i < 400; i++ {
		var used []Span
		for _, m := range held {
			used = append(used, m.Outside()...)
		}
		m, err := Auto(i%90+1, pool, used, nil)
		if err != nil {
			for k := range held {
				if k%3 == i%3 {
					delete(held, k)
				}
			}
			continue
		}
		held[i] = m
		all := []Span{}
		for _, m := range held {
			all = append(all, m.Outside()...)
		}
		sum := uint64(0)
		for _, s := range all {
			sum += s.Size
		}
		if Count(all) != sum || len(minus(all, pool)) != 0 {
			t.Fatalf("step %d: ids given twice, or none of the pool's: %v", i, held)
		}
	}
}

func TestMapsOfIDs(t *testing.T) {
	m := parse(t, "0:100000:10,1000:5:1")
	for id, want := range map[uint32]uint32{0: 100000, 9: 100009, 1000: 5, 10: 10} {
		if got := m.Owner(id); got != want {
			t.Errorf("owner %d: %d, want %d", id, got, want)
		}
	}
	if id, ok := m.ToInside(5); !ok || id != 1000 {
		t.Error(id, ok)
	}
	if _, ok := m.ToInside(0); ok {
		t.Error("0 is not mapped")
	}
	if got := parse(t, "5:7:1,9:8:1").Owner(0); got != 7 {
		t.Errorf("root's files go to %d", got)
	}
	if got := parse(t, "5:7:1,3:8:1").Least(); got != 3 {
		t.Errorf("least %d", got)
	}
	through, ok := parse(t, "5:0:3").Through(parse(t, "0:100:2,2:200:1"))
	if !ok || !slices.Equal(through, parse(t, "5:100:2,7:200:1")) {
		t.Error(through, ok)
	}
	if !parse(t, "0:0:5,7:7:1").Identity() || parse(t, "0:1:5").Identity() {
		t.Error("identity")
	}
}

func FuzzParseEntry(f *testing.F) {
	for _, s := range []string{"0:1:2", "+ug5:@6", "u0:0:4294967295", "1:2"} {
		f.Add(s)
	}
	own := Map{{Size: 1}, {ContainerID: 1, HostID: 100000, Size: 65536}}
	f.Fuzz(func(t *testing.T, word string) {
		e, err := ParseEntry(word)
		if err != nil {
			return
		}
		m, err := Build([]Entry{{Range: Range{Size: 65537}}, e}, own, true)
		if err == nil && m.Check() != nil {
			t.Errorf("%q: %v", word, m)
		}
	})
}
