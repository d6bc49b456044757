package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// What is in the payload, relative to it.
const (
	insideName   = "inside"    // this program
	jsonName     = "test2json" // go's own, which makes events of what a test prints
	programsName = "bin"
	testsName    = "tests" // NAME.test
	sourceName   = "src"   // the packages' folders, as far as tests read them
	planName     = "plan.json"
)

// A job is one test program in one lane.
type job struct {
	Lane    string
	Part    string
	Dir     string
	Program string
	Run     string
	Skip    string
	Limit   string
}

const buildTags = "containers_image_openpgp exclude_graphdriver_btrfs"

// makePayload fills a folder with all that the lanes run.
func makePayload(ctx context.Context, opts *options, dir string, lanes []string) error {
	if opts.bin == "" {
		return errors.New("-bin or $MANAGER_BIN has to name the folder of the built programs")
	}
	for _, sub := range []string{programsName, testsName, sourceName} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return err
		}
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	files := map[string]string{self: insideName, "go.mod": sourceName + "/go.mod"}
	for _, name := range []string{"manager", "manager-runtime", "manager-monitor"} {
		files[filepath.Join(opts.bin, name)] = filepath.Join(programsName, name)
	}
	for from, to := range files {
		if err := copyFile(from, filepath.Join(dir, to)); err != nil {
			return err
		}
	}
	dirs := packages(lanes)
	if err := compile(ctx, dir, dirs); err != nil {
		return err
	}
	for _, pkg := range dirs {
		if err := copyData(pkg, filepath.Join(dir, sourceName, pkg)); err != nil {
			return err
		}
	}
	text, err := json.Marshal(plan(lanes, opts.run))
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, planName), text, 0o644)
}

// plan lists the jobs of the lanes. A pattern of the caller's replaces those of the suites.
func plan(lanes []string, run string) []job {
	var jobs []job
	for _, s := range suites {
		for _, lane := range s.Lanes {
			j := job{Lane: lane, Part: s.Part, Dir: s.Dir, Program: filepath.Base(s.Dir) + ".test", Run: s.Run, Skip: s.Skip, Limit: suiteLimit}
			if run != "" {
				j.Run, j.Skip, j.Part, j.Limit = run, "", "", chosenLimit
			}
			if slices.Contains(lanes, lane) && !slices.Contains(jobs, j) {
				jobs = append(jobs, j)
			}
		}
	}
	return jobs
}

// compile builds the tests and test2json, without C and so for any root.
func compile(ctx context.Context, dir string, dirs []string) error {
	args := []string{"test", "-c", "-tags", buildTags, "-o", filepath.Join(dir, testsName) + "/"}
	for _, pkg := range dirs {
		args = append(args, "./"+pkg)
	}
	for _, args := range [][]string{args, {"build", "-o", filepath.Join(dir, jsonName), "cmd/test2json"}} {
		cmd := exec.CommandContext(ctx, "go", args...)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, out)
		}
	}
	return nil
}

// copyData copies what a package's tests read: its folder of test data.
func copyData(pkg, to string) error {
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	data := filepath.Join(pkg, "testdata")
	if _, err := os.Stat(data); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return os.CopyFS(filepath.Join(to, "testdata"), os.DirFS(data))
}

// copyFile copies a file with its permissions.
func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, info.Mode().Perm())
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
