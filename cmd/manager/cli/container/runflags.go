package container

import (
	"github.com/manager-project/manager/cmd/manager/cli/flags"
	"github.com/manager-project/manager/pkg/spec"
)

// The headings of create's and run's help.
const (
	groupLife      = "Name, life and removal"
	groupProcess   = "Process"
	groupFiles     = "Files and volumes"
	groupNet       = "Network and names"
	groupNamespace = "Namespaces"
	groupLimits    = "Resources"
	groupSecurity  = "Security and devices"
	groupLog       = "Logging"
	groupImage     = "Image"
	groupHealth    = "Health"
)

// newRequest returns a request with the values of options that are on by default.
func newRequest() *spec.Request {
	r := &spec.Request{}
	r.Process.HTTPProxy = true
	r.Process.Passwd = true
	r.Mounts.ReadOnlyTmpfs = true
	r.Limits.MemorySwappiness = -1
	r.Life.SigProxy = true
	r.Life.Retry = 3
	return r
}

// createFlags are the options that create and run share.
func createFlags(r *spec.Request) []flags.Flag {
	var table []flags.Flag
	table = append(table, lifeFlags(&r.Life)...)
	table = append(table, processFlags(&r.Process)...)
	table = append(table, mountFlags(&r.Mounts)...)
	table = append(table, netFlags(r)...)
	table = append(table, namespaceFlags(&r.Namespace)...)
	table = append(table, limitFlags(&r.Limits)...)
	table = append(table, securityFlags(&r.Security)...)
	table = append(table, logFlags(&r.Log)...)
	table = append(table, imageFlags(&r.Life)...)
	table = append(table, healthFlags(&r.Health)...)
	return table
}

// runOnlyFlags are the options of run that create has not.
func runOnlyFlags(r *spec.Request) []flags.Flag {
	return []flags.Flag{
		{Name: "detach", Short: "d", Group: groupLife, To: &r.Life.Detach, Usage: "Start in the background and print the id"},
		detachKeysFlag(&r.Life.DetachKeys, groupLife),
		{Name: "passwd", Group: groupProcess, To: &r.Process.Passwd, Usage: "Add the user to the container's /etc/passwd and /etc/group"},
		{Name: "preserve-fd", Group: groupProcess, To: &r.Process.PreserveFD, Default: "[]", Usage: "Pass these open descriptors on"},
		{Name: "preserve-fds", Group: groupProcess, To: &r.Process.PreserveFDs, Usage: "Pass this many descriptors on, counted from 3"},
		{Name: "rmi", Group: groupLife, To: &r.Life.RemoveImage, Usage: "Remove the image too when the container ends, unless another needs it (implies --rm)"},
		{Name: "sig-proxy", Group: groupLife, To: &r.Life.SigProxy, Usage: "Pass signals on to the process"},
	}
}

func detachKeysFlag(to **string, group string) flags.Flag {
	return flags.Flag{
		Name: "detach-keys", Group: group, Value: "[a-Z]", To: to, Default: "ctrl-p,ctrl-q",
		Usage: "Keys that leave the container running; an empty value turns them off",
	}
}

func lifeFlags(l *spec.LifeRequest) []flags.Flag {
	pods := "there are no pods in this version"
	return []flags.Flag{
		{Name: "annotation", Group: groupLife, To: &l.Annotation, Usage: "Add an OCI annotation KEY=VALUE"},
		{Name: "attach", Short: "a", Group: groupLife, To: &l.Attach, Split: true, Choices: []string{"stdin", "stdout", "stderr"}, Usage: "Attach to stdin, stdout or stderr"},
		{Name: "cidfile", Group: groupLife, To: &l.CIDFile, Complete: flags.CompleteFiles, Usage: "Write the id to this file, which must not exist"},
		{Name: "conmon-pidfile", Group: groupLife, Type: "string", Unsupported: "there is no conmon; use --pidfile for the process id of the container"},
		{Name: "label", Short: "l", Group: groupLife, To: &l.Label, Usage: "Set a label KEY=VALUE"},
		{Name: "label-file", Group: groupLife, To: &l.LabelFile, Complete: flags.CompleteFiles, Usage: "Read labels from a file, one a line"},
		{Name: "name", Group: groupLife, To: &l.Name, Usage: "Name the container; without it a name is made up"},
		{Name: "pidfile", Group: groupLife, To: &l.PIDFile, Complete: flags.CompleteFiles, Usage: "Write the process id to this file at each start"},
		{Name: "pod", Group: groupLife, Type: "string", Unsupported: pods},
		{Name: "pod-id-file", Group: groupLife, Type: "string", Unsupported: pods},
		{Name: "replace", Group: groupLife, To: &l.Replace, Usage: "Remove a container of the same name first"},
		{Name: "requires", Group: groupLife, To: &l.Requires, Split: true, Complete: flags.CompleteContainers, Usage: "Start these containers before this one"},
		restartFlag(&l.Restart),
		{Name: "rm", Group: groupLife, To: &l.Remove, Usage: "Remove the container when it has ended"},
		{Name: "stop-signal", Group: groupLife, To: &l.StopSignal, Complete: flags.CompleteSignals, Usage: "Signal that asks the container to stop"},
		{Name: "stop-timeout", Group: groupLife, To: &l.StopTimeout, Default: "10", Usage: "Seconds that stop waits before it kills"},
		{Name: "timeout", Group: groupLife, To: &l.Timeout, Usage: "End the container this many seconds after its start; 0 never"},
	}
}

