package cli

import (
	"github.com/manager-project/manager/cmd/manager/cli/command"
	"github.com/manager-project/manager/cmd/manager/cli/flags"
	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/sirupsen/logrus"
)

// The headings of the global options.
const (
	groupStore = "Where things are kept"
	groupRun   = "How containers run"
	groupOther = "Other"
)

func globalFlags(app *command.App) []flags.Flag {
	o := &app.Options
	remote := "there is no remote mode: manager works on this machine, without a service"
	table := []flags.Flag{
		{Name: "cdi-spec-dir", Group: groupRun, To: &o.CDISpecDirs, Default: "[/etc/cdi,/var/run/cdi]", Complete: flags.CompleteDirs, Usage: "Directory of CDI device descriptions"},
		{Name: "cgroup-manager", Group: groupRun, To: &o.CgroupManager, Choices: []string{"cgroupfs", "systemd"}, Usage: "Who makes cgroups; without it, what containers.conf says, else systemd where it runs with cgroup version 2"},
		{Name: "events-backend", Group: groupOther, To: &o.EventsBackend, Default: "file", Choices: []string{"file", "journald", "none"}, Usage: "Where events are kept; without it, what containers.conf says"},
		{Name: "imagestore", Group: groupStore, To: &o.ImageStore, Complete: flags.CompleteDirs, Usage: "Keep images apart from containers, in this directory"},
		{Name: "log-level", Group: groupOther, To: &app.LogLevel, Choices: []string{"trace", "debug", "info", "warn", "error", "fatal", "panic"}, Usage: "How much to say on standard error; debug shows each step"},
		{Name: "module", Group: groupOther, To: &o.Modules, Usage: "Read this containers.conf module too"},
		{Name: "root", Group: groupStore, To: &o.Root, Complete: flags.CompleteDirs, Usage: "Directory of images and containers"},
		{Name: "runroot", Group: groupStore, To: &o.RunRoot, Complete: flags.CompleteDirs, Usage: "Directory of what does not outlive a reboot"},
		{Name: "runtime", Group: groupRun, To: &o.Runtime, Default: "manager-runtime", Complete: flags.CompleteFiles, Usage: "OCI runtime of new containers: manager-runtime, crun, runc, a name of containers.conf, or a path"},
		{Name: "runtime-flag", Group: groupRun, To: &o.RuntimeFlags, Usage: "Option of the external runtime, without the dashes, before its command"},
		{Name: "storage-driver", Group: groupStore, To: &o.StorageDriver, Choices: []string{"overlay", "vfs"}, Usage: "Driver of the store"},
		{Name: "storage-opt", Group: groupStore, To: &o.StorageOpts, Usage: "Option of the storage driver; an empty one clears those of storage.conf"},
		{Name: "tmpdir", Group: groupStore, To: &o.TmpDir, Complete: flags.CompleteDirs, Usage: "Directory of run state"},
		{Name: "transient-store", Group: groupStore, To: &o.TransientStore, Usage: "Keep containers in memory only, until the next reboot"},
		{Name: "version", Short: "v", Group: groupOther, To: &app.ShowVersion, Usage: "Print the version"},
		{Name: "volumepath", Group: groupStore, To: &o.VolumePath, Complete: flags.CompleteDirs, Usage: "Directory of volumes"},
		{Name: "config", Type: "string", Unsupported: "Docker's client configuration is not read; registry credentials are in auth.json (see login --authfile)"},
		{Name: "conmon", Type: "string", Unsupported: "there is no conmon; manager brings its own monitor"},
		{Name: "connection", Short: "c", Type: "string", Unsupported: remote},
		{Name: "hooks-dir", Type: "stringArray", Default: "[/usr/share/containers/oci/hooks.d]", Unsupported: "OCI hooks directories are not available in this version"},
		{Name: "network-config-dir", Type: "string", Unsupported: "networks with addresses are not available in this version"},
		{Name: "out", Type: "string", Unsupported: "redirect standard output with the shell instead"},
		{Name: "remote", Short: "r", Type: "bool", Unsupported: remote},
		{Name: "syslog", Type: "bool", Default: "false", Unsupported: "messages go to standard error only"},
		{Name: "url", Type: "string", Default: "unix:///run/manager/manager.sock", Unsupported: remote},
		{Name: "ssh", Type: "string", Default: "golang", Unsupported: remote},
	}
	for _, name := range []string{"identity", "tls-ca", "tls-cert", "tls-details", "tls-key"} {
		table = append(table, flags.Flag{Name: name, Type: "string", Unsupported: remote})
	}
	for i := range table {
		if table[i].Unsupported != "" {
			table[i].Group = groupOther
		}
	}
	return table
}

// setUpLog applies --log-level.
func setUpLog(app *command.App) error {
	if app.LogLevel == "warning" || app.LogLevel == "warn" {
		logrus.SetLevel(logrus.WarnLevel)
		return nil
	}
	level, err := logrus.ParseLevel(app.LogLevel)
	if err != nil {
		return errdefs.Invalid("--log-level", app.LogLevel, "must be one of trace, debug, info, warn, error, fatal, panic")
	}
	logrus.SetLevel(level)
	return nil
}
