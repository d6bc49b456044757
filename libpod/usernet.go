package libpod

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/internal/embedded"
	"github.com/manager-project/manager/libpod/network"
	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/monitor"
	"github.com/manager-project/manager/pkg/rootless"
	"github.com/manager-project/manager/pkg/spec"
)

// checkPorts says now which port of the host cannot be had.
func (s *start) checkPorts(ctx context.Context) error {
	return network.Check(s.cfg.Net.Ports, s.portOwners(ctx))
}

func (s *start) portOwners(ctx context.Context) network.Owners {
	return network.Owners{Container: s.rt.portOwner(ctx, s.row.ID), Noted: s.portHolders}
}

// PortHolders are processes that have ports of the host, see FindPortHolders.
type PortHolders = network.Holders

// FindPortHolders finds, for a user's command, the processes outside of his namespaces that have ports which --publish names. It
// has to be called before the namespaces are joined, and again inside.
func FindPortHolders(publish []string) PortHolders { return network.NoteHolders(publish) }

// portOwner names the running container, other than id, that has published a port.
func (r *Runtime) portOwner(ctx context.Context, id string) func(spec.Port) string {
	return func(p spec.Port) string {
		rows, err := r.state.Containers(ctx)
		if err != nil {
			return ""
		}
		for i := range rows {
			s := &rows[i].State
			if rows[i].ID == id || !s.Status.Live() && !s.Mounted {
				continue
			}
			if slices.ContainsFunc(publishedBy(rows[i].Brief), p.Meets) {
				return "container " + rows[i].Name
			}
		}
		return ""
	}
}

// publishedBy are the ports in the short form of a container.
func publishedBy(short []byte) []spec.Port {
	var b struct {
		Ports []spec.Port `json:"ports"`
	}
	if json.Unmarshal(short, &b) != nil {
		return nil
	}
	return b.Ports
}

// freePort finds ports for those that publish one without saying where; ports of containers that are stopped are left to them.
func (r *Runtime) freePort(ctx context.Context) func(string, string, func(uint16) bool) (uint16, error) {
	return func(ip, protocol string, taken func(uint16) bool) (uint16, error) {
		rows, err := r.state.Containers(ctx)
		if err != nil {
			return 0, err
		}
		var others []spec.Port
		for i := range rows {
			others = append(others, publishedBy(rows[i].Brief)...)
		}
		return network.FreePort(ip, protocol, func(n uint16) bool {
			p := spec.Port{HostIP: ip, HostPort: n, Range: 1, Protocol: protocol}
			return taken(n) || slices.ContainsFunc(others, p.Meets)
		})
	}
}

// beginNetwork begins the container's network before there is an init, which joins its namespace then.
func (c *locked) beginNetwork(ctx context.Context) (err error) {
	if c.cfg.Net.Driver == "" || c.network != nil || c.cfg.UserNS.Own() { // a user namespace of its own has to have the namespace
		return nil
	}
	c.network, err = network.Begin(ctx, c.networkRequest())
	return err
}

// beginNetworkFirst begins it for a container that is about to be started, before its layer is made.
func (c *locked) beginNetworkFirst(ctx context.Context) error {
	if err := c.makeRunDir(ctx); err != nil {
		return err
	}
	return c.beginNetwork(ctx)
}

func (c *locked) networkRequest() *network.Request {
	return &network.Request{
		Net: network.Effective(&c.cfg.Net), Dir: c.rt.paths.runDir(c.row.ID), Program: c.rt.fullProgram, Root: !rootless.Active(), Outlives: true,
	}
}

// finishNetwork waits until the waiting init's network is connected. That of a program whose starter stays with it may not carry packets
// yet, see carryNetwork.
func (s *start) finishNetwork(ctx context.Context) error {
	init := network.Process{PID: s.live.PID, StartTime: s.live.StartTime}
	if s.network == nil {
		if s.cfg.Net.Driver == "" {
			return nil
		}
		q := s.networkRequest()
		q.Init = init
		var err error
		if s.network, err = network.Begin(ctx, q); err != nil {
			return err
		}
	}
	if s.attached && s.network.Connected() {
		return nil
	}
	err := s.network.Finish(init)
	s.network = nil
	if port := new(network.PortInUse); errors.As(err, &port) {
		return network.PortError(port.Port, port.Errno, s.portOwners(ctx))
	}
	if lost := s.session.Lost(); err != nil && lost != nil {
		return lost // whose network it was to be has gone
	}
	return err
}

