package libpod

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/libpod/lock"
	"github.com/manager-project/manager/libpod/network"
	"github.com/manager-project/manager/pkg/atomicfile"
	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/hostfiles"
	"github.com/manager-project/manager/pkg/rootless"
	"github.com/manager-project/manager/pkg/spec"
)

// SharedNetwork is the network that a user's commands share, that of "unshare --rootless-netns", as one of its users has it. No
// container has it. It lies in the run directory as a container's does, made and taken down by the same steps (libpod/network).
type SharedNetwork struct {
	sharing *sharing
	users   *lock.Lock
}

func (r *Runtime) sharedNetwork() *sharing {
	dir := r.paths.sharedNetwork()
	return &sharing{
		dir:   dir,
		whole: func() bool { return carried(dir) },
		make:  func(ctx context.Context) error { return r.makeSharedNetwork(ctx, dir) },
		end: func(ctx context.Context) error {
			if !exists(dir) {
				return nil
			}
			if err := network.Suspect(dir); err != nil { // what sweeps /tmp by age may take it
				return err
			}
			return tearDownNetwork(ctx, dir)
		},
	}
}

// JoinSharedNetwork joins it, and makes it for its first user.
func (r *Runtime) JoinSharedNetwork(ctx context.Context) (*SharedNetwork, error) {
	s := r.sharedNetwork()
	users, err := s.join(ctx)
	if err != nil {
		return nil, err
	}
	return &SharedNetwork{sharing: s, users: users}, nil
}

// Leave gives the network up, and takes it down after its last user.
func (n *SharedNetwork) Leave(ctx context.Context) error { return n.sharing.leave(ctx, n.users) }

// RemoveSharedNetwork takes it down, whoever uses it.
func (r *Runtime) RemoveSharedNetwork(ctx context.Context) error {
	return r.sharedNetwork().remove(ctx)
}

// Run calls f on a thread in the network, and in a mount namespace of the thread's own in which /etc has the network's
// resolv.conf and hosts. Processes that f starts are in there too.
func (n *SharedNetwork) Run(f func() error) error {
	dir := n.sharing.dir
	return network.Inside(dir, func() error {
		if err := showFiles(dir); err != nil {
			return err
		}
		return f()
	})
}

// carried says that the network is there, as this mount namespace shows it, with the interface that whoever carries it keeps.
func carried(dir string) (yes bool) {
	err := network.Inside(dir, func() error {
		all, err := net.Interfaces()
		yes = slices.ContainsFunc(all, func(i net.Interface) bool { return i.Flags&net.FlagLoopback == 0 && i.Flags&net.FlagUp != 0 })
		return err
	})
	return yes && err == nil
}

func (r *Runtime) makeSharedNetwork(ctx context.Context, dir string) error {
	holder, err := networkHolder()
	if err != nil {
		return err
	}
	n, err := r.userNet(ctx)
	if err != nil {
		return err
	}
	b, err := network.Begin(ctx, &network.Request{Net: n, Dir: dir, Program: r.fullProgram})
	if err != nil {
		return err
	}
	if err := writeSharedFiles(n, dir); err != nil {
		b.Abandon()
		return err
	}
	return explainShared(b.Finish(holder))
}

// networkHolder is the process with which a helper of the network ends: that which keeps the user's namespaces.
func networkHolder() (network.Process, error) {
	pid, start, err := rootless.Holder()
	if err == nil && !alive(pid, start) {
		err = errors.New("it has ended")
	}
	if err != nil {
		return network.Process{}, &errdefs.Error{
			Op: "find", Name: "the process that keeps the user's namespaces", Class: errdefs.ErrUnavailable, Cause: err, Hint: "try again",
		}
	}
	return network.Process{PID: pid, StartTime: start}, nil
}

// userNet is what a container of the user's has without any option.
func (r *Runtime) userNet(ctx context.Context) (*spec.Net, error) {
	host, err := r.host(ctx, "")
	if err != nil {
		return nil, err
	}
	defaults, err := r.conf.Defaults()
	if err != nil {
		return nil, err
	}
	n, err := spec.UserNet(defaults, host)
	if err != nil {
		return nil, err
	}
	return network.Effective(n), nil
}

// explainShared says how to have another driver where there is no option for it.
func explainShared(err error) error {
	if e := new(errdefs.Error); errors.As(err, &e) && e.Kind == "network" {
		e.Hint = "choose another driver by default_rootless_network_cmd in the table [network] of containers.conf: pasta, slirp4netns or builtin"
	}
	return err
}

// writeSharedFiles makes the files that Run shows.
func writeSharedFiles(n *spec.Net, dir string) error {
	at, err := addressesOf(n)
	if err != nil {
		return err
	}
	if !n.NoResolvConf {
		if err := atomicfile.Write(filepath.Join(dir, "resolv.conf"), resolvConf(n, at), 0o644, atomicfile.Volatile); err != nil {
			return err
		}
	}
	if n.NoHosts {
		return nil
	}
	base, err := baseHosts(n.HostsFile, "/")
	if err != nil {
		return err
	}
	content, err := hostfiles.HostsFile(base, hostfiles.Hosts{Gateway: at.host})
	if err != nil {
		return err
	}
	return atomicfile.Write(filepath.Join(dir, "hosts"), content, 0o644, atomicfile.Volatile)
}

// showFiles gives the thread a mount namespace in which the network's files are those in /etc, where both are there.
func showFiles(dir string) error {
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("make a mount namespace: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	for _, name := range []string{"resolv.conf", "hosts"} {
		source, target := filepath.Join(dir, name), filepath.Join("/etc", name)
		if err := unix.Mount(source, target, "", unix.MS_BIND, ""); err != nil && !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("bind %s to %s: %w", source, target, err)
		}
	}
	return nil
}
