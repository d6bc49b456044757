package main

import (
	"bytes"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/manager-project/manager/internal/testenv"
)

// TestSuitesAreAll looks for packages whose tests leave something to lanes and that no lane runs.
func TestSuitesAreAll(t *testing.T) {
	const root = "../.."
	known, found := packages(laneNames()), 0
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && strings.HasPrefix(entry.Name(), ".") && len(entry.Name()) > 2 {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		// In two parts, so that this file does not count.
		if !bytes.Contains(text, []byte("testenv."+"Need(")) && !bytes.Contains(text, []byte("testenv."+"Missing(")) {
			return nil
		}
		found++
		dir, err := filepath.Rel(root, filepath.Dir(path))
		if err == nil && !slices.Contains(known, dir) {
			t.Errorf("%s needs a lane and %s is not in suites.go", path, dir)
		}
		return err
	})
	if err != nil || found == 0 {
		t.Errorf("%d files, %v", found, err)
	}
}

// TestSuitesAreReal wants each suite's folder and lanes to exist and each lane to have one.
func TestSuitesAreReal(t *testing.T) {
	var used []string
	for _, s := range suites {
		if list, err := filepath.Glob(filepath.Join("../..", s.Dir, "*_test.go")); err != nil || len(list) == 0 {
			t.Errorf("%s has no tests, %v", s.Dir, err)
		}
		for _, lane := range s.Lanes {
			if !slices.Contains(laneNames(), lane) {
				t.Errorf("%s: no lane %s", s.Dir, lane)
			}
		}
		used = append(used, s.Lanes...)
	}
	for _, lane := range laneNames() {
		if !slices.Contains(used, lane) {
			t.Errorf("no suite runs in lane %s", lane)
		}
	}
}

// TestPartsAreBooted wants a machine for each part of a lane, and a suite for each machine.
func TestPartsAreBooted(t *testing.T) {
	booted, wanted := map[string]bool{testenv.LaneBare: true}, map[string]bool{testenv.LaneBare: true}
	for _, b := range boots {
		for _, lane := range b.Lanes {
			booted[lane] = true
		}
	}
	for _, j := range plan(laneNames(), "") {
		lane := j.Lane
		if j.Part != "" {
			lane += "/" + j.Part
		}
		wanted[lane] = true
	}
	if !maps.Equal(booted, wanted) {
		t.Errorf("booted %v, wanted %v", booted, wanted)
	}
}

func TestPlan(t *testing.T) {
	for _, j := range plan([]string{"v2"}, "TestX") {
		if j.Lane != "v2" || j.Run != "TestX" || j.Skip != "" {
			t.Errorf("%+v", j)
		}
	}
	if got := len(plan([]string{"enforcing"}, "")); got < 2 {
		t.Errorf("%d jobs in lane enforcing", got)
	}
}
