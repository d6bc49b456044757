package spec

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/manager-project/manager/pkg/errdefs"
)

// labelled are the peers of testPeer, of which "shared" has a label.
func labelled(name string) (*Peer, error) {
	p, err := testPeer(name)
	if err == nil && p.ID == "id-shared" {
		p.Config.Security.ProcessLabel = "u:r:t:s0:c1,c2"
	}
	return p, err
}

// TestLabels decides who is separated by SELinux, and with which words.
func TestLabels(t *testing.T) {
	const peer = "[user:u role:r type:t level:s0:c1,c2"
	for name, c := range map[string]struct {
		opts   string
		change func(*Request, *Defaults)
		want   string
	}{
		"ordinary":              {"", nil, "false []"},
		"words":                 {"label=type:x label=level:s0:c3 label:user:u label=role:r label=filetype:f", nil, "false [type:x level:s0:c3 user:u role:r filetype:f]"},
		"disabled":              {"label=disable", nil, "true []"},
		"disabled wins":         {"label=type:x label=disable", nil, "true []"},
		"off":                   {"", func(_ *Request, d *Defaults) { d.NoLabel = true }, "true []"},
		"off, but asked for":    {"label=type:x", func(_ *Request, d *Defaults) { d.NoLabel = true }, "false [type:x]"},
		"privileged":            {"", func(r *Request, _ *Defaults) { r.Security.Privileged = true }, "true []"},
		"privileged, asked for": {"label=type:x", func(r *Request, _ *Defaults) { r.Security.Privileged = true }, "false [type:x]"},
		"the host's processes":  {"", func(r *Request, _ *Defaults) { r.Namespace.PID = "host" }, "true []"},
		"the host's memory":     {"", func(r *Request, _ *Defaults) { r.Namespace.IPC = "host" }, "true []"},
		"another's memory":      {"", func(r *Request, _ *Defaults) { r.Namespace.IPC = "container:shared" }, "false " + peer + "]"},
		"another's, own type":   {"label=type:x", func(r *Request, _ *Defaults) { r.Namespace.PID = "container:shared" }, "false " + peer + " type:x]"},
		"one without a label":   {"", func(r *Request, _ *Defaults) { r.Namespace.PID = "container:db" }, "false []"},
	} {
		req, host, def := testRequest(), testHost(), Builtin()
		host.SELinux, host.FindContainer = true, labelled
		req.Security.SecurityOpt = strings.Fields(c.opts)
		if c.change != nil {
			c.change(req, def)
		}
		cfg, warnings, err := Decide(req, testImage(), def, host)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := fmt.Sprint(cfg.Security.LabelDisabled, " ", cfg.Security.LabelOpts); got != c.want || len(warnings) > 0 {
			t.Errorf("%s: %s, %q, want %s", name, got, warnings, c.want)
		}
	}
}

// TestLabelsElsewhere: without SELinux the words have no effect, and that is said; wrong ones are wrong there too.
func TestLabelsElsewhere(t *testing.T) {
	for word, effect := range map[string]bool{"label=type:x": false, "label=nested": false, "label=disable": true} {
		req := testRequest()
		req.Security.SecurityOpt = []string{word}
		cfg, warnings, err := Decide(req, testImage(), Builtin(), testHost())
		if err != nil || len(cfg.Security.LabelOpts) > 0 || (len(warnings) == 0) != effect {
			t.Errorf("%s: %v, %q, %v", word, cfg.Security.LabelOpts, warnings, err)
		}
	}
	for _, word := range []string{"label=type:", "label=type", "label=x:y", "label="} {
		req := testRequest()
		req.Security.SecurityOpt = []string{word}
		if _, _, err := Decide(req, testImage(), Builtin(), testHost()); !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("%s: %v", word, err)
		}
	}
	// What would be ignored is an error.
	req, host := testRequest(), testHost()
	host.SELinux, req.Security.Privileged, req.Security.SecurityOpt = true, true, []string{"label=filetype:x"}
	if _, _, err := Decide(req, testImage(), Builtin(), host); !errors.Is(err, errdefs.ErrUnsupported) {
		t.Errorf("a file label for a container without one: %v", err)
	}
}

