package spec

import (
	"encoding/json"
	"strings"

	"github.com/manager-project/manager/pkg/errdefs"
)

// command settles what runs: an entrypoint given by the user drops the image's command
// too; a command given by the user replaces the image's.
func (d *decider) command() error {
	p := &d.cfg.Process
	p.Entrypoint, p.Command = d.img.Entrypoint, d.img.Cmd
	if d.req.Process.Entrypoint != nil {
		p.Entrypoint, p.Command = parseEntrypoint(*d.req.Process.Entrypoint), nil
	}
	if len(d.req.Command) > 0 {
		p.Command = d.req.Command
	}
	p.Args = append(append([]string{}, p.Entrypoint...), p.Command...)
	if len(p.Args) == 0 {
		return errdefs.New(errdefs.ErrInvalid, "image", d.imageWord(), "no command given and the image has none").
			WithHint("write the program to run after the image")
	}
	for _, a := range p.Args {
		if strings.IndexByte(a, 0) >= 0 {
			return errdefs.New(errdefs.ErrInvalid, "image", d.imageWord(), "the command has a NUL byte")
		}
	}
	if p.Args[0] == "" {
		return errdefs.New(errdefs.ErrInvalid, "image", d.imageWord(), "the program's name is empty")
	}
	return nil
}

func (d *decider) imageWord() string {
	if d.req.Image != "" {
		return d.req.Image
	}
	return d.img.Ref.Name
}

// parseEntrypoint takes a JSON array of strings, or else one program name as it stands.
func parseEntrypoint(s string) []string {
	if s == "" {
		return nil
	}
	if strings.HasPrefix(strings.TrimSpace(s), "[") {
		var list []string
		if json.Unmarshal([]byte(s), &list) == nil {
			return list
		}
	}
	return []string{s}
}
