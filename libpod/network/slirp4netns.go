package network

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/spec"
)

// slirpOptions are the words behind --network slirp4netns:.
type slirpOptions struct {
	subnet       netip.Prefix
	hostLoopback bool
	args         []string
}

// parseSlirp reads the options that Podman's users know.
func parseSlirp(options []string) (*slirpOptions, error) {
	o := &slirpOptions{subnet: subnet}
	mtu, ipv6 := "65520", true
	for _, word := range options {
		name, value := cutOption(word)
		bad := func(what string) error {
			return badOption(spec.NetSlirp4netns, word, "%s", what).
				WithHint("the options are allow_host_loopback=BOOL, cidr=CIDR, enable_ipv6=BOOL, mtu=NUMBER, outbound_addr=ADDRESS|INTERFACE, outbound_addr6=… and port_handler=rootlesskit")
		}
		var err error
		switch name {
		case "cidr":
			o.subnet, err = netip.ParsePrefix(value)
			if err != nil || !o.subnet.Addr().Is4() || o.subnet.Bits() > 25 || o.subnet != o.subnet.Masked() {
				return nil, bad("not an IPv4 network of at most 25 bits")
			}
		case "allow_host_loopback":
			if o.hostLoopback, err = strconv.ParseBool(value); err != nil {
				return nil, bad("neither true nor false")
			}
		case "enable_ipv6":
			if ipv6, err = strconv.ParseBool(value); err != nil {
				return nil, bad("neither true nor false")
			}
		case "mtu":
			if n, err := strconv.ParseUint(value, 10, 16); err != nil || n == 0 {
				return nil, bad("not a number of 1 to 65535")
			}
			mtu = value
		case "outbound_addr", "outbound_addr6":
			if value == "" {
				return nil, bad("there is no address")
			}
			flag := map[string]string{"outbound_addr": "--outbound-addr=", "outbound_addr6": "--outbound-addr6="}[name]
			o.args = append(o.args, flag+value)
		case "port_handler":
			if value == "slirp4netns" {
				return nil, errdefs.Unsupported("--network", "slirp4netns:%s: ports are published by rootlesskit's port driver, which keeps the client's address", word).
					WithHint("leave port_handler out")
			}
			if value != "rootlesskit" {
				return nil, bad("no such port handler")
			}
		default:
			return nil, bad("no such option")
		}
	}
	o.args = append(o.args, "--mtu="+mtu, "--cidr="+o.subnet.String())
	if !o.hostLoopback {
		o.args = append(o.args, "--disable-host-loopback")
	}
	if ipv6 {
		o.args = append(o.args, "--enable-ipv6")
	}
	return o, nil
}

// runSlirp starts slirp4netns, which stays in the foreground and writes to a pipe when it is ready.
// Source: slirp4netns(1).
func runSlirp(ctx context.Context, q *Request) error {
	o, err := parseSlirp(q.Net.DriverOptions)
	if err != nil {
		return err
	}
	program, err := find(spec.NetSlirp4netns)
	if err != nil {
		return err
	}
	ready, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer func() { _ = ready.Close() }()
	log, err := os.OpenFile(q.path("slirp4netns.log"), os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		_ = w.Close()
		return err
	}
	defer func() { _ = log.Close() }()
	args := append([]string{"--configure", "--ready-fd=3", "--netns-type=path", "--enable-sandbox", "--enable-seccomp"}, o.args...)
	cmd := exec.Command(program, append(args, q.path(netnsFile), "tap0")...)
	cmd.Dir, cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = "/", log, log, []*os.File{w}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = cmd.Start()
	_ = w.Close()
	if err != nil {
		return fmt.Errorf("start %s: %w", program, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
	defer stop()
	p, err := processOf(cmd.Process.Pid)
	if err == nil {
		p.Carries = true
		err = q.note(p)
	}
	var b [1]byte
	if err == nil {
		if _, rerr := ready.Read(b[:]); rerr != nil {
			err = rerr
			if rerr == io.EOF {
				err = failed(spec.NetSlirp4netns, q.Net.DriverOptions, logged(log))
			}
		}
	}
	if err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		return abandoned(ctx, err)
	}
	if !stop() {
		return abandoned(ctx, cmd.Wait())
	}
	return cmd.Process.Release()
}

// logged is the beginning of what a driver has written.
func logged(f *os.File) string {
	raw := make([]byte, 4096)
	n, _ := f.ReadAt(raw, 0)
	return string(raw[:n])
}

// find is the path of a driver's program.
func find(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err == nil {
		path, err = filepath.Abs(path)
	}
	if err == nil {
		return path, nil
	}
	pkg := name
	if name == spec.NetPasta {
		pkg = "passt"
	}
	return "", errdefs.New(errdefs.ErrUnavailable, "program", name, "it is not installed").WithOp("network").
		WithHint("install the package %s, or leave --network out to use the network that is built in", pkg)
}
