package main

import (
	"bufio"
	"bytes"
	"strings"
	"testing"
)

// TestAgain: what fails once and passes then is unsteady; what fails again, is skipped then, or is one of many, has failed.
func TestAgain(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	fail := func(pkg, test string) string {
		return `echo '{"Action":"fail","Package":"` + pkg + `","Test":"` + test + `"}';`
	}
	pass := func(pkg, test string) string {
		return `echo '{"Action":"pass","Package":"` + pkg + `","Test":"` + test + `"}';`
	}
	const asked = `test "$RUN $PACKAGE $LANE" = '^TestA$ p ' || exit 9;`
	for name, c := range map[string]struct {
		first, again string
		ok           bool
		wants        []string
	}{
		"passes":      {fail("p", "TestA/sub") + fail("p", "TestA") + "exit 1", asked + pass("p", "TestA"), true, []string{"Unsteady", "  p.TestA\n", " 0 failed"}},
		"in a lane":   {fail("p@v2", "TestA") + "exit 1", `test "$LANE" = v2 || exit 9;` + pass("p@v2", "TestA"), true, []string{"  p@v2.TestA\n"}},
		"fails again": {fail("p", "TestA") + "exit 1", pass("p", "TestA") + fail("p", "TestA") + "exit 1", false, []string{"Failed:\n  p.TestA\n"}},
		"not there":   {fail("p", "TestA") + "exit 1", pass("p", "TestB"), false, []string{"Failed:\n  p.TestA\n"}},
		"skipped":     {fail("p", "TestA") + "exit 1", `echo '{"Action":"skip","Package":"p","Test":"TestA"}'`, false, []string{"Failed:\n  p.TestA\n"}},
		"dies":        {fail("p", "TestA") + "exit 1", pass("p", "TestA") + "exit 1", false, []string{"Failed:\n  p.TestA\n"}},
		"not asked":   {fail("p", "TestA") + "exit 1", "", false, []string{"Failed:\n  p.TestA\n"}},
		"too many":    {fail("p", "TestA") + fail("p", "TestB") + fail("q", "TestA") + fail("q", "TestB") + "exit 1", pass("p", "TestA"), false, []string{" 4 failed"}},
		"one of two":  {fail("p", "TestA") + fail("p", "TestB") + "exit 1", `case $RUN in *A*)` + pass("p", "TestA") + `;; *)` + fail("p", "TestB") + `exit 1;; esac`, false, []string{"  p.TestA\n\nFailed:\n  p.TestB\n"}},
		"broken": {
			fail("p", "TestA") + `echo '{"Action":"fail","Package":"q","FailedBuild":"q"}'; exit 1`, pass("p", "TestA"), false, []string{"Failed:\n  p.TestA\n", "does not build"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(againVariable, strings.ReplaceAll(c.again, ";;;", ";;"))
			var text bytes.Buffer
			out := bufio.NewWriter(&text)
			sum := newSummary(out)
			if err := sum.run([]string{"sh", "-c", pass("p", "TestZ") + c.first}); err != nil {
				t.Fatal(err)
			}
			sum.report()
			_ = out.Flush()
			if sum.ok() != c.ok {
				t.Errorf("ok is %v:\n%s", sum.ok(), text.String())
			}
			for _, want := range c.wants {
				if !strings.Contains(text.String(), want) {
					t.Errorf("no %q in:\n%s", want, text.String())
				}
			}
		})
	}
}