// carryNetwork waits until the network of a program that has begun carries packets, or the program ends, which does not need it
// any more. A program that gets no network is ended: its start has failed.
func (s *start) carryNetwork(ctx context.Context) error {
	if s.network == nil {
		return nil
	}
	select {
	case <-s.network.Ready():
	case <-s.session.Exited():
		s.network.Abandon()
		s.network = nil
		return nil
	}
	s.attached = false
	err := s.finishNetwork(ctx)
	if err == nil {
		return nil
	}
	_ = s.session.Send(monitor.KindSignal, []byte{byte(unix.SIGKILL)})
	return s.giveUp(ctx, err)
}

// fullProgram is the program that has the network's helper linked in.
func (r *Runtime) fullProgram() (string, error) {
	f, err := embedded.OpenFull(filepath.Join(r.paths.static, "programs"))
	if errors.Is(err, errdefs.ErrUnsupported) {
		return "/proc/self/exe", nil // it is this one
	}
	if err != nil {
		return "", err
	}
	return f.Name(), f.Close()
}

// tearDownNetwork ends what carries the container's network.
func (c *locked) tearDownNetwork(ctx context.Context) error {
	if c.network != nil {
		c.network.Abandon()
		c.network = nil
	}
	return tearDownNetwork(ctx, c.rt.paths.runDir(c.row.ID))
}

// tearDownNetwork ends what carries the network of a run directory.
func tearDownNetwork(ctx context.Context, dir string) error {
	return network.Teardown(dir, func(p network.Process) error {
		pidfd, err := openProcess(p.PID, p.StartTime)
		if pidfd == nil || err != nil {
			return err
		}
		defer func() { _ = pidfd.Close() }()
		if err := signalProcess(pidfd, unix.SIGKILL); err != nil || p.Carries {
			return err
		}
		return waitExit(ctx, pidfd)
	})
}

// netAddresses are a container's addresses in words; "" is none.
type netAddresses struct {
	// own is its own, host the host's, dns a server that asks the host's resolver.
	own, host, dns string
}

func addressesOf(n *spec.Net) (netAddresses, error) {
	a, err := network.Plan(network.Effective(n))
	if a == nil || err != nil {
		return netAddresses{}, err
	}
	at := netAddresses{own: a.Container.Addr().String(), host: network.HostAddress(), dns: a.DNS.String()}
	if at.host == "" && a.HostLoopback {
		at.host = a.Gateway.String()
	}
	return at, nil
}

// hasPort says that the container publishes one of these ports of its own, or with exposed, exposes one.
func (e *ListEntry) hasPort(ports []string, exposed bool) bool {
	for _, run := range e.Ports {
		if slices.ContainsFunc(run.Each(), func(p spec.Port) bool { return slices.Contains(ports, p.Inside()) }) {
			return true
		}
	}
	if exposed {
		for number, protocols := range e.Exposed {
			for _, protocol := range protocols {
				if slices.Contains(ports, fmt.Sprintf("%d/%s", number, protocol)) {
					return true
				}
			}
		}
	}
	return false
}

// inspectPorts are published ports as inspect shows them.
func inspectPorts(ports []spec.Port) map[string][]InspectPort {
	all := map[string][]InspectPort{}
	for _, run := range ports {
		for _, p := range run.Each() {
			host := p.HostIP
			if host == "" {
				host = netip.IPv4Unspecified().String()
			}
			all[p.Inside()] = append(all[p.Inside()], InspectPort{HostIP: host, HostPort: fmt.Sprint(p.HostPort)})
		}
	}
	return all
}

// PublishedPorts are the ports of a container, in the order in which they were published.
func (r *Runtime) PublishedPorts(ctx context.Context, name string) ([]spec.Port, error) {
	id, err := r.state.FindContainer(ctx, name)
	if err != nil {
		return nil, err
	}
	c, err := r.load(ctx, id)
	if err != nil {
		return nil, err
	}
	return c.cfg.Net.Ports, nil
}
