package logs

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// FuzzRecords compares reading forwards with reading backwards.
func FuzzRecords(f *testing.F) {
	f.Add([]byte("a\nb\n\nc"), 1)
	f.Add([]byte("\n"), 1)
	f.Add([]byte("torn"), 1)
	f.Add([]byte("ab\ncdefg\n"), 30000)
	f.Add([]byte("x\n12"), 60000)
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text []byte, times int) {
		text = bytes.Repeat(text, min(max(times, 1), 200000/(len(text)+1)+1))
		file, err := os.CreateTemp(dir, "log")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = file.Close(); _ = os.Remove(filepath.Clean(file.Name())) }()
		if _, err := file.Write(text); err != nil {
			t.Fatal(err)
		}
		var forward, backward []string
		r, err := newRecords(file, 0)
		if err != nil {
			t.Fatal(err)
		}
		for {
			rec, err := r.next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			forward = append(forward, string(rec))
		}
		if err := backwards(file, func(rec []byte, end int64) bool {
			if string(text[end-int64(len(rec))-1:end]) != string(rec)+"\n" {
				t.Fatalf("record %q does not end at %d", rec, end)
			}
			backward = append(backward, string(rec))
			return true
		}); err != nil {
			t.Fatal(err)
		}
		slices.Reverse(backward)
		if !slices.Equal(forward, backward) {
			t.Fatalf("%d records forwards, %d backwards", len(forward), len(backward))
		}
	})
}
