package spec

import (
	"slices"
	"strings"

	"github.com/manager-project/manager/pkg/errdefs"
)

// labelNested is the word of --security-opt label= that shows SELinux to the container.
const labelNested = "nested"

// selinuxDir is where a kernel with SELinux shows it.
const selinuxDir = "/sys/fs/selinux"

// LabelNested says that the container may label files itself, as far as the policy lets it.
func (s *Security) LabelNested() bool { return slices.Contains(s.LabelOpts, labelNested) }

// labelOpt keeps SELinux words for the core, which makes the labels of them at create.
func (d *decider) labelOpt(word, value string) error {
	s := &d.cfg.Security
	if value == "disable" {
		s.LabelDisabled = true
		return nil
	}
	key, arg, ok := strings.Cut(value, ":")
	switch {
	case value == labelNested:
	case ok && arg != "" && (key == "user" || key == "role" || key == "type" || key == "level" || key == "filetype"):
	default:
		return errdefs.Invalid("--security-opt", word, "unknown label option").
			WithHint("write label=disable, label=nested, or label=type:T, user:, role:, level: or filetype:")
	}
	if !d.host.SELinux {
		d.warnf("SELinux is not active on this host, so " + word + " has no effect")
		return nil
	}
	s.LabelOpts = append(s.LabelOpts, value)
	return nil
}

// settleLabels decides whether SELinux separates the container, after its own options were read. What shares the host's
// processes or memory, or is privileged, is not separated unless its options give it a label. What shares another
// container's has the label of that one, since the policy keeps others away from them.
func (d *decider) settleLabels(masks *masks) error {
	s, ns := &d.cfg.Security, &d.cfg.Namespaces
	if s.LabelDisabled {
		s.LabelOpts = nil
		return nil
	}
	own := slices.ContainsFunc(s.LabelOpts, func(w string) bool { return w != labelNested && !strings.HasPrefix(w, "filetype:") })
	s.LabelDisabled = !own && (d.def.NoLabel || s.Privileged || ns.PID.Mode == NSHost || ns.IPC.Mode == NSHost)
	if !d.host.SELinux {
		return nil
	}
	if s.LabelDisabled && len(s.LabelOpts) > 0 {
		return errdefs.Unsupported("--security-opt", "label=%s: the container has no label of its own (--privileged, --pid host, --ipc host, or label = false in containers.conf)", s.LabelOpts[0]).
			WithHint("leave it out, or give label=type:T too")
	}
	if s.LabelNested() {
		if err := masks.unmask(selinuxDir); err != nil {
			return err
		}
	}
	var shared []string
	for _, one := range []Namespace{ns.PID, ns.IPC} {
		if one.Mode != NSContainer {
			continue
		}
		peer, err := d.find("--security-opt", one.Target)
		if err != nil {
			return err
		}
		shared = append(shared, labelWords(peer.Config.Security.ProcessLabel)...)
	}
	if !s.LabelDisabled {
		s.LabelOpts = append(shared, s.LabelOpts...)
	}
	return nil
}

// labelWords are the options that give a label, "user:role:type:level", again.
func labelWords(label string) []string {
	fields := strings.SplitN(label, ":", 4)
	if len(fields) < 3 {
		return nil
	}
	var words []string
	for i, value := range fields {
		words = append(words, []string{"user:", "role:", "type:", "level:"}[i]+value)
	}
	return words
}
