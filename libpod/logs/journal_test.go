package logs

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/manager-project/manager/pkg/errdefs"
)

// binaryField is a field of the export format whose value is not text.
func binaryField(name, value string) string {
	return name + "\n" + string(binary.LittleEndian.AppendUint64(nil, uint64(len(value)))) + value + "\n"
}

func TestJournalEntries(t *testing.T) {
	export := "__CURSOR=s=1;i=a\n__REALTIME_TIMESTAMP=1700000000000001\n_BOOT_ID=x\nPRIORITY=6\nMESSAGE=a=b\n\n" +
		"__CURSOR=s=1;i=b\n__REALTIME_TIMESTAMP=1700000000000002\nPRIORITY=3\nCONTAINER_PARTIAL_MESSAGE=true\n" + binaryField("MESSAGE", "x\ny\x00\xff") + "\n" +
		"__CURSOR=s=1;i=c\n__REALTIME_TIMESTAMP=1700000000000003\nPRIORITY=6\nMESSAGE=\n\n" +
		"__CURSOR=s=1;i=d\n__REALTIME_TIMESTAMP=1700000000000004\nMESSAGE=torn"
	var got []string
	r := journalReader{o: Options{Idle: func() error { return nil }}}
	err := r.entries(bufio.NewReader(strings.NewReader(export)), func(e *entry) error {
		got = append(got, fmt.Sprintf("%s %d %s %v %q", e.cursor, e.line.Time.UnixMicro(), e.line.Stream, e.line.Partial, e.line.Text))
		return nil
	})
	want := []string{
		`s=1;i=a 1700000000000001 stdout false "a=b"`,
		`s=1;i=b 1700000000000002 stderr true "x\ny\x00\xff"`,
		`s=1;i=c 1700000000000003 stdout false ""`,
	}
	if err != nil || strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("%s, %v", strings.Join(got, "\n"), err)
	}
}

// TestJournalBounds does not believe what says that it is large.
func TestJournalBounds(t *testing.T) {
	r := journalReader{o: Options{Idle: func() error { return nil }}}
	for _, export := range []string{
		"MESSAGE\n\xff\xff\xff\xff\xff\xff\xff\xff" + "x",
		"MESSAGE=" + strings.Repeat("x", 2*maxRecord) + "\n\n",
	} {
		err := r.entries(bufio.NewReader(strings.NewReader(export)), func(*entry) error { return errors.New("an entry") })
		if !errors.Is(err, errdefs.ErrCorrupt) {
			t.Errorf("%.20q: %v", export, err)
		}
	}
}

func FuzzJournalEntries(f *testing.F) {
	f.Add([]byte("__CURSOR=a\n__REALTIME_TIMESTAMP=1\nMESSAGE=x\n\n"))
	f.Add([]byte(binaryField("MESSAGE", "a\nb") + "\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		r := journalReader{o: Options{Idle: func() error { return nil }}}
		if err := r.entries(bufio.NewReader(strings.NewReader(string(text))), func(e *entry) error {
			if e.line.Time.IsZero() {
				t.Error("an entry without a time")
			}
			return nil
		}); err != nil && !errors.Is(err, errdefs.ErrCorrupt) {
			t.Fatal(err)
		}
	})
}

// A user who may not read the journal is told what makes it readable; any other failure, how to look into it.
func TestJournalHint(t *testing.T) {
	for said, want := range map[string]string{
		"No journal files were opened due to insufficient permissions.": "systemd-journal",
		"Failed to open files: Bad message":                             "journalctl A=1",
	} {
		bin := t.TempDir()
		script := "#!/bin/sh\necho '" + said + "' >&2\nexit 1\n"
		if err := os.WriteFile(filepath.Join(bin, "journalctl"), []byte(script), 0o700); err != nil {
			t.Fatal(err)
		}
		t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
		err := ReadJournal(t.Context(), JournalQuery{Field: "MESSAGE", Match: []string{"A=1"}}, func([]byte) error { return nil })
		var e *errdefs.Error
		if !errors.As(err, &e) || !strings.Contains(e.Hint, want) || !strings.Contains(err.Error(), said) {
			t.Errorf("%q: %v", said, err)
		}
	}
}

// Who interrupts what follows is not kept waiting for what the journal may still have; at its time it is read.
func TestFollowedJournalIsInterrupted(t *testing.T) {
	bin := t.TempDir()
	calls := filepath.Join(bin, "calls")
	script := "#!/bin/sh\necho \"$*\" >>" + calls + "\ncase \"$*\" in *--follow*) printf '__CURSOR=c\\nMESSAGE=here\\n\\n'; exec sleep 1000;; esac\n"
	if err := os.WriteFile(filepath.Join(bin, "journalctl"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	for name, after := range map[string]time.Duration{"interrupted": 0, "timed": time.Second} {
		var until time.Time
		if after > 0 {
			until = time.Now().Add(after)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		err := ReadJournal(ctx, JournalQuery{Field: "MESSAGE", Follow: true, Until: until}, func(value []byte) error {
			if string(value) != "here" {
				t.Errorf("%s: it reads %q", name, value)
			}
			if until.IsZero() {
				cancel()
			}
			return nil
		})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		said, _ := os.ReadFile(calls)
		_ = os.Remove(calls)
		if last := strings.Contains(string(said), "--after-cursor=c"); last != !until.IsZero() || strings.Contains(string(said), "--sync") != last {
			t.Errorf("%s: journalctl was called so:\n%s", name, said)
		}
	}
}
