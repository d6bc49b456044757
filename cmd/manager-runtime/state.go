package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/libcontainer"
)

func stateCommand() *command {
	return &command{
		name: "state", args: "ID", summary: "print the state of a container", least: 1, most: 1,
		run: func(a *app, args []string) (int, error) {
			c, err := a.factory().Load(args[0])
			if err != nil {
				return 0, err
			}
			return 0, errors.Join(printJSON(a.out, c.State(), "  "), c.Close())
		},
	}
}

func printJSON(w io.Writer, v any, indent string) error {
	b, err := json.MarshalIndent(v, "", indent)
	if indent == "" {
		b, err = json.Marshal(v)
	}
	if err != nil {
		return err
	}
	_, err = w.Write(append(b, '\n'))
	return err
}

type listOptions struct {
	format string
	quiet  bool
}

func listCommand() *command {
	o := &listOptions{format: "table"}
	return &command{
		name: "list", summary: "list the containers of the state directory",
		flags: []option{
			{name: "format", short: "f", to: &o.format, value: "FORMAT", usage: "table or json (default table)"},
			{name: "quiet", short: "q", to: &o.quiet, usage: "print ids alone"},
		},
		run: func(a *app, _ []string) (int, error) { return 0, o.list(a) },
	}
}

func (o *listOptions) list(a *app) error {
	if o.format != "table" && o.format != "json" {
		return errdefs.Invalid("--format", o.format, "want table or json")
	}
	all, damaged, err := a.factory().List()
	if errors.Is(err, os.ErrNotExist) && !a.rootSet {
		err = nil // the default directory comes with the first container
	}
	if err != nil {
		return err
	}
	for _, d := range damaged {
		a.logger.write(levelWarning, d.Error())
	}
	states := make([]libcontainer.State, 0, len(all))
	for _, c := range all {
		s := c.State()
		if uid, err := c.OwnerUID(); err == nil {
			s.Owner = userName(uid)
		}
		states = append(states, s)
		_ = c.Close()
	}
	switch {
	case o.quiet:
		for _, s := range states {
			fmt.Fprintln(a.out, s.ID)
		}
		return nil
	case o.format == "json":
		return printJSON(a.out, states, "")
	}
	w := tabwriter.NewWriter(a.out, 12, 1, 3, ' ', 0)
	fmt.Fprint(w, "ID\tPID\tSTATUS\tBUNDLE\tCREATED\tOWNER\n")
	for _, s := range states {
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\t%s\n", s.ID, s.PID, s.Status, s.Bundle, s.Created.Format(time.RFC3339Nano), s.Owner)
	}
	return w.Flush()
}

// userName is the user's name, or "#UID" for one without.
func userName(uid uint32) string {
	s := strconv.FormatUint(uint64(uid), 10)
	if u, err := user.LookupId(s); err == nil {
		return u.Username
	}
	return "#" + s
}
