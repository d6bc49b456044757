package spec

import (
	"path"
	"sort"
	"strings"

	"github.com/manager-project/manager/pkg/errdefs"
)

// mounts settles every mount that the user, the administrator, other containers or the
// image ask for. Where two sources name one destination the stronger wins:
//
//	image volumes < containers.conf < --volumes-from < --volume, --mount, --tmpfs
//
// Two of the user's own at one destination are an error.
func (d *decider) mounts() error {
	if err := d.chrootDirs(); err != nil {
		return err
	}
	user, err := d.userMounts()
	if err != nil {
		return err
	}
	all := map[string]Mount{}
	for _, layer := range []func() ([]Mount, error){
		d.imageVolumes, d.defaultMounts, d.volumesFrom,
		func() ([]Mount, error) { return user, nil },
	} {
		list, err := layer()
		if err != nil {
			return err
		}
		for _, m := range list {
			all[m.Destination] = m
		}
	}
	for _, m := range all {
		d.cfg.Mounts = append(d.cfg.Mounts, m)
	}
	sort.Slice(d.cfg.Mounts, func(i, j int) bool {
		return d.cfg.Mounts[i].Destination < d.cfg.Mounts[j].Destination
	})
	for i := range d.cfg.Mounts {
		m := &d.cfg.Mounts[i]
		if m.Kind == MountVolume && m.Source == "" {
			m.Source, m.Anonymous = d.host.NewID(), true
		}
		if err := d.checkSource(m); err != nil {
			return err
		}
	}
	return d.shmSize()
}

// chrootDirs are places inside that are given the same hosts, resolv.conf and hostname.
func (d *decider) chrootDirs() error {
	for _, word := range d.req.Mounts.ChrootDirs {
		dir, err := checkDestination(word)
		if err != nil {
			return errdefs.Invalid("--chrootdirs", word, "%w", err).WithHint("write a directory inside the container, as /srv/jail")
		}
		d.cfg.Net.ChrootDirs = append(d.cfg.Net.ChrootDirs, dir)
	}
	return nil
}

