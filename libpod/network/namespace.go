package network

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/spec"
)

// pin shows the namespace in the run directory: the init's, or a new one.
func (q *Request) pin() error {
	path := q.path(netnsFile)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if q.Init.PID != 0 {
		return bind(fmt.Sprintf("/proc/%d/ns/net", q.Init.PID), path)
	}
	made := make(chan error, 1)
	go inPassing(func() {
		err := newNamespace(path)
		if err == nil && q.Net.Driver == spec.NetPasta {
			q.routes, _ = hearRoutes() // without it, the driver says when it is ready
		}
		made <- err
	})
	return <-made
}

// inPassing calls f on a thread that ends with it. The main thread would not end, but be what /proc/self shows.
func inPassing(f func()) {
	runtime.LockOSThread() // and never unlocked
	if unix.Gettid() != unix.Getpid() {
		f()
		return
	}
	done := make(chan struct{})
	go func() { // on another thread, since this one is taken
		defer close(done)
		inPassing(f)
	}()
	<-done
	runtime.UnlockOSThread()
}

// Inside calls f on a thread in the network namespace of a run directory. What f does to the thread ends with it.
func Inside(dir string, f func() error) error {
	ns, err := os.Open(filepath.Join(dir, netnsFile))
	if err != nil {
		return err
	}
	defer func() { _ = ns.Close() }()
	done := make(chan error, 1)
	go inPassing(func() {
		err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET)
		if err != nil {
			err = fmt.Errorf("join %s: %w", ns.Name(), err)
		} else {
			err = f()
		}
		done <- err
	})
	return <-done
}

// newNamespace makes a network namespace whose loopback device is up, as an init would make it, and leaves the thread in it.
func newNamespace(path string) error {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("make a network namespace: %w", err)
	}
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("loopback device: %w", err)
	}
	defer func() { _ = unix.Close(s) }()
	lo, err := unix.NewIfreq("lo")
	if err == nil {
		lo.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
		err = unix.IoctlIfreq(s, unix.SIOCSIFFLAGS, lo)
	}
	if err != nil {
		return fmt.Errorf("loopback device: %w", err)
	}
	return bind("/proc/thread-self/ns/net", path)
}

func bind(source, path string) error {
	if err := unix.Mount(source, path, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("bind %s: %w", source, err)
	}
	return nil
}

// unpin takes the namespace off.
func unpin(dir string) error {
	err := unix.Unmount(filepath.Join(dir, netnsFile), unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
	if err == nil || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT) {
		return nil // or it was not mounted
	}
	return fmt.Errorf("unmount %s: %w", filepath.Join(dir, netnsFile), err)
}
