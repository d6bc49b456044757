package spec

import (
	"path"
	"strconv"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/manager-project/manager/pkg/errdefs"
)

// systemdStopSignal is SIGRTMIN+3, which makes systemd halt. Source: systemd(1), "Signals".
const systemdStopSignal = 34 + 3

// systemdPrograms are programs besides those called systemd that --systemd=true takes for one.
var systemdPrograms = map[string]bool{"/sbin/init": true, "/usr/sbin/init": true, "/usr/local/sbin/init": true}

// systemd settles whether the container is prepared for systemd: what systemd expects of a
// container's manager is in its "Container Interface".
func (d *decider) systemd() error {
	const hint = "write --systemd=false to run it like any other program"
	p := &d.cfg.Process
	switch mode := d.req.Process.Systemd; mode {
	case "", "true":
		// Below an init of ours it would not be process 1, and so would not work as a system's systemd.
		p.Systemd = runsSystemd(p.Args) && !p.Init
	case "always":
		if p.Init {
			return errdefs.Invalid("--systemd", mode, "--init puts another program in its place").WithHint("leave --init out")
		}
		p.Systemd = true
	case "false":
	default:
		return errdefs.Invalid("--systemd", mode, "unknown mode").WithHint("write true, false or always")
	}
	if err := d.systemdSize(); err != nil || !p.Systemd {
		return err
	}
	if d.cfg.Limits.Disabled {
		return errdefs.Invalid("--systemd", d.req.Process.Systemd, "systemd needs a cgroup, and --cgroups=disabled makes none").WithHint(hint)
	}
	if !d.host.CgroupV2 && len(d.host.SystemdCgroups) == 0 {
		return errdefs.Unsupported("--systemd", "systemd needs the unified cgroup hierarchy or the one called name=systemd, and this host has neither").WithHint(hint)
	}
	return nil
}

func (d *decider) systemdSize() error {
	word := d.req.Mounts.ShmSystemd
	if word == "" {
		return nil
	}
	size, err := ParseBytes("--shm-size-systemd", word)
	if err != nil {
		return err
	}
	if !d.cfg.Process.Systemd {
		return errdefs.Invalid("--shm-size-systemd", word, "the container is not prepared for systemd").WithHint("add --systemd=always, or leave it out")
	}
	d.cfg.Process.SystemdTmpfsSize = size
	return nil
}

// runsSystemd looks at the program, and behind the shell that image builders put before it.
func runsSystemd(args []string) bool {
	if len(args) > 2 && args[0] == "/bin/sh" && args[1] == "-c" {
		args = args[2:]
	}
	return systemdPrograms[args[0]] || path.Base(args[0]) == "systemd"
}

// systemdMounts are the places that systemd wants as file systems of its own, and the trees
// of cgroups that it manages. On version 1 these are its own hierarchy and the unified one
// beside it; the controllers' stay read-only.
func (g *generator) systemdMounts() []specs.Mount {
	p := &g.cfg.Process
	if !p.Systemd {
		return nil
	}
	options := []string{"rw", "rprivate", "nosuid", "nodev", "tmpcopyup"}
	if p.SystemdTmpfsSize > 0 {
		options = append(options, "size="+strconv.FormatInt(p.SystemdTmpfsSize, 10))
	}
	var list []specs.Mount
	for _, dst := range []string{"/run", "/run/lock", "/tmp", "/var/log/journal"} {
		list = append(list, specs.Mount{Destination: dst, Type: "tmpfs", Source: "tmpfs", Options: options})
	}
	if g.facts.CgroupV2 {
		return list
	}
	for _, dir := range g.facts.SystemdCgroups {
		list = append(list, specs.Mount{
			Destination: "/sys/fs/cgroup/" + path.Base(dir), Type: "bind", Source: path.Join(dir, g.facts.CgroupPath),
			Options: []string{"bind", "rprivate", "nosuid", "noexec", "nodev", "rw"},
		})
	}
	return list
}

// machineUUID makes the container's id the machine id that systemd takes over.
func machineUUID(id string) string {
	if len(id) < 32 {
		return ""
	}
	return id[:8] + "-" + id[8:12] + "-" + id[12:16] + "-" + id[16:20] + "-" + id[20:32]
}