// userMounts are those of --volume, --mount and --tmpfs, with no destination twice.
func (d *decider) userMounts() ([]Mount, error) {
	var out []Mount
	origin := map[string]string{}
	add := func(option, word string, m Mount, err error) error {
		if err != nil {
			return err
		}
		if first, twice := origin[m.Destination]; twice {
			return errdefs.Invalid(option, word, "%s is already the place of %s", m.Destination, first).
				WithHint("give every mount a destination of its own")
		}
		origin[m.Destination] = option + " " + word
		out = append(out, m)
		return nil
	}
	for _, word := range d.req.Mounts.Volume {
		m, err := d.volume(word)
		if err := add("--volume", word, m, err); err != nil {
			return nil, err
		}
	}
	for _, word := range d.req.Mounts.Mount {
		m, err := d.mount(word)
		if err := add("--mount", word, m, err); err != nil {
			return nil, err
		}
	}
	for _, word := range d.req.Mounts.Tmpfs {
		m, err := ParseTmpfs(word)
		if err := add("--tmpfs", word, m, err); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (d *decider) volume(word string) (Mount, error) {
	m, err := ParseVolume(word)
	return d.absolute(m), err
}

func (d *decider) mount(word string) (Mount, error) {
	m, err := ParseMount(word)
	return d.absolute(m), err
}

// absolute resolves host paths against the caller's directory.
func (d *decider) absolute(m Mount) Mount {
	if m.Kind == MountBind && m.Source != "" {
		m.Source = d.abs(m.Source)
	}
	if m.OverlayUpper != "" {
		m.OverlayUpper, m.OverlayWork = d.abs(m.OverlayUpper), d.abs(m.OverlayWork)
	}
	return m
}

func (d *decider) checkSource(m *Mount) error {
	if m.AsContainer && !d.cfg.UserNS.Own() {
		return errdefs.Invalid("idmap", m.Destination, "without a mapping it follows the container's user namespace, and it has none").
			WithHint("add --userns=auto, keep-id or --uidmap, or write idmap=uids=FROM-TO-COUNT;gids=FROM-TO-COUNT")
	}
	if m.Kind != MountBind || d.host.PathExists == nil || d.host.PathExists(m.Source) {
		return nil
	}
	return errdefs.New(errdefs.ErrNotFound, "mount source", m.Source, "no such file or directory").
		WithHint("make it first, or name a volume instead of a path")
}

// imageVolumes are the image's VOLUMEs. Their destinations are the image's words and so
// are cleaned below "/" instead of trusted.
func (d *decider) imageVolumes() ([]Mount, error) {
	how := d.req.Mounts.ImageVolume
	if how == "" {
		how = d.def.ImageVolume
	}
	var make func(dst string) Mount
	switch how {
	case "", "anonymous", "bind":
		make = func(dst string) Mount {
			return Mount{Kind: MountVolume, Destination: dst, Options: volumeDefaults()}
		}
	case "tmpfs":
		make = func(dst string) Mount {
			return Mount{Kind: MountTmpfs, Destination: dst, Options: []string{"rw", "rprivate", "nosuid", "nodev"}}
		}
	case "ignore":
		return nil, nil
	default:
		return nil, errdefs.Invalid("--image-volume", how, "unknown way").WithHint("write anonymous, tmpfs or ignore")
	}
	var out []Mount
	for _, v := range d.img.Volumes {
		dst := path.Clean("/" + v)
		if dst == "/" || hasControl(dst) {
			return nil, errdefs.New(errdefs.ErrInvalid, "image", d.imageWord(), "its volume %q cannot be a destination", v).
				WithHint("write --image-volume=ignore to run it without its volumes")
		}
		out = append(out, make(dst))
	}
	return out, nil
}

// defaultMounts are the administrator's (containers.conf volumes and mounts).
func (d *decider) defaultMounts() ([]Mount, error) {
	var out []Mount
	for _, word := range d.def.Volumes {
		m, err := d.volume(word)
		if err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	for _, word := range d.def.Mounts {
		m, err := d.mount(word)
		if err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	return out, nil
}

func (d *decider) shmSize() error {
	d.cfg.ShmSize = d.def.ShmSize
	if word := d.req.Mounts.ShmSize; word != "" {
		size, err := ParseBytes("--shm-size", word)
		if err != nil {
			return err
		}
		d.cfg.ShmSize = size
	}
	return nil
}

// volumesFrom takes over the mounts of other containers: CONTAINER[:OPTIONS].
func (d *decider) volumesFrom() ([]Mount, error) {
	var out []Mount
	for _, word := range d.req.Mounts.VolumesFrom {
		name, opts, _ := strings.Cut(word, ":")
		var mode string
		relabel := ""
		for _, o := range splitNonEmpty(opts, ",") {
			switch o {
			case "ro", "rw":
				if mode != "" && mode != o {
					return nil, errdefs.Invalid("--volumes-from", word, "ro and rw exclude each other")
				}
				mode = o
			case "z":
				relabel = "z"
			default:
				return nil, errdefs.Invalid("--volumes-from", word, "unknown option %q", o).WithHint("write CONTAINER[:ro|rw|z]")
			}
		}
		// Its volumes are used like any others: they stay while somebody uses them.
		p, err := d.find("--volumes-from", name)
		if err != nil {
			return nil, err
		}
		for _, m := range p.Config.Mounts {
			if m.Kind != MountBind && m.Kind != MountVolume {
				continue
			}
			m.Options = withMode(m.Options, mode)
			// The volume goes with the container it was made for.
			m.Anonymous = false
			if relabel != "" {
				m.Relabel = relabel
			}
			out = append(out, m)
		}
	}
	return out, nil
}

// withMode replaces ro or rw in a mount's options; "" leaves them.
func withMode(options []string, mode string) []string {
	out := append([]string{}, options...)
	if mode == "" {
		return out
	}
	for i, o := range out {
		if o == "ro" || o == "rw" {
			out[i] = mode
			return out
		}
	}
	return append(out, mode)
}

func splitNonEmpty(s, sep string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, sep)
}
