package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/manager-project/manager/internal/testenv"
)

// run runs the tests with a temporary folder of their own, whose name is in every cgroup they make
// too, and takes their results from its output. Afterwards nothing of them may be on the
// machine: no mount, cgroup, namespace, process or file.
func (s *summary) run(argv []string) error {
	dir, err := os.MkdirTemp("", "mgt")
	if err != nil {
		return err
	}
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), "TMPDIR="+dir, testenv.RunVariable+"="+filepath.Base(dir))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	err = s.read(out)
	waited := cmd.Wait()
	if len(s.failed)+len(s.broken) == 0 { // that tests failed is in the output
		err = errors.Join(err, waited)
	}
	left, lookErr := leftBehind(dir)
	s.left = left
	if len(left) == 0 {
		err = errors.Join(err, os.RemoveAll(dir))
	}
	return errors.Join(err, lookErr)
}

// leftBehind lists what the tests left, after giving it a moment to go.
func leftBehind(dir string) ([]string, error) {
	marks := testenv.Marks{Dirs: []string{dir}, Watch: []string{dir}}
	var cgroups []string
	for _, pattern := range []string{"/sys/fs/cgroup/%s*", "/sys/fs/cgroup/*/%s*"} {
		found, err := filepath.Glob(fmt.Sprintf(pattern, testenv.CgroupPrefix+filepath.Base(dir)))
		if err != nil {
			return nil, err
		}
		for _, path := range found {
			cgroups = append(cgroups, "cgroup "+path)
		}
	}
	left, err := testenv.Remains(marks)
	return append(left, cgroups...), err
}
