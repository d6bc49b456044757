package criu

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"

	"github.com/manager-project/manager/pkg/errdefs"
	"golang.org/x/sys/unix"
)

// Check says whether criu is there and fits this kernel, by its own test ("criu check"). ErrUnavailable
// says what is lacking and what to do.
func (p Program) Check(ctx context.Context) error {
	path, err := p.find()
	if err != nil {
		return err
	}
	var said bytes.Buffer
	cmd := exec.CommandContext(ctx, path, "check")
	cmd.Stdout = &limited{to: &said, left: maxStderr}
	cmd.Stderr, cmd.WaitDelay = cmd.Stdout, waitDelay
	if err = cmd.Run(); err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if line := reason(said.String()); line != "" {
		err = errors.New(line)
	}
	e := &errdefs.Error{Op: "check", Kind: "program", Name: "criu", Class: errdefs.ErrUnavailable, Cause: fmt.Errorf("it does not work on this host: %w", err)}
	if selinuxDenies(said.String()) {
		return e.WithHint("SELinux enforces here and may be the reason: \"ausearch -m avc -ts recent\" or the kernel's log says so; then install a policy module that lets programs of %s do what criu does", ownLabel())
	}
	var name unix.Utsname
	_ = unix.Uname(&name)
	return e.WithHint("install a criu that knows Linux %s; \"criu check\" says whether it does", unix.ByteSliceToString(name.Release[:]))
}

// reason is the first line of criu's words that tells an error, which later ones follow from.
func reason(said string) string {
	for line := range strings.Lines(said) {
		if strings.Contains(line, "Error") {
			return strings.TrimSpace(line)
		}
	}
	return lastLine(said, "")
}

// find is the program's path.
func (p Program) find() (string, error) {
	path := p.Path
	if path == "" {
		path = "criu"
	}
	path, err := exec.LookPath(path)
	if err != nil {
		return "", errdefs.New(errdefs.ErrUnavailable, "program", "criu", "not found in $PATH").WithHint("install the package criu")
	}
	return path, nil
}
