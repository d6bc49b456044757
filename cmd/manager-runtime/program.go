package main

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/manager-project/manager/pkg/errdefs"
)

// monitorProgram opens the small program: beside this one, or under libexec.
func monitorProgram() (*os.File, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	dir := filepath.Dir(self)
	for _, p := range []string{
		filepath.Join(dir, "manager-monitor"), filepath.Join(dir, "../libexec/manager/manager-monitor"), "/usr/libexec/manager/manager-monitor",
	} {
		f, err := os.Open(p)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
	}
	return nil, errdefs.NotFound("program", "manager-monitor").WithHint("install manager-monitor beside manager-runtime")
}
