package compile

import (
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// FuzzProcess reads and compiles whatever a process.json may hold: a plan or an error, and what is
// planned has the form that the child relies on.
func FuzzProcess(f *testing.F) {
	for _, seed := range []string{
		`{"args":["sh"],"cwd":"/","env":["A=b"]}`, `{"args":[],"cwd":"/"}`, `{"args":["x"],"cwd":"x"}`, `{`, `null`, `[]`,
		`{"args":["x"],"cwd":"/","user":{"uid":1,"gid":2,"additionalGids":[3,2]},"terminal":true,"consoleSize":{"height":1,"width":2}}`,
		`{"args":["x"],"cwd":"/","rlimits":[{"type":"RLIMIT_CPU","soft":1,"hard":2}],"capabilities":{"bounding":["CAP_KILL"]}}`,
		`{"args":["x"],"cwd":"/","env":["=x","A"],"scheduler":{"policy":"SCHED_FIFO"},"ioPriority":{"class":"IOPRIO_CLASS_BE"}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p := &specs.Process{}
		if decode(b, "process.json", p) != nil {
			return
		}
		pl, h, err := Exec(p, ExecOptions{})
		if err != nil {
			return
		}
		defer h.Close()
		if !pl.Join || len(pl.Process.Args) == 0 || pl.Process.Cwd == "" || pl.Process.Cwd[0] != '/' {
			t.Fatalf("%+v", pl.Process)
		}
		if _, err := pl.Encode(); err != nil {
			t.Fatal(err)
		}
	})
}