func restartFlag(to *string) flags.Flag {
	return flags.Flag{
		Name: "restart", Group: groupLife, To: to, Choices: []string{"no", "always", "unless-stopped", "on-failure"},
		Usage: "Restart the container when it has ended: no, always, unless-stopped or on-failure[:N]",
	}
}

func processFlags(p *spec.ProcessRequest) []flags.Flag {
	return []flags.Flag{
		{Name: "entrypoint", Group: groupProcess, To: &p.Entrypoint, Usage: "Replace the image's entrypoint: a word or a JSON array; an empty value clears it"},
		{Name: "env", Short: "e", Group: groupProcess, To: &p.Env, Usage: "Set a variable KEY=VALUE, or take KEY (KEY* for a prefix) from the host"},
		{Name: "env-file", Group: groupProcess, To: &p.EnvFile, Complete: flags.CompleteFiles, Usage: "Read variables from a file, one a line"},
		{Name: "env-host", Group: groupProcess, To: &p.EnvHost, Usage: "Take all variables of the host"},
		{Name: "env-merge", Group: groupProcess, To: &p.EnvMerge, Usage: "Set a variable that refers to the image's: PATH=${PATH}:/opt/bin"},
		{Name: "group-add", Group: groupProcess, To: &p.GroupAdd, Split: true, Usage: "Add supplementary groups; keep-groups keeps the caller's"},
		{Name: "group-entry", Group: groupProcess, To: &p.GroupEntry, Usage: "Line to write for the user in /etc/group"},
		{Name: "hostname", Short: "h", Group: groupProcess, To: &p.Hostname, Usage: "Host name inside the container"},
		{Name: "hostuser", Group: groupProcess, To: &p.HostUser, Split: true, Usage: "Add this user of the host to the container's /etc/passwd"},
		{Name: "http-proxy", Group: groupProcess, To: &p.HTTPProxy, Usage: "Pass the host's proxy variables on"},
		{Name: "init", Group: groupProcess, To: &p.Init, Usage: "Run a small init that reaps processes and forwards signals"},
		{Name: "init-path", Group: groupProcess, To: &p.InitPath, Complete: flags.CompleteFiles, Usage: "Program of the host to use for --init"},
		{Name: "interactive", Short: "i", Group: groupProcess, To: &p.Interactive, Usage: "Keep standard input open"},
		{Name: "oom-score-adj", Group: groupProcess, To: &p.OOMScoreAdj, Usage: "Preference of the kernel for killing the process, -1000 to 1000"},
		{Name: "passwd-entry", Group: groupProcess, To: &p.PasswdEntry, Usage: "Line to write for the user in /etc/passwd"},
		{Name: "personality", Group: groupProcess, To: &p.Personality, Choices: []string{"LINUX", "LINUX32"}, Usage: "Execution domain of the process"},
		{Name: "sdnotify", Group: groupProcess, To: &p.SdNotify, Default: "container", Choices: []string{"container", "conmon", "healthy", "ignore"}, Usage: "Who tells systemd that the container is ready"},
		{Name: "systemd", Group: groupProcess, To: &p.Systemd, Default: "true", Choices: []string{"true", "false", "always"}, Usage: "Prepare the container for systemd when its command is one"},
		{Name: "tty", Short: "t", Group: groupProcess, To: &p.TTY, Usage: "Give the process a terminal"},
		{Name: "tz", Group: groupProcess, To: &p.TZ, Usage: "Time zone, or local for the host's"},
		{Name: "umask", Group: groupProcess, To: &p.Umask, Default: "0022", Usage: "File creation mask, octal"},
		{Name: "unsetenv", Group: groupProcess, To: &p.UnsetEnv, Usage: "Remove a variable of the image or the defaults"},
		{Name: "unsetenv-all", Group: groupProcess, To: &p.UnsetEnvAll, Usage: "Remove all variables of the image and the defaults"},
		{Name: "user", Short: "u", Group: groupProcess, To: &p.User, Usage: "User or uid, and group or gid: USER[:GROUP]"},
		{Name: "workdir", Short: "w", Group: groupProcess, To: &p.Workdir, Usage: "Working directory inside the container"},
	}
}

func logFlags(l *spec.LogRequest) []flags.Flag {
	return []flags.Flag{
		{Name: "log-driver", Group: groupLog, To: &l.Driver, Default: "k8s-file", Choices: []string{"k8s-file", "json-file", "journald", "none", "passthrough", "passthrough-tty"}, Usage: "How output is kept"},
		{Name: "log-opt", Group: groupLog, To: &l.Opt, Usage: "Option of the log driver: path=, max-size=, max-file=, compress=, mode=, max-buffer-size=, tag=, label=, labels=, labels-regex=, env=, env-regex="},
	}
}
