package main

import (
	"bufio"
	"bytes"
	"strings"
	"testing"
)

func summarise(t *testing.T, input string) (*summary, string) {
	t.Helper()
	var text bytes.Buffer
	out := bufio.NewWriter(&text)
	sum := newSummary(out)
	if err := sum.read(strings.NewReader(input)); err != nil {
		t.Fatal(err)
	}
	sum.report()
	out.Flush()
	return sum, text.String()
}

func TestSummary(t *testing.T) {
	const pass = `{"Action":"pass","Package":"p","Test":"TestA"}` + "\n"
	for name, tc := range map[string]struct {
		input string
		ok    bool
		wants []string
	}{
		"nothing ran": {`{"Action":"pass","Package":"p"}`, false, []string{"No test ran.", "\n0 passed, 0 failed, 0 skipped\n"}},
		"passed": {
			pass + `{"Action":"output","Package":"p","Output":"ok  \tp\t0.1s\n"}` + "\n" + `{"Action":"pass","Package":"p"}`,
			true,
			[]string{"ok  \tp\t0.1s\n", "\n1 passed, 0 failed, 0 skipped\n"},
		},
		"failed": {
			pass + `{"Action":"output","Package":"p","Test":"TestB","Output":"  b_test.go:3: wrong\n"}` + "\n" +
				`{"Action":"fail","Package":"p","Test":"TestB"}` + "\n" + `{"Action":"fail","Package":"p"}`,
			false,
			[]string{"wrong", "  p.TestB\n", "\n1 passed, 1 failed, 0 skipped\n"},
		},
		"skipped": {
			pass + `{"Action":"output","Package":"p","Test":"TestC","Output":"    c_test.go:9: needs root\n"}` + "\n" +
				`{"Action":"output","Package":"p","Test":"TestC","Output":"--- SKIP: TestC (0.00s)\n"}` + "\n" +
				`{"Action":"skip","Package":"p","Test":"TestC"}`,
			true,
			[]string{"  p.TestC: needs root\n", "\n1 passed, 0 failed, 1 skipped\n"},
		},
		"does not build": {
			pass + `{"ImportPath":"q","Action":"build-output","Output":"q.go:1: undefined: x\n"}` + "\n" +
				`{"Action":"fail","Package":"q","FailedBuild":"q"}`,
			false,
			[]string{"undefined: x", "does not build: q", "\n1 passed, 1 failed, 0 skipped\n"},
		},
		"died": {
			pass + `{"Action":"output","Package":"q","Test":"TestD","Output":"goroutine 1\n"}` + "\n" + `{"Action":"fail","Package":"q"}`,
			false,
			[]string{"goroutine 1", "outside a test", "\n1 passed, 1 failed, 0 skipped\n"},
		},
		"not an event": {"no such tool\n" + pass, true, []string{"no such tool\n"}},
	} {
		t.Run(name, func(t *testing.T) {
			sum, text := summarise(t, tc.input)
			if sum.ok() != tc.ok {
				t.Errorf("ok is %v", sum.ok())
			}
			for _, want := range tc.wants {
				if !strings.Contains(text, want) {
					t.Errorf("no %q in:\n%s", want, text)
				}
			}
		})
	}
}
