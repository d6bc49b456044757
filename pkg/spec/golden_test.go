package spec

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares a document with testdata/PATH.json.
func golden(t *testing.T, name string, doc any) {
	t.Helper()
	got, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	file := filepath.Join("testdata", name+".json")
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v (write it with -update)", err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs from what was made:\n%s", file, got)
	}
}

// testID is every id that testHost makes but for anonymous volumes' last digit.
var testID = strings.Repeat("0123456789abcdef", 4)

// testImage is an image with a program.
func testImage() *ImageConfig {
	return &ImageConfig{
		Ref: ImageRef{ID: strings.Repeat("a", 64), Name: "docker.io/library/busybox:latest", Requested: "busybox"},
		Env: []string{"PATH=/bin", "FROM=image"}, Cmd: []string{"sh"},
	}
}

// testRequest is `run --network none busybox true` with the options' defaults.
func testRequest() *Request {
	r := &Request{Image: "busybox", Command: []string{"true"}, Changed: map[string]bool{}}
	r.Net.Network = []string{"none"}
	r.Process.HTTPProxy, r.Process.Passwd = true, true
	r.Mounts.ReadOnlyTmpfs = true
	r.Limits.MemorySwappiness = -1
	return r
}

func testHost() *Host {
	files := map[string]string{
		"/home/u/env":          "A=1\n# no\nFROM\nB=a b\n",
		"/home/u/labels":       "x=1\ny\n",
		"/home/u/bad.env":      "=x\n",
		"/home/u/seccomp.json": `{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["chmod"],"action":"SCMP_ACT_ERRNO"}]}`,
		"/home/u/broken.json":  `{"defaultAction":`,
	}
	ids := 0
	return &Host{
		Cwd:      "/home/u",
		Hostname: "thehost",
		Environ:  []string{"HOME=/home/u", "FROM=host", "LC_ALL=C", "LC_TIME=de", "http_proxy=http://proxy:3128"},
		ReadFile: func(path string) ([]byte, error) {
			if text, ok := files[path]; ok {
				return []byte(text), nil
			}
			return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
		},
		PathExists: func(path string) bool { return !strings.Contains(path, "missing") },
		ZoneExists: func(name string) bool { return name == "Europe/Berlin" },
		DeviceNumber: func(path string) (int64, int64, error) {
			if path == "/dev/sda" {
				return 8, 0, nil
			}
			return 0, 0, errors.New("not a block device")
		},
		Rlimits:  map[string]Limit{"RLIMIT_NOFILE": {Soft: 1024, Hard: 20000}, "RLIMIT_CORE": {Soft: 0, Hard: RlimitInfinity}},
		CgroupV2: true,
		IntelRDT: true, FindContainer: func(name string) (*Peer, error) {
			return testPeer(name)
		},
		FindHostUser: func(name string) error {
			if name == "nobody" {
				return nil
			}
			return errors.New("no such user")
		},
		Now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		NewID: func() string {
			ids++
			return testID[:63] + string(rune('0'+ids-1))
		},
	}
}

// testFacts fits testRequest.
func testFacts() *Facts {
	return &Facts{
		RootfsPath: "/store/merged",
		User:       UserFacts{Additional: []uint32{0}, Home: "/root"},
		Files:      map[string]string{"/etc/resolv.conf": "/rundir/resolv.conf", "/run/.containerenv": "/rundir/.containerenv"},
		CgroupPath: "/manager/" + testID, CgroupV2: true,
	}
}
