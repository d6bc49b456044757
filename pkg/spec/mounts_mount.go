package spec

import (
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/manager-project/manager/pkg/errdefs"
)

// ParseMount reads a value of --mount: comma-separated KEY=VALUE pairs, quoted as in CSV.
// The type defaults to volume. Host paths are returned as written. Errors are of class
// invalid or unsupported.
func ParseMount(word string) (Mount, error) {
	m, err := parseMount(word)
	if err == nil {
		return m, nil
	}
	var classed *errdefs.Error
	if errors.As(err, &classed) {
		return Mount{}, err
	}
	return Mount{}, errdefs.Invalid("--mount", word, "%w", err).
		WithHint("write type=bind|volume|tmpfs|image|devpts|ramfs,src=SOURCE,dst=/DESTINATION,…")
}

func parseMount(word string) (Mount, error) {
	fields, err := csv.NewReader(strings.NewReader(word)).Read()
	if err != nil {
		return Mount{}, fmt.Errorf("not comma-separated pairs")
	}
	p := mountParser{Mount: Mount{Kind: MountVolume}}
	for _, field := range fields {
		if key, value, _ := strings.Cut(field, "="); key == "type" {
			if err := p.setKind(value); err != nil {
				return Mount{}, err
			}
		}
	}
	for _, field := range fields {
		key, value, assigned := strings.Cut(field, "=")
		if key == "type" {
			continue
		}
		if err := p.field(key, value, assigned); err != nil {
			return Mount{}, err
		}
	}
	return p.finish()
}

// mountParser is a Mount while its keys are read.
type mountParser struct {
	Mount
	flags        mountFlags
	nonrecursive bool
}

func (p *mountParser) setKind(value string) error {
	switch kind := MountKind(value); kind {
	case MountBind, MountVolume, MountTmpfs, MountImage, MountDevpts, MountRamfs:
		p.Kind = kind
	case "glob", "artifact", "cache", "secret", "npipe", "cluster":
		return errdefs.Unsupported("--mount", "this version has no mounts of type %s", value)
	default:
		return fmt.Errorf("unknown type %q", value)
	}
	p.CopyUp = p.Kind == MountTmpfs
	return nil
}

// field applies one key; those of all kinds first, then the kind's own.
func (p *mountParser) field(key, value string, assigned bool) error {
	switch key {
	case "source", "src":
		return once(&p.Source, key, value)
	case "destination", "dst", "target":
		return once(&p.Destination, key, value)
	case "ro", "readonly":
		return p.flag(key, value, assigned, "ro", "rw")
	case "rw", "readwrite":
		if p.Kind == MountImage {
			on, err := boolValue(key, value, assigned)
			p.ReadWrite = on
			return err
		}
		return p.flag(key, value, assigned, "rw", "ro")
	case "U", "chown":
		on, err := boolValue(key, value, assigned)
		p.Chown = on
		return err
	case "bind-propagation":
		if known, err := p.flags.put(value); err != nil || !known || p.flags.propagation != value {
			return fmt.Errorf("unknown propagation %q", value)
		}
		return nil
	case "consistency":
		// Of Docker for other systems; it has no meaning on Linux for anyone.
		return nil
	}
	if !assigned {
		if known, err := p.flags.put(key); known || err != nil {
			return err
		}
	}
	var known bool
	var err error
	switch p.Kind {
	case MountBind:
		known, err = p.bindField(key, value, assigned)
	case MountVolume:
		known, err = p.volumeField(key, value, assigned)
	case MountTmpfs, MountRamfs:
		known, err = p.tmpfsField(key, value, assigned)
	case MountImage:
		known, err = p.imageField(key, value)
	case MountDevpts:
		known, err = p.devptsField(key, value)
	}
	if err == nil && !known {
		err = fmt.Errorf("unknown key %q for type=%s", key, p.Kind)
	}
	return err
}

// flag turns a switch with an optional value into one of two flags.
func (p *mountParser) flag(key, value string, assigned bool, yes, no string) error {
	on, err := boolValue(key, value, assigned)
	if err != nil {
		return err
	}
	word := yes
	if !on {
		word = no
	}
	_, err = p.flags.put(word)
	return err
}

func (p *mountParser) bindField(key, value string, assigned bool) (bool, error) {
	switch key {
	case "bind-nonrecursive":
		on, err := boolValue(key, value, assigned)
		p.nonrecursive = on
		return true, err
	case "relabel":
		return true, p.relabel(value)
	case "z", "Z":
		return true, once(&p.Relabel, "relabel", key)
	case "idmap":
		return true, p.idmap(value)
	case "no-dereference":
		return true, errdefs.Unsupported("--mount", "this version cannot mount a link itself (no-dereference)")
	}
	return false, nil
}

