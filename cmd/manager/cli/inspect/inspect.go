// Package inspect holds the commands that print all that is known about objects of any
// kind.
package inspect

import (
	"context"
	"errors"
	"slices"

	"github.com/manager-project/manager/cmd/manager/cli/command"
	"github.com/manager-project/manager/cmd/manager/cli/flags"
	"github.com/manager-project/manager/cmd/manager/cli/render"
	"github.com/manager-project/manager/libpod"
	"github.com/manager-project/manager/libpod/image"
	"github.com/manager-project/manager/pkg/errdefs"
)

// containers, images and volumes are what inspect needs of the core.
type containers interface {
	Select(ctx context.Context, s libpod.Selection) ([]string, error)
	InspectContainer(ctx context.Context, id string, size bool) (*libpod.InspectData, error)
}

type images interface {
	Inspect(ctx context.Context, name string) (*image.Inspection, error)
}

type volumes interface {
	VolumeInspect(ctx context.Context, name string) (*libpod.Volume, error)
	VolumeList(ctx context.Context, filters []string) ([]libpod.Volume, error)
}

type options struct {
	format       string
	kind         string
	latest, size bool
	all          bool
}

// The words of --type.
const (
	kindAll       = "all"
	kindContainer = "container"
	kindImage     = "image"
	kindVolume    = "volume"
)

// finder looks one name up, and says ErrNotFound when there is none of its kind.
type finder func(ctx context.Context, name string) (any, error)

// Any is `manager inspect`.
func Any() *command.Command {
	o := options{format: "json", kind: kindAll}
	c := newCommand("inspect [options] {CONTAINER|IMAGE|VOLUME} [...]", "Show all that is known about containers, images and volumes", &o)
	c.Long = "Prints all that is known about each object. A name is looked for among containers, then images, then volumes, unless --type says which."
	c.Examples = `# The process id of a container
manager inspect --format '{{.State.Pid}}' web
# An image, though a container has the same name
manager inspect --type image web`
	c.Flags = func() []flags.Flag {
		return append(containerFlags(&o), flags.Flag{
			Name: "type", Short: "t", To: &o.kind, Choices: []string{kindAll, kindContainer, kindImage, kindVolume},
			Usage: "Look among all, container, image or volume",
		})
	}
	c.Complete = flags.CompleteContainers
	return c
}

// Container is `manager container inspect`.
func Container() *command.Command {
	o := options{format: "json", kind: kindContainer}
	c := newCommand("inspect [options] CONTAINER [CONTAINER...]", "Show all that is known about containers", &o)
	c.Examples = "# State and exit code\nmanager container inspect --format '{{.State.Status}} {{.State.ExitCode}}' web"
	c.Flags = func() []flags.Flag { return containerFlags(&o) }
	c.Complete = flags.CompleteContainers
	return c
}

// Image is `manager image inspect`.
func Image() *command.Command {
	o := options{format: "json", kind: kindImage}
	c := newCommand("inspect [options] IMAGE [IMAGE...]", "Show all that is known about images", &o)
	c.Examples = "# The command of an image\nmanager image inspect --format '{{json .Config.Cmd}}' docker.io/library/alpine"
	c.Flags = func() []flags.Flag { return []flags.Flag{formatFlag(&o)} }
	c.Complete = flags.CompleteImages
	return c
}

// Volume is `manager volume inspect`.
func Volume() *command.Command {
	o := options{format: "json", kind: kindVolume}
	c := newCommand("inspect [options] VOLUME [VOLUME...]", "Show all that is known about volumes", &o)
	c.Examples = "# Where the data is\nmanager volume inspect --format '{{.Mountpoint}}' data"
	c.Flags = func() []flags.Flag {
		return []flags.Flag{{Name: "all", Short: "a", To: &o.all, Usage: "Show all volumes"}, formatFlag(&o)}
	}
	c.Complete = flags.CompleteVolumes
	return c
}

func formatFlag(o *options) flags.Flag {
	return flags.Flag{Name: "format", Short: "f", To: &o.format, Choices: []string{"json"}, Usage: "json, or a Go template"}
}

