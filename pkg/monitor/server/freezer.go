package server

import (
	"bytes"
	"os"
	"path/filepath"
)

// frozen says that the container is paused. Source: kernel cgroup-v2.rst, "cgroup.freeze";
// cgroup-v1/freezer-subsystem.rst, "freezer.state".
func (s *server) frozen() bool {
	if s.cfg.Freezer == "" {
		return false
	}
	state, err := os.ReadFile(s.cfg.Freezer)
	return err == nil && (bytes.HasPrefix(state, []byte("1")) || bytes.HasPrefix(state, []byte("FR"))) // FROZEN, FREEZING
}

// thaw lets a paused container go on, so that it gets a signal that is to end it: version 1 keeps even
// SIGKILL back.
func (s *server) thaw() {
	if !s.frozen() {
		return
	}
	word := "0"
	if filepath.Base(s.cfg.Freezer) == "freezer.state" {
		word = "THAWED"
	}
	if err := os.WriteFile(s.cfg.Freezer, []byte(word), 0); err != nil {
		complain("resume the container: " + err.Error())
	}
}
