package logs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/manager-project/manager/pkg/errdefs"
)

var epoch = time.Date(2025, 1, 2, 3, 0, 0, 0, time.UTC)

// k8s writes records "F text" or "P text", one second apart, from a number.
func k8s(from int, records ...string) string {
	var b strings.Builder
	for i, r := range records {
		fmt.Fprintf(&b, "%s stdout %s\n", epoch.Add(time.Duration(from+i)*time.Second).Format(time.RFC3339Nano), r)
	}
	return b.String()
}

func numbered(from, to int) string {
	var b strings.Builder
	for i := from; i < to; i++ {
		b.WriteString(k8s(i, fmt.Sprintf("F line %d", i)))
	}
	return b.String()
}

func logFile(t *testing.T, current, rotated string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ctr.log")
	for name, text := range map[string]string{path: current, path + ".1": rotated} {
		if text == "" {
			continue
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

func collect(t *testing.T, o Options) string {
	t.Helper()
	if o.Driver == "" {
		o.Driver = K8sFile
	}
	if o.Files == 0 {
		o.Files = 2
	}
	var b strings.Builder
	err := Read(context.Background(), o, func(l Line) error {
		b.Write(l.Text)
		if !l.Partial {
			b.WriteByte('\n')
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestReadBoth(t *testing.T) {
	o := Options{Path: logFile(t, k8s(2, "F c", "P d", "F e"), k8s(0, "F a", "F b")), Tail: All}
	if got := collect(t, o); got != "a\nb\nc\nde\n" {
		t.Errorf("all: %q", got)
	}
	for n, want := range []string{"", "de\n", "c\nde\n", "b\nc\nde\n", "a\nb\nc\nde\n", "a\nb\nc\nde\n"} {
		o.Tail = n
		if got := collect(t, o); got != want {
			t.Errorf("tail %d: %q, not %q", n, got, want)
		}
	}
}

func TestTimes(t *testing.T) {
	o := Options{Path: logFile(t, numbered(0, 10), ""), Tail: All, Since: epoch.Add(3 * time.Second), Until: epoch.Add(5 * time.Second)}
	if got := collect(t, o); got != "line 3\nline 4\nline 5\n" {
		t.Errorf("between: %q", got)
	}
	o.Since, o.Tail = time.Time{}, 2
	if got := collect(t, o); got != "line 4\nline 5\n" {
		t.Errorf("the last two until: %q", got)
	}
}

func TestTornAndBroken(t *testing.T) {
	text := k8s(0, "F a") + "garbage\n\n" + k8s(1, "F b") + "2025-01-02T03:00:09Z stdout F tor"
	o := Options{Path: logFile(t, text, ""), Tail: All}
	if got := collect(t, o); got != "a\nb\n" {
		t.Errorf("all: %q", got)
	}
	o.Tail = 1
	if got := collect(t, o); got != "b\n" {
		t.Errorf("tail: %q", got)
	}
}

func TestTailAcrossBlocks(t *testing.T) {
	const n = 20000
	o := Options{Path: logFile(t, numbered(0, n), ""), Tail: 5000}
	want := &strings.Builder{}
	for i := n - 5000; i < n; i++ {
		fmt.Fprintf(want, "line %d\n", i)
	}
	if got := collect(t, o); got != want.String() {
		t.Errorf("got %d bytes from %.20q, not %d", len(got), got, want.Len())
	}
}

func TestTooLongRecord(t *testing.T) {
	text := k8s(0, "F a") + strings.Repeat("x", 3*maxRecord) + "\n" + k8s(1, "F b")
	o := Options{Path: logFile(t, text, ""), Tail: All}
	if got := collect(t, o); got != "a\nb\n" {
		t.Errorf("all: %.80q", got)
	}
	o.Tail = 2
	if got := collect(t, o); got != "a\nb\n" {
		t.Errorf("tail: %.80q", got)
	}
}

func TestJSON(t *testing.T) {
	text := `{"log":"a\u0000\n","stream":"stdout","time":"2025-01-02T03:00:00Z"}
{"log":"pa","stream":"stderr","time":"2025-01-02T03:00:01.5Z"}
{"log":"rt\n","stream":"stderr","time":"2025-01-02T03:00:02Z"}
`
	var got []string
	err := Read(context.Background(), Options{Path: logFile(t, text, ""), Driver: JSONFile, Tail: All}, func(l Line) error {
		got = append(got, fmt.Sprintf("%s %v %q", l.Stream, l.Partial, l.Text))
		return nil
	})
	want := []string{`stdout false "a\x00"`, `stderr true "pa"`, `stderr false "rt"`}
	if err != nil || strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("%q, %v", got, err)
	}
}

func TestErrors(t *testing.T) {
	for _, tt := range []struct {
		o     Options
		class error
	}{
		{Options{Path: "/no/such", Driver: K8sFile}, errdefs.ErrNotFound},
		{Options{Path: "/no/such", Driver: "none"}, errdefs.ErrUnsupported},
		{Options{Path: "/no/such", Driver: "x"}, errdefs.ErrInvalid},
	} {
		if err := Read(context.Background(), tt.o, nil); !errors.Is(err, tt.class) {
			t.Errorf("%+v: %v", tt.o, err)
		}
	}
}

// TestFollowRotation has several readers follow a writer that rotates all the time.
func TestFollowRotation(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "ctr.log")
	done := make(chan struct{})
	const n = 3000
	var wg sync.WaitGroup
	outs := make([]bytes.Buffer, 3)
	for i := range outs {
		wg.Add(1)
		go func() {
			defer wg.Done()
			o := Options{Path: path, Files: 2, Driver: K8sFile, Tail: All, Follow: true, Done: done}
			if err := Read(context.Background(), o, func(l Line) error {
				fmt.Fprintf(&outs[i], "%s\n", l.Text)
				return nil
			}); err != nil {
				t.Error(err)
			}
		}()
	}
	time.Sleep(20 * time.Millisecond)
	want := writeRotating(t, path, n)
	close(done)
	wg.Wait()
	for i := range outs {
		if outs[i].String() != want {
			t.Errorf("reader %d got %d bytes, not %d", i, outs[i].Len(), len(want))
		}
	}
}

// writeRotating writes records in torn pieces and rotates every 500.
func writeRotating(t *testing.T, path string, n int) string {
	t.Helper()
	var f *os.File
	var want strings.Builder
	for i := range n {
		if i%500 == 0 {
			if f != nil {
				_ = f.Close()
				// Readers keep up: at most one rotation may pass unseen.
				time.Sleep(50 * time.Millisecond)
				if err := os.Rename(path, path+".1"); err != nil {
					t.Fatal(err)
				}
			}
			var err error
			if f, err = os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		rec := k8s(i, fmt.Sprintf("F line %d", i))
		for _, piece := range []string{rec[:7], rec[7:]} {
			if _, err := f.WriteString(piece); err != nil {
				t.Fatal(err)
			}
		}
		fmt.Fprintf(&want, "line %d\n", i)
	}
	_ = f.Close()
	return want.String()
}

func TestFollowEnds(t *testing.T) {
	path := logFile(t, k8s(0, "F a"), "")
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(20*time.Millisecond, cancel)
	o := Options{Path: path, Driver: K8sFile, Tail: All, Follow: true}
	if err := Read(ctx, o, func(Line) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	o.Until = time.Now().Add(20 * time.Millisecond)
	if got := collect(t, o); got != "a\n" {
		t.Errorf("until: %q", got)
	}
	mine := errors.New("mine")
	if err := Read(context.Background(), o, func(Line) error { return mine }); !errors.Is(err, mine) {
		t.Errorf("callback's error: %v", err)
	}
}

func TestParseTime(t *testing.T) {
	now := time.Date(2025, 6, 7, 8, 9, 10, 0, time.FixedZone("X", 7200))
	for in, want := range map[string]time.Time{
		"2025-01-02T03:04:05Z":      time.Date(2025, 1, 2, 3, 4, 5, 0, time.UTC),
		"2025-01-02T03:04:05.5Z":    time.Date(2025, 1, 2, 3, 4, 5, 5e8, time.UTC),
		"2025-01-02T03:04:05+01:00": time.Date(2025, 1, 2, 2, 4, 5, 0, time.UTC),
		"2025-01-02T03:04:05":       time.Date(2025, 1, 2, 3, 4, 5, 0, now.Location()),
		"2025-01-02 03:04":          time.Date(2025, 1, 2, 3, 4, 0, 0, now.Location()),
		"2025-01-02":                time.Date(2025, 1, 2, 0, 0, 0, 0, now.Location()),
		"10m":                       now.Add(-10 * time.Minute),
		"1700000000":                time.Unix(1700000000, 0),
		"1700000000.000000001":      time.Unix(1700000000, 1),
		"1700000000.5":              time.Unix(1700000000, 5e8),
		"0":                         time.Unix(0, 0),
	} {
		got, err := ParseTime("--since", in, now)
		if err != nil || !got.Equal(want) {
			t.Errorf("%q: %v, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "yesterday", "-1", "1.", "1.0000000001", "99999999999999", "2025-13-01"} {
		if got, err := ParseTime("--since", in, now); !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("%q: %v, %v", in, got, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("2025-01-02T03:04:05.000000006Z stdout P text"))
	f.Add([]byte("2025-01-02T03:04:05Z stderr F"))
	f.Add([]byte(`{"log":"a\n","stream":"stdout","time":"2025-01-02T03:00:00Z"}`))
	f.Add([]byte(`{"log":null}`))
	f.Fuzz(func(t *testing.T, record []byte) {
		for _, p := range []parser{parseK8s, parseJSON} {
			l, err := p(record)
			if err == nil && l.Stream != "stdout" && l.Stream != "stderr" {
				t.Fatalf("stream %q", l.Stream)
			}
		}
	})
}

func FuzzParseTime(f *testing.F) {
	f.Add("1700000000.5")
	f.Add("2025-01-02T03:04:05Z")
	f.Add("10m")
	f.Fuzz(func(t *testing.T, s string) {
		if _, err := ParseTime("--since", s, epoch); err != nil && !errors.Is(err, errdefs.ErrInvalid) {
			t.Fatal(err)
		}
	})
}
