package spec

import (
	"strings"

	"github.com/manager-project/manager/pkg/errdefs"
)

// reservedPrefixes steer an engine or a runtime when they are annotations. From an image
// they are plain labels and are never control input; as annotations they are refused.
var reservedPrefixes = []string{
	"io.podman.annotations.", "io.container.manager", "io.manager.", "org.systemd.property.",
	"run.oci.", "org.criu.config", "org.opencontainers.runc.",
}

// ReservedKey reports whether a label or annotation key is one that engines act on.
func ReservedKey(key string) bool {
	for _, p := range reservedPrefixes {
		if strings.HasPrefix(key, p) {
			return true
		}
	}
	return false
}

// labels merges the image's, those of files, then those of the command line. Labels
// steer nothing here; the reserved ones of an image are dropped all the same, because
// other tools that look at the container may act on them. The image's service has warned.
func (d *decider) labels() error {
	out := map[string]string{}
	for k, v := range d.img.Labels {
		if ReservedKey(k) {
			continue
		}
		out[k] = v
	}
	for _, file := range d.req.Life.LabelFile {
		data, err := d.readUserFile("--label-file", file)
		if err != nil {
			return err
		}
		lines, err := ParseEnvFile(data)
		if err != nil {
			return errdefs.Invalid("--label-file", file, "%w", err).WithHint("write one KEY=VALUE on each line")
		}
		for _, line := range lines {
			if err := putPair(out, "--label-file", line); err != nil {
				return err
			}
		}
	}
	for _, word := range d.req.Life.Label {
		if err := putPair(out, "--label", word); err != nil {
			return err
		}
	}
	if len(out) > 0 {
		d.cfg.Labels = out
	}
	return nil
}

// putPair takes KEY=VALUE, or KEY for an empty value.
func putPair(out map[string]string, option, word string) error {
	k, v, _ := strings.Cut(word, "=")
	if k == "" || hasControl(k) || strings.IndexByte(v, 0) >= 0 {
		return errdefs.Invalid(option, word, "no key before '='").WithHint("write KEY=VALUE")
	}
	out[k] = v
	return nil
}

// annotations are the administrator's and the user's; they go into the OCI spec. Keys
// that a runtime would act on are refused: the options say the same things checked.
func (d *decider) annotations() error {
	out := map[string]string{}
	for _, one := range []struct {
		option string
		words  []string
	}{{"annotations", d.def.Annotations}, {"--annotation", d.req.Life.Annotation}} {
		for _, word := range one.words {
			if !strings.Contains(word, "=") {
				return errdefs.Invalid(one.option, word, "no '='").WithHint("write KEY=VALUE")
			}
			if err := putPair(out, one.option, word); err != nil {
				return err
			}
			if k, _, _ := strings.Cut(word, "="); ReservedKey(k) {
				return errdefs.Unsupported(one.option, "%s is reserved for engines", k).WithHint("use the option that says the same")
			}
		}
	}
	if len(out) > 0 {
		d.cfg.Annotations = out
	}
	return nil
}
