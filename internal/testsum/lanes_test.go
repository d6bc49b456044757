package main

import (
	"fmt"
	"strings"
	"testing"
)

// result is the events of one test.
func result(pkg, test, action, output string) string {
	return fmt.Sprintf(`{"Action":"output","Package":%q,"Test":%q,"Output":"    a_test.go:1: %s\n"}`+"\n"+
		`{"Action":%q,"Package":%q,"Test":%q}`+"\n", pkg, test, output, action, pkg, test)
}

// TestLanes leaves a test to a lane.
func TestLanes(t *testing.T) {
	left := result("p", "TestA", "skip", "left to lane v2: needs systemd")
	other := result("p", "TestB", "pass", "")
	ended := func(action string) string { return result("m/test/vm", "v2", action, "not possible here") }
	for name, tc := range map[string]struct {
		input string
		ok    bool
		wants []string
	}{
		"passed there": {
			left + other + result("p@v2", "TestA", "pass", "") + ended("pass"), true,
			[]string{"\n3 passed, 0 failed, 0 skipped\n"},
		},
		"failed there": {
			left + other + result("p@v2", "TestA", "fail", "wrong") + ended("pass"), false,
			[]string{"p@v2.TestA", "\n2 passed, 1 failed, 0 skipped\n"},
		},
		"skipped there for a reason of its own": {
			left + other + result("p@v2", "TestA", "skip", "no crun") + ended("pass"), false,
			[]string{"p@v2.TestA: no crun", "p.TestA: left to lane v2, which ran without it"},
		},
		"forgotten": {
			left + other + ended("pass"), false,
			[]string{"p.TestA: left to lane v2, which ran without it", "\n2 passed, 1 failed, 0 skipped\n"},
		},
		"no such lane here": {
			left + other + ended("skip"), true,
			[]string{"p.TestA: left to lane v2: needs systemd", "m/test/vm.v2: not possible here", "\n1 passed, 0 failed, 2 skipped\n"},
		},
		"no lanes in this run": {
			left + other, true,
			[]string{"p.TestA: left to lane v2: needs systemd", "\n1 passed, 0 failed, 1 skipped\n"},
		},
		"the host has what no lane has": {
			result("p", "TestC", "pass", "") + result("p@v2", "TestC", "skip", "left to another host: needs v1") + ended("pass"), true,
			[]string{"\n2 passed, 0 failed, 0 skipped\n"},
		},
		"nobody has it": {
			other + result("p", "TestC", "skip", "left to another host: needs v1") +
				result("p@v2", "TestC", "skip", "left to another host: needs v1") + ended("pass"), true,
			[]string{"p.TestC: left to another host: needs v1", "\n2 passed, 0 failed, 1 skipped\n"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			sum, text := summarise(t, tc.input)
			if sum.ok() != tc.ok {
				t.Errorf("ok is %v:\n%s", sum.ok(), text)
			}
			for _, want := range tc.wants {
				if !strings.Contains(text, want) {
					t.Errorf("no %q in:\n%s", want, text)
				}
			}
		})
	}
}
