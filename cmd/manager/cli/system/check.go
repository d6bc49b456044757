package system

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/manager-project/manager/cmd/manager/cli/command"
	"github.com/manager-project/manager/cmd/manager/cli/flags"
	"github.com/manager-project/manager/cmd/manager/cli/render"
	"github.com/manager-project/manager/libpod"
	"github.com/manager-project/manager/libpod/define"
	"github.com/manager-project/manager/libpod/image"
	"github.com/manager-project/manager/pkg/errdefs"
)

// checker is what check needs of the core.
type checker interface {
	Check(ctx context.Context, o libpod.CheckOptions) (*libpod.CheckReport, error)
}

// Check is `manager system check`.
func Check() *command.Command {
	o := libpod.CheckOptions{MaxAge: 24 * time.Hour}
	return &command.Command{
		Use:   "check [options]",
		Short: "Compare the stored layers, images and containers with what was stored",
		Long: "Reads every layer, image and container record of the store, and the state file, and lists what is not as it was stored, with the file where it is one:" +
			" other content, files that are missing or too many, other owners, modes and times. Layers that neither an image nor a container has are listed too," +
			" once they are old enough not to belong to a pull. The exit code is 125 if anything is wrong. Nothing is changed without --repair or --force;" +
			" those remove what is damaged and no more, so that it can be pulled again. The store is locked meanwhile.",
		Examples: `# Is everything as it was stored?
manager system check
# Remove damaged images, and what interrupted pulls and loads have left
manager system check --repair --max 0s
# Remove the containers that stand on them too
manager system check --force`,
		Flags: func() []flags.Flag {
			return []flags.Flag{
				{Name: "force", Short: "f", To: &o.Force, Usage: "Remove damaged containers too, running ones as well"},
				{Name: "max", Short: "m", To: &o.MaxAge, Usage: "How old a layer may be that neither an image nor a container has"},
				{Name: "quick", Short: "q", To: &o.Quick, Usage: "Do not compare the layers' trees: files that are too many, owners, modes and times"},
				{Name: "repair", Short: "r", To: &o.Repair, Usage: "Remove damaged images and layers, and layers that nothing has"},
			}
		},
		Args: command.NoArgs,
		Run: func(ctx context.Context, app *command.App, _ []string) error {
			if o.MaxAge < 0 {
				return errdefs.Invalid("--max", o.MaxAge.String(), "it is negative").WithHint("give a duration, as 24h")
			}
			rt, err := app.Runtime(ctx)
			if err != nil {
				return err
			}
			return check(ctx, app, rt, o)
		},
	}
}

func check(ctx context.Context, app *command.App, core checker, o libpod.CheckOptions) error {
	r, err := core.Check(ctx, o)
	if r != nil {
		for i := range r.Removed {
			app.Println(render.Printable("removed " + damaged(&r.Removed[i])))
		}
		fmt.Fprint(app.Out, damageText(r.Damage))
	}
	if err != nil || len(r.Damage) == 0 {
		return err
	}
	return &errdefs.Error{
		Op: "check", Kind: "store", Class: errdefs.ErrCorrupt, Cause: fmt.Errorf("%s", damageCount(r.Damage)), Hint: damageHint(r.Damage, o),
	}
}

// problemsShown bounds what is listed of one object: a layer may have lost all its files.
const problemsShown = 20

// damageText lists what is wrong, a line each.
func damageText(all []image.Damage) string {
	names := map[string]string{}
	for i := range all {
		names[all[i].ID] = damaged(&all[i])
	}
	var b strings.Builder
	for i := range all {
		d := &all[i]
		lines := d.Problems
		for _, layer := range d.Layers {
			lines = append(lines, "layer "+define.ShortID(layer)+" is damaged")
		}
		if d.Image != "" {
			lines = append(lines, names[d.Image]+" is damaged")
		}
		for n, line := range lines {
			if n == problemsShown {
				line = fmt.Sprintf("and %d more", len(lines)-n)
			}
			b.WriteString(render.Printable(damaged(d)+": "+line) + "\n")
			if n == problemsShown {
				break
			}
		}
	}
	return b.String()
}

// damaged names an object: its kind, names and short id.
func damaged(d *image.Damage) string {
	switch {
	case d.Kind == libpod.KindState:
		return d.Kind
	case len(d.Names) == 0:
		return d.Kind + " " + define.ShortID(d.ID)
	}
	return fmt.Sprintf("%s %s (%s)", d.Kind, strings.Join(d.Names, ", "), define.ShortID(d.ID))
}

// damageCount says how much is wrong: "2 layers and 1 image are damaged".
func damageCount(all []image.Damage) string {
	var parts []string
	n := 0
	for _, kind := range []string{libpod.KindState, image.KindLayer, image.KindImage, image.KindContainer} {
		count := 0
		for i := range all {
			if all[i].Kind == kind {
				count++
			}
		}
		switch {
		case count == 0:
		case kind == libpod.KindState:
			parts = append(parts, "the state file")
		case count == 1:
			parts = append(parts, "1 "+kind)
		default:
			parts = append(parts, fmt.Sprintf("%d %ss", count, kind))
		}
		n += count
	}
	verb := " are damaged"
	if n == 1 {
		verb = " is damaged"
	}
	if last := len(parts) - 1; last > 0 {
		return strings.Join(parts[:last], ", ") + " and " + parts[last] + verb
	}
	return parts[0] + verb
}

// damageHint says what to do about it.
func damageHint(all []image.Damage, o libpod.CheckOptions) string {
	own, containers, foreign, state := false, false, false, false
	for i := range all {
		state = state || all[i].Kind == libpod.KindState
		foreign = foreign || all[i].Foreign
		containers = containers || all[i].Kind == image.KindContainer && !all[i].Foreign
		own = own || all[i].Kind != libpod.KindState && !all[i].Foreign
	}
	switch {
	case state:
		return "the state file cannot be repaired: save what the volumes have, remove the store's folder \"manager\", and create the containers anew"
	case containers && !o.Force:
		return "\"manager system check --force\" removes what is damaged, with the containers that stand on it; pull the images again then"
	case own && !o.Repair && !o.Force:
		return "\"manager system check --repair\" removes what is damaged; pull the images again then"
	case foreign:
		return "it belongs to another store or program: repair it there"
	}
	return "end what uses it, and try again"
}
