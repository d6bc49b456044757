package compile

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/manager-project/manager/pkg/libcontainer/launch"
	"github.com/manager-project/manager/pkg/libcontainer/plan"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// hooks checks and distributes the hooks: those of the runtime's namespace to the parent, those of the
// container's to the plan, and the last two kinds to the caller.
func (c *compiler) hooks() error {
	s := c.spec.Hooks
	if s == nil {
		return nil
	}
	var prestart, createRuntime, createContainer, startContainer []plan.Hook
	for _, k := range []struct {
		name string
		in   []specs.Hook
		dir  string
		out  *[]plan.Hook
	}{
		//lint:ignore SA1019 it is still in configurations
		{"prestart", s.Prestart, c.opts.Bundle, &prestart},
		{"createRuntime", s.CreateRuntime, c.opts.Bundle, &createRuntime},
		{"createContainer", s.CreateContainer, c.opts.Bundle, &createContainer},
		{"startContainer", s.StartContainer, "/", &startContainer},
		{"poststart", s.Poststart, c.opts.Bundle, &c.h.Poststart},
		{"poststop", s.Poststop, c.opts.Bundle, &c.h.Poststop},
	} {
		for i := range k.in {
			h, err := compileHook(fmt.Sprintf("hooks.%s[%d]", k.name, i), &k.in[i])
			if err != nil {
				return err
			}
			h.Dir = k.dir
			*k.out = append(*k.out, h)
		}
	}
	parent := len(prestart)+len(createRuntime) > 0
	if parent {
		c.h.Hooks = &launch.Hooks{State: c.h.State, Prestart: prestart, CreateRuntime: createRuntime}
	}
	if parent || len(createContainer)+len(startContainer) > 0 {
		c.p.Hooks = &plan.Hooks{
			State: c.h.State, Parent: parent, CreateContainer: createContainer, StartContainer: startContainer,
		}
	}
	return nil
}

func compileHook(field string, h *specs.Hook) (plan.Hook, error) {
	var none plan.Hook
	if !filepath.IsAbs(h.Path) {
		return none, invalid(field+".path", h.Path, "is not absolute")
	}
	for _, l := range []struct {
		name string
		list []string
	}{{"path", []string{h.Path}}, {"args", h.Args}, {"env", h.Env}} {
		for _, s := range l.list {
			if strings.IndexByte(s, 0) >= 0 {
				return none, invalid(field+"."+l.name, s, "has a NUL byte")
			}
		}
	}
	out := plan.Hook{Path: h.Path, Args: h.Args, Env: h.Env}
	if h.Timeout != nil {
		const longest = int(1<<63-1) / int(time.Second)
		if *h.Timeout <= 0 || *h.Timeout > longest {
			return none, invalid(field+".timeout", itoa(*h.Timeout), "want a number of seconds above 0")
		}
		out.Timeout = time.Duration(*h.Timeout) * time.Second
	}
	return out, nil
}

// state is what hooks and listeners read, but for status and pid.
func (c *compiler) state() error {
	c.h.State = plan.State{
		Version: specs.Version, ID: c.opts.ID, Bundle: c.opts.Bundle, Annotations: c.spec.Annotations,
	}
	for k := range c.spec.Annotations {
		if k == "" {
			return invalid("annotations", "", "has an empty key")
		}
	}
	return nil
}
