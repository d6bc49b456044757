package cgroups

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/manager-project/manager/pkg/errdefs"
)

// freezeLimit is how long Freeze and Thaw wait for the kernel. A process in an uninterruptible
// sleep, on a dead network file system for example, can hold a freeze up for as long as it sleeps.
const freezeLimit = 5 * time.Second

// Freeze stops every process of the cgroup and returns when all of them stand still. After an error
// none of them is frozen.
func (c *Cgroup) Freeze() error { return c.setFrozen(true) }

// Thaw lets them go on, also when somebody else has frozen them by the other version's freezer.
func (c *Cgroup) Thaw() error { return errors.Join(c.setFrozen(false), c.thawV1()) }

// Frozen says whether the cgroup is frozen or about to be, by either version.
func (c *Cgroup) Frozen() (bool, error) {
	file, frozen, err := c.freezer()
	if err != nil {
		return false, err
	}
	s, err := readBounded(file, 4096)
	if err != nil {
		return false, fmt.Errorf("cgroup %s: %w", c.path, err)
	}
	if s = strings.TrimSpace(s); s == frozen || s == "FREEZING" {
		return true, nil
	}
	dir, ok := c.v1["freezer"]
	if !ok || frozen == "FROZEN" {
		return false, nil
	}
	s = readShort(filepath.Join(dir, "freezer.state")) // "" when it is gone
	return s == "FROZEN" || s == "FREEZING", nil
}

// freezer is the file that freezes and its word for frozen. The version 2 one is preferred: what it
// froze can still be killed.
func (c *Cgroup) freezer() (file, frozen string, err error) {
	if c.unified != "" {
		file := filepath.Join(c.unified, "cgroup.freeze")
		if _, err := os.Stat(file); err == nil {
			return file, "1", nil
		}
	}
	if dir, ok := c.v1["freezer"]; ok {
		return filepath.Join(dir, "freezer.state"), "FROZEN", nil
	}
	return "", "", errdefs.Unsupported("pause", "the cgroup controller %q is not available here", "freezer")
}

// FreezerFile is the file that freezes: cgroup.freeze of version 2, freezer.state of version 1, or "".
func (c *Cgroup) FreezerFile() string {
	file, _, _ := c.freezer()
	return file
}

func (c *Cgroup) setFrozen(freeze bool) error {
	file, word, err := c.freezer()
	if err != nil {
		return err
	}
	isV1, thawed := word == "FROZEN", "0"
	if isV1 {
		thawed = "THAWED"
	}
	if !freeze {
		word = thawed
	}
	err = c.writeState(file, word, isV1)
	if err != nil && freeze {
		_ = writeFile(file, thawed)
	}
	return err
}

// writeState writes a freezer's state until the kernel has done it.
func (c *Cgroup) writeState(file, word string, isV1 bool) error {
	deadline := time.Now().Add(freezeLimit)
	for pause := 50 * time.Microsecond; ; pause = min(2*pause, 10*time.Millisecond) {
		// Version 1 can get stuck while a process is being forked; writing again helps.
		if err := writeFile(file, word); err != nil {
			return fmt.Errorf("cgroup %s: %w", c.path, err)
		}
		done, err := settled(file, word, isV1)
		if err != nil {
			return fmt.Errorf("cgroup %s: %w", c.path, err)
		}
		if done {
			return nil
		}
		if time.Now().After(deadline) {
			break
		}
		time.Sleep(pause)
	}
	verb := "freeze"
	if word == "0" || word == "THAWED" {
		verb = "thaw"
	}
	return errdefs.New(errdefs.ErrUnavailable, "cgroup", c.path, "did not %s within %s", verb, freezeLimit).
		WithHint("see whether a process of it hangs in the kernel, or a cgroup above it is frozen")
}

// settled says whether the kernel has done what was written.
func settled(file, word string, isV1 bool) (bool, error) {
	if isV1 {
		s, err := readBounded(file, 4096)
		return strings.TrimSpace(s) == word, err
	}
	s, err := readBounded(filepath.Join(filepath.Dir(file), "cgroup.events"), 4096)
	return strings.Contains(s, "frozen "+word), err
}
