package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/libcontainer"
	"github.com/manager-project/manager/pkg/libcontainer/compile"
)

// createOptions are those of create and run.
type createOptions struct {
	attachOptions
	bundle, config        string
	noPivot, noNewKeyring bool
}

func (o *createOptions) flags() []option {
	return append([]option{
		{name: "bundle", short: "b", to: &o.bundle, value: "DIR", usage: "directory with config.json (default the current one)"},
		{name: "config", short: "f", to: &o.config, value: "FILE", usage: "configuration to use in place of the bundle's config.json"},
		{name: "no-pivot", to: &o.noPivot, usage: "move the root file system in place of pivoting to it, as an initramfs needs"},
		{name: "no-new-keyring", to: &o.noNewKeyring, usage: "keep the caller's session keyring"},
	}, o.attachOptions.flags()...)
}

func createCommand() *command {
	o := &createOptions{}
	return &command{
		name: "create", args: "ID", summary: "create a container", least: 1, most: 1, flags: o.flags(),
		about: `Makes a container from a bundle, up to the moment before its program runs, and returns. start lets
the program run. The container's streams are those of this command.`,
		run: func(a *app, args []string) (int, error) {
			cfg, err := o.configure(a)
			if err != nil {
				return 0, err
			}
			cfg.Park = true
			if err := o.checkTerminal(terminal(cfg.Spec), true); err != nil {
				return 0, err
			}
			a.leaveStderr()
			c, err := o.create(a, args[0], cfg)
			if err != nil {
				return 0, err
			}
			return 0, c.Close()
		},
	}
}

// configure reads the bundle.
func (o *createOptions) configure(a *app) (cfg libcontainer.Config, err error) {
	if cfg.Bundle, err = filepath.Abs(o.bundle); err != nil {
		return cfg, err
	}
	file := filepath.Join(cfg.Bundle, "config.json")
	if o.config != "" {
		file = o.config
	}
	if cfg.Spec, err = readSpec(file); err != nil {
		return cfg, err
	}
	cfg.Attachment, err = o.attachment()
	cfg.NoPivot, cfg.NoNewKeyring = o.noPivot, o.noNewKeyring
	cfg.Rootless = a.isRootless()
	switch {
	case a.systemdCgroup:
		cfg.CgroupManager = libcontainer.CgroupSystemd
	case a.cgroupManager == "disabled":
		cfg.CgroupManager = libcontainer.CgroupNone
	}
	cfg.Notify = os.Getenv("NOTIFY_SOCKET") != ""
	return cfg, err
}

func (o *createOptions) create(a *app, id string, cfg libcontainer.Config) (*libcontainer.Container, error) {
	f, done, err := a.starter()
	if err != nil {
		return nil, err
	}
	defer done()
	if !a.rootSet && a.isRootless() {
		// Programs that tidy run directories leave what is sticky alone. Source: XDG Base Directory Specification.
		const mode = 0o711
		if err := errors.Join(os.MkdirAll(a.root, mode), os.Chmod(a.root, mode|os.ModeSticky)); err != nil {
			return nil, err
		}
	}
	c, err := f.Create(context.Background(), id, cfg)
	if err == nil {
		a.warn(c.Warnings)
	}
	return c, err
}

func terminal(s *specs.Spec) bool { return s.Process != nil && s.Process.Terminal }

func readSpec(path string) (*specs.Spec, error) {
	spec, err := compile.ReadSpec(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, errdefs.NotFound("file", path).WithHint("make one with: %s spec", name)
	}
	return spec, err
}
