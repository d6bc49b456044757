package libpod

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/internal/version"
	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/hostfiles"
	"github.com/manager-project/manager/pkg/lookup"
	"github.com/manager-project/manager/pkg/rootless"
	"github.com/manager-project/manager/pkg/selinux"
	"github.com/manager-project/manager/pkg/spec"
)

// writeFiles makes the small files that the engine gives a container, in its run directory.
func (s *start) writeFiles(ctx context.Context) error {
	s.facts.Files = map[string]string{}
	env := hostfiles.ContainerEnv{
		Engine: "manager-" + version.Version, Name: s.cfg.Name, ID: s.cfg.ID, Image: s.cfg.Image.Name, ImageID: s.cfg.Image.ID, Rootless: rootless.Active(),
	}
	if err := s.provide("/run/.containerenv", env.Bytes()); err != nil {
		return err
	}
	if err := s.writeNetFiles(ctx); err != nil {
		return err
	}
	s.chrootFiles()
	if err := s.writeUserFiles(); err != nil {
		return err
	}
	return s.writeTimezone()
}

// provide writes a file and notes where it appears in the container.
func (s *start) provide(destination string, content []byte) error {
	path := filepath.Join(s.rt.paths.runDir(s.row.ID), filepath.Base(destination))
	// O_EXCL: the directory is new and ours, and nothing in it is written twice.
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, reasonOf(err))
	}
	_, err = f.Write(content)
	if err = errors.Join(reasonOf(err), selinux.SetFile(f, s.cfg.Security.MountLabel), f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	s.facts.Files[destination] = path
	return s.giveToRoot(path)
}

// writeNetFiles makes resolv.conf, hosts and hostname. A container that joins another's network
// shares that one's files, since they speak of the same network.
func (s *start) writeNetFiles(ctx context.Context) error {
	net := &s.cfg.Net
	if net.Namespace.Mode == spec.NSContainer {
		return s.shareNetFiles(ctx, net.Namespace.Target)
	}
	hostNet := net.Namespace.Mode == spec.NSHost
	at, err := addressesOf(net)
	if err != nil {
		return err
	}
	if !net.NoResolvConf {
		if err := s.provide("/etc/resolv.conf", resolvConf(net, at)); err != nil {
			return err
		}
	}
	if !net.NoHosts {
		base, err := baseHosts(net.HostsFile, s.facts.RootfsPath)
		if err != nil {
			return err
		}
		h := hostfiles.Hosts{Extra: net.Hosts, Names: []string{net.Hostname, s.cfg.Name}, HostNet: hostNet}
		if hostNet {
			h.Gateway = "127.0.0.1"
		} else {
			h.IP, h.Gateway = at.own, at.host
		}
		content, err := hostfiles.HostsFile(base, h)
		if err != nil {
			return err
		}
		if err := s.provide("/etc/hosts", content); err != nil {
			return err
		}
	}
	if !net.NoHostname && net.Hostname != "" {
		return s.provide("/etc/hostname", hostfiles.Hostname(net.Hostname))
	}
	return nil
}

// chrootFiles shows the network's files below the directories of --chrootdirs too.
func (s *start) chrootFiles() {
	for _, file := range []string{"/etc/resolv.conf", "/etc/hosts", "/etc/hostname"} {
		source, ok := s.facts.Files[file]
		if !ok {
			continue
		}
		for _, dir := range s.cfg.Net.ChrootDirs {
			s.facts.Files[filepath.Join(dir, file)] = source
		}
	}
}

func (s *start) shareNetFiles(ctx context.Context, target string) error {
	dir := s.rt.paths.runDir(target)
	for _, destination := range []string{"/etc/resolv.conf", "/etc/hosts"} {
		if path := filepath.Join(dir, filepath.Base(destination)); exists(path) {
			if err := s.shareLabel(path); err != nil {
				return err
			}
			s.facts.Files[destination] = path
		}
	}
	if s.cfg.Net.Hostname != "" && !s.cfg.Net.NoHostname {
		return s.provide("/etc/hostname", hostfiles.Hostname(s.cfg.Net.Hostname))
	}
	return nil
}

// resolvConf is the file for a network.
func resolvConf(net *spec.Net, at netAddresses) []byte {
	return hostfiles.ResolvConf(hostResolvConf(), hostfiles.Resolv{
		Servers: net.DNS, Search: net.DNSSearch, Options: net.DNSOptions, OwnLoopback: net.Namespace.Mode != spec.NSHost, Forwarder: at.dns,
	})
}

// hostResolvConf is the host's resolv.conf, or what a resolver on loopback keeps of its servers.
func hostResolvConf() []byte {
	raw, err := os.ReadFile("/etc/resolv.conf")
	if err == nil && hostfiles.OnlyLoopback(raw) {
		if full, err := os.ReadFile("/run/systemd/resolve/resolv.conf"); err == nil {
			return full
		}
	}
	return raw // a host without the file has no resolver to pass on
}

// baseHosts is what a hosts file begins with: that of a path, "none", "image" for that of a root filesystem, or "" for the host's.
func baseHosts(path, rootfs string) ([]byte, error) {
	switch path {
	case "none":
		return nil, nil
	case "":
		raw, _ := os.ReadFile("/etc/hosts")
		return raw, nil
	case "image":
		root, err := os.OpenFile(rootfs, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return nil, err
		}
		defer func() { _ = root.Close() }()
		return lookup.ReadFile(root, "etc/hosts")
	default:
		raw, err := readUserFile(path)
		if err != nil {
			return nil, &errdefs.Error{Op: "--hosts-file", Name: path, Class: errdefs.ErrInvalid, Cause: err, Hint: "name a file, none or image"}
		}
		return raw, nil
	}
}

// writeUserFiles gives the container's user a line in passwd and group when it has none there.
func (s *start) writeUserFiles() error {
	p := &s.cfg.Process
	if !p.Passwd || s.cfg.Rootfs.Path != "" && !s.cfg.Rootfs.Overlay {
		return nil
	}
	root, err := os.OpenFile(s.facts.RootfsPath, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	hosts, err := hostUsers(p.HostUsers)
	if err != nil {
		return err
	}
	passwd, err := lookup.ReadFile(root, "etc/passwd")
	if err != nil {
		return err
	}
	content, changed, err := lookup.PasswdFile(passwd, s.user, p.PasswdEntry, hosts)
	if err != nil {
		return err
	}
	if changed && len(passwd) > 0 {
		if err := s.provide("/etc/passwd", content); err != nil {
			return err
		}
	}
	group, err := lookup.ReadFile(root, "etc/group")
	if err != nil {
		return err
	}
	content, changed, err = lookup.GroupFile(group, s.user, p.GroupEntry)
	if err != nil || !changed || len(group) == 0 {
		return err
	}
	return s.provide("/etc/group", content)
}

// writeTimezone copies a zone of the host's database.
func (s *start) writeTimezone() error {
	zone := s.cfg.Process.Timezone
	if zone == "" {
		return nil
	}
	path := filepath.Join("/usr/share/zoneinfo", zone)
	if zone == "local" {
		path = "/etc/localtime"
	}
	raw, err := readUserFile(path)
	if err == nil {
		_, err = time.LoadLocationFromTZData(zone, raw)
	}
	if err != nil {
		return &errdefs.Error{Op: "--tz", Name: zone, Class: errdefs.ErrInvalid, Cause: err, Hint: "name a zone of the host's time zone database, or local"}
	}
	return s.provide("/etc/localtime", raw)
}
