package spec

import (
	"strings"

	"github.com/manager-project/manager/pkg/errdefs"
)

// The drivers that connect a network namespace with the host's network, without any right on the host.
const (
	NetPasta       = "pasta"
	NetSlirp4netns = "slirp4netns"
	// NetBuiltin is the network stack that manager carries inside.
	NetBuiltin = "builtin"
)

// privateNetwork is a namespace of its own: for users one with a way out, for root, who is to get a bridge, one with
// the loopback device alone.
func (d *decider) privateNetwork(word string) error {
	if word != "private" && word != "" {
		return errdefs.Invalid("--network", word, "private takes no options").WithHint("write --network private")
	}
	d.cfg.Net.Namespace.Mode = NSPrivate
	if !d.host.Rootless || d.host.FindNetwork == nil {
		return nil
	}
	driver, err := d.host.FindNetwork(d.def.RootlessNetwork)
	d.cfg.Net.Driver, d.cfg.Net.DriverFound = driver, d.def.RootlessNetwork == ""
	return err
}

// UserNet is the network of a user's that belongs to no container: the one that a container gets without any option.
// Errors are those of the configuration.
func UserNet(def *Defaults, host *Host) (*Net, error) {
	d := &decider{req: &Request{}, img: &ImageConfig{}, def: def, host: host, cfg: &Config{}}
	for _, theme := range []func() error{func() error { return d.privateNetwork("") }, d.resolver, d.hostsEntries} {
		if err := theme(); err != nil {
			return nil, err
		}
	}
	return &d.cfg.Net, nil
}

// userNetwork is a driver that was asked for by name, with its options.
func (d *decider) userNetwork(driver, options string) error {
	net := &d.cfg.Net
	net.Namespace.Mode, net.Driver = NSPrivate, driver
	if options == "" {
		return nil
	}
	if driver == NetBuiltin {
		return errdefs.Invalid("--network", driver+":"+options, "the built-in network takes no options").WithHint("write --network builtin")
	}
	net.DriverOptions = strings.Split(options, ",")
	for _, o := range net.DriverOptions {
		if o == "" || hasControl(o) {
			return errdefs.Invalid("--network", driver+":"+options, "an option is empty").WithHint("write %s:OPTION,OPTION…", driver)
		}
	}
	return nil
}

// ModeText is the network as inspect and ps name it.
func (n *Net) ModeText() string {
	switch {
	case n.Driver != "":
		return n.Driver
	case n.Namespace.Target != "":
		return string(n.Namespace.Mode) + ":" + n.Namespace.Target
	}
	return string(n.Namespace.Mode)
}

// IsDriver says that a mode as ModeText writes it is one of the drivers.
func IsDriver(mode string) bool {
	return mode == NetPasta || mode == NetSlirp4netns || mode == NetBuiltin
}
