package spec

import "github.com/manager-project/manager/pkg/errdefs"

// decider carries the inputs and the document being made through the themes.
type decider struct {
	req  *Request
	img  *ImageConfig
	def  *Defaults
	host *Host
	cfg  *Config
	warn []string
}

// Decide makes the Config of a new container out of what the user said, what the image
// brings and what the host prescribes. img is nil with --rootfs.
//
// The strings are warnings for the user. Every error is of class invalid, unsupported or
// not found, names the option and says what to write instead.
func Decide(req *Request, img *ImageConfig, def *Defaults, host *Host) (*Config, []string, error) {
	if img == nil {
		img = &ImageConfig{}
	}
	d := &decider{req: req, img: img, def: def, host: host, cfg: &Config{}}
	for _, theme := range []func() error{
		d.identity, d.rootfs, d.command, d.env, d.process, d.userns,
		d.namespaces, d.net, d.mounts, d.limits, d.ulimits, d.sysctls,
		d.capabilities, d.securityOpts, d.devices, d.systemd, d.life, d.log, d.health, d.sdNotify,
	} {
		if err := theme(); err != nil {
			return nil, d.warn, err
		}
	}
	return d.cfg, d.warn, nil
}

func (d *decider) warnf(text string) { d.warn = append(d.warn, text) }

// maxName is the longest name of a container or volume: a file name with room for a suffix.
const maxName = 253

// validName: a letter or digit first, then also '_', '.' and '-'.
func validName(s string) bool {
	if s == "" || len(s) > maxName {
		return false
	}
	for i := range len(s) {
		c := s[i]
		alnum := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !alnum && (i == 0 || c != '_' && c != '.' && c != '-') {
			return false
		}
	}
	return true
}

// identity settles id, name, image and labels. An empty name is left for the core to make up.
func (d *decider) identity() error {
	name := d.req.Life.Name
	if name != "" && !validName(name) {
		return errdefs.Invalid("--name", name, "not a valid name").
			WithHint("start with a letter or digit and use letters, digits, '_', '.' and '-' only")
	}
	d.cfg.ID = d.host.NewID()
	d.cfg.Name = name
	d.cfg.Created = d.host.Now
	d.cfg.CreateCommand = d.req.CreateCommand
	d.cfg.Image = d.img.Ref
	if err := d.platform(); err != nil {
		return err
	}
	return d.labels()
}

// depend records that this container uses another one.
func (d *decider) depend(id string) {
	for _, have := range d.cfg.Dependencies {
		if have == id {
			return
		}
	}
	d.cfg.Dependencies = append(d.cfg.Dependencies, id)
}

// peer resolves a container that an option names, and that must run when this one does.
func (d *decider) peer(option, nameOrID string) (*Peer, error) {
	p, err := d.find(option, nameOrID)
	if err == nil {
		d.depend(p.ID)
	}
	return p, err
}

// find resolves a container that an option names.
func (d *decider) find(option, nameOrID string) (*Peer, error) {
	if nameOrID == "" {
		return nil, errdefs.Invalid(option, nameOrID, "no container named").WithHint("write %s container:NAME", option)
	}
	if d.host.FindContainer == nil {
		return nil, errdefs.NotFound("container", nameOrID).WithOp(option)
	}
	return d.host.FindContainer(nameOrID)
}