// TestLabelNested: the container sees SELinux, its files' labels can be changed, and new file systems have its label first.
func TestLabelNested(t *testing.T) {
	for _, nested := range []bool{false, true} {
		req, host := testRequest(), testHost()
		host.SELinux = true
		req.Mounts.Tmpfs = []string{"/t"}
		if nested {
			req.Security.SecurityOpt = []string{"label=nested"}
		}
		cfg, _, err := Decide(req, testImage(), Builtin(), host)
		if err != nil {
			t.Fatal(err)
		}
		cfg.Security.MountLabel, cfg.Security.ProcessLabel = "u:object_r:f:s0:c1,c2", "u:r:t:s0:c1,c2"
		s, err := Generate(cfg, testFacts())
		if err != nil {
			t.Fatal(err)
		}
		shown, rooted := false, false
		for _, m := range s.Mounts {
			shown = shown || m.Destination == selinuxDir
			if m.Destination == "/t" {
				rooted = slices.Contains(m.Options, `rootcontext="u:object_r:f:s0:c1,c2"`)
			}
		}
		if masked := slices.Contains(s.Linux.MaskedPaths, selinuxDir); shown != nested || rooted != nested || masked == nested || (s.Linux.MountLabel == "") != nested {
			t.Errorf("nested %v: shown %v, masked %v, root labelled %v, mounts %q", nested, shown, masked, rooted, s.Linux.MountLabel)
		}
		if s.Process.SelinuxLabel != cfg.Security.ProcessLabel {
			t.Errorf("process: %q", s.Process.SelinuxLabel)
		}
	}
}

// TestAppArmorProfiles settles which profile a container has.
func TestAppArmorProfiles(t *testing.T) {
	for name, c := range map[string]struct {
		opts, conf string
		absent     bool
		privileged bool
		want       string
	}{
		"ordinary":             {want: "default"},
		"unconfined":           {opts: "apparmor=unconfined", want: "unconfined"},
		"named":                {opts: "apparmor=mine", want: "mine"},
		"older spelling":       {opts: "apparmor:mine", want: "mine"},
		"not loaded":           {opts: "apparmor=other", want: "not found"},
		"privileged":           {privileged: true, want: ""},
		"privileged and named": {privileged: true, opts: "apparmor=mine", want: "mine"},
		"of the file":          {conf: "mine", want: "mine"},
		"of the file, overridden": {
			conf: "other", opts: "apparmor=mine", want: "mine",
		},
		"of the file, not loaded":     {conf: "other", want: "not found"},
		"the file's word for it":      {conf: "container-default", want: "default"},
		"off by the file":             {conf: "unconfined", want: "unconfined"},
		"no AppArmor":                 {absent: true, want: ""},
		"no AppArmor, none wanted":    {absent: true, opts: "apparmor=unconfined", want: ""},
		"no AppArmor, but in a file":  {absent: true, conf: "mine", want: ""},
		"no AppArmor, but asked for":  {absent: true, opts: "apparmor=mine", want: "unsupported"},
		"none wanted, without loader": {conf: "unconfined", opts: "apparmor=unconfined", want: "unconfined"},
	} {
		req, host, def := testRequest(), testHost(), Builtin()
		host.AppArmor, host.AppArmorDefault = !c.absent, "default"
		host.AppArmorLacks = func(name string) bool { return name == "other" }
		def.AppArmorProfile, req.Security.Privileged, req.Security.SecurityOpt = c.conf, c.privileged, strings.Fields(c.opts)
		cfg, _, err := Decide(req, testImage(), def, host)
		got := ""
		switch {
		case errors.Is(err, errdefs.ErrNotFound):
			got = "not found"
		case errors.Is(err, errdefs.ErrUnsupported):
			got = "unsupported"
		case err != nil:
			t.Errorf("%s: %v", name, err)
			continue
		default:
			got = cfg.Security.AppArmor
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