func containerFlags(o *options) []flags.Flag {
	return []flags.Flag{
		formatFlag(o),
		{Name: "latest", Short: "l", To: &o.latest, Usage: "Take the container that was made last"},
		{Name: "size", Short: "s", To: &o.size, Usage: "Add the sizes on disk"},
	}
}

func newCommand(use, short string, o *options) *command.Command {
	return &command.Command{
		Use: use, Short: short,
		Args: func(args []string) error {
			if o.latest || o.all {
				return command.NoArgs(args)
			}
			return command.AtLeast(1, "a name or id")(args)
		},
		Run: func(ctx context.Context, app *command.App, args []string) error {
			if !slices.Contains([]string{kindAll, kindContainer, kindImage, kindVolume}, o.kind) {
				return errdefs.Invalid("--type", o.kind, "must be all, container, image or volume")
			}
			f, err := render.ParseFormat(o.format)
			if err != nil {
				return err
			}
			rt, err := app.Runtime(ctx)
			if err != nil {
				return err
			}
			imageService, err := rt.Images(ctx)
			if err != nil {
				return err
			}
			names, err := expand(ctx, rt, args, *o)
			if err != nil {
				return err
			}
			return show(ctx, app, names, finders(rt, imageService, rt, *o), f)
		},
	}
}

// expand turns --all of volumes into names.
func expand(ctx context.Context, core volumes, args []string, o options) ([]string, error) {
	if !o.all {
		if o.latest {
			return []string{""}, nil
		}
		return args, nil
	}
	list, err := core.VolumeList(ctx, nil)
	for i := range list {
		args = append(args, list[i].Name)
	}
	return args, err
}

// finders are the lookups to try, in order.
func finders(c containers, i images, v volumes, o options) []finder {
	container := func(ctx context.Context, name string) (any, error) {
		s := libpod.Selection{Names: []string{name}}
		if o.latest {
			s = libpod.Selection{Latest: true}
		}
		ids, err := c.Select(ctx, s)
		if err != nil {
			return nil, err
		}
		if len(ids) == 0 {
			return nil, errdefs.NotFound("container", name)
		}
		return c.InspectContainer(ctx, ids[0], o.size)
	}
	img := func(ctx context.Context, name string) (any, error) { return i.Inspect(ctx, name) }
	volume := func(ctx context.Context, name string) (any, error) {
		found, err := v.VolumeInspect(ctx, name)
		return withoutNull(found), err
	}
	switch {
	case o.kind == kindContainer || o.latest:
		return []finder{container}
	case o.kind == kindImage:
		return []finder{img}
	case o.kind == kindVolume:
		return []finder{volume}
	}
	return []finder{container, img, volume}
}

func withoutNull(v *libpod.Volume) *libpod.Volume {
	if v == nil {
		return nil
	}
	copied := *v
	if copied.Labels == nil {
		copied.Labels = map[string]string{}
	}
	if copied.Options == nil {
		copied.Options = map[string]string{}
	}
	return &copied
}

// show prints what was found, also when some names were not.
func show(ctx context.Context, app *command.App, names []string, finders []finder, f render.Format) error {
	found := []any{}
	var errs []error
	for _, name := range names {
		object, err := find(ctx, name, finders)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		found = append(found, object)
	}
	if f.JSON() || f.Default() {
		errs = append([]error{render.JSON(app.Out, found)}, errs...)
		return errors.Join(errs...)
	}
	for _, object := range found {
		if err := render.One(app.Out, f, object); err != nil {
			return err
		}
	}
	return errors.Join(errs...)
}

func find(ctx context.Context, name string, finders []finder) (any, error) {
	for _, f := range finders {
		object, err := f(ctx, name)
		if err == nil || !errors.Is(err, errdefs.ErrNotFound) || len(finders) == 1 {
			return object, err
		}
	}
	return nil, &errdefs.Error{
		Kind: "object", Name: name, Class: errdefs.ErrNotFound, Cause: errors.New("no such container, image or volume"),
		Hint: "\"manager ps -a\", \"manager images\" and \"manager volume ls\" list what there is",
	}
}