func (p *mountParser) volumeField(key, value string, assigned bool) (bool, error) {
	switch key {
	case "nocopy", "volume-nocopy":
		on, err := boolValue(key, value, assigned)
		p.NoCopy = on
		return true, err
	case "copy":
		return true, nil
	case "subpath", "volume-subpath":
		return true, once(&p.Subpath, key, value)
	case "relabel":
		return true, p.relabel(value)
	case "z", "Z":
		return true, once(&p.Relabel, "relabel", key)
	case "volume-driver":
		if value != "local" {
			return true, errdefs.Unsupported("--mount", "this version has no volume driver %q", value).WithHint("write volume-driver=local or leave it out")
		}
		return true, nil
	case "volume-opt":
		k, v, ok := strings.Cut(value, "=")
		if !ok || k == "" {
			return true, fmt.Errorf("volume-opt %q is not KEY=VALUE", value)
		}
		if p.VolumeOptions == nil {
			p.VolumeOptions = map[string]string{}
		}
		p.VolumeOptions[k] = v
		return true, nil
	case "volume-label":
		return true, errdefs.Unsupported("--mount", "this version cannot label a volume here").WithHint("make it with volume create --label")
	case "idmap":
		return true, p.idmap(value)
	}
	return false, nil
}

func (p *mountParser) tmpfsField(key, value string, assigned bool) (bool, error) {
	switch key {
	case "tmpfs-size":
		key = "size"
	case "tmpfs-mode":
		key = "mode"
	}
	word := key
	if assigned {
		word = key + "=" + value
	}
	return true, p.tmpfsOption(&p.flags, word)
}

func (p *mountParser) imageField(key, value string) (bool, error) {
	if key == "subpath" || key == "image-subpath" {
		return true, once(&p.Subpath, key, value)
	}
	return false, nil
}

func (p *mountParser) devptsField(key, value string) (bool, error) {
	base := 10
	switch key {
	case "mode", "ptmxmode":
		base = 8
	case "uid", "gid", "max":
	default:
		return false, nil
	}
	if _, err := strconv.ParseUint(value, base, 32); err != nil {
		return true, fmt.Errorf("%s %q is not a number", key, value)
	}
	p.flags.extra = append(p.flags.extra, key+"="+value)
	return true, nil
}

func (p *mountParser) relabel(value string) error {
	switch value {
	case "shared":
		return once(&p.Relabel, "relabel", "z")
	case "private":
		return once(&p.Relabel, "relabel", "Z")
	}
	return fmt.Errorf("relabel %q is neither shared nor private", value)
}

// finish checks the whole and fills the defaults in.
func (p *mountParser) finish() (Mount, error) {
	dst, err := checkDestination(p.Destination)
	if err != nil {
		return Mount{}, err
	}
	p.Destination = dst
	switch p.Kind {
	case MountBind, MountImage:
		if p.Source == "" {
			return Mount{}, fmt.Errorf("type=%s needs src", p.Kind)
		}
	case MountVolume:
		if p.Source != "" && !validName(p.Source) {
			return Mount{}, fmt.Errorf("%q is not a volume's name", p.Source)
		}
	default:
		if p.Source != "" {
			return Mount{}, fmt.Errorf("type=%s has no source", p.Kind)
		}
	}
	if hasControl(p.Source) {
		return Mount{}, errors.New("control characters in the source")
	}
	if err := cmp.Or(p.checkSubpath(), p.checkIDMap()); err != nil {
		return Mount{}, err
	}
	switch p.Kind {
	case MountBind:
		if p.nonrecursive {
			if _, err := p.flags.put("bind"); err != nil {
				return Mount{}, err
			}
		}
	case MountImage:
		if p.ReadWrite && p.flags.mode == "ro" {
			return Mount{}, errors.New("ro and rw exclude each other")
		}
		if !p.ReadWrite {
			p.flags.mode = "ro"
		}
	case MountDevpts:
		p.flags.extra = append(p.flags.extra, "newinstance")
	default: // the rest has no rules of its own
	}
	p.Options = p.flags.finish(p.Kind)
	return p.Mount, nil
}

func once(slot *string, key, value string) error {
	if value == "" {
		return fmt.Errorf("%s needs a value", key)
	}
	if *slot != "" {
		return fmt.Errorf("%s is given twice", key)
	}
	*slot = value
	return nil
}

// boolValue reads KEY, KEY=true or KEY=false.
func boolValue(key, value string, assigned bool) (bool, error) {
	if !assigned {
		return true, nil
	}
	v, err := strconv.ParseBool(value)
	if err != nil {
		return false, fmt.Errorf("%s is neither true nor false", key)
	}
	return v, nil
}
