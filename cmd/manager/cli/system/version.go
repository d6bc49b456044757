// Package system holds the commands about manager itself: version and info.
package system

import (
	"context"
	"fmt"
	"time"

	"github.com/manager-project/manager/cmd/manager/cli/command"
	"github.com/manager-project/manager/cmd/manager/cli/flags"
	"github.com/manager-project/manager/cmd/manager/cli/render"
	"github.com/manager-project/manager/libpod"
)

// versionReport is the document of version --format.
type versionReport struct {
	Client *libpod.VersionInfo
}

// Version is `manager version`. It never opens the core.
func Version() *command.Command {
	var format string
	return &command.Command{
		Use:   "version [options]",
		Short: "Show the version",
		Examples: `# The number alone
manager version --format '{{.Client.Version}}'`,
		Flags: func() []flags.Flag {
			return []flags.Flag{{Name: "format", Short: "f", To: &format, Choices: []string{"json"}, Usage: "json, or a Go template"}}
		},
		Args:    command.NoArgs,
		Outside: true,
		Run: func(_ context.Context, app *command.App, _ []string) error {
			return version(app, format, libpod.Version())
		},
	}
}

func version(app *command.App, format string, v libpod.VersionInfo) error {
	report := versionReport{Client: &v}
	if format != "" {
		f, err := render.ParseFormat(format)
		if err != nil {
			return err
		}
		if f.JSON() {
			return render.JSON(app.Out, report)
		}
		if !f.Default() {
			return render.One(app.Out, f, report)
		}
	}
	rows := [][2]string{
		{"Client", "manager"},
		{"Version", v.Version},
		{"API Version", v.APIVersion},
		{"Go Version", v.GoVersion},
		{"Git Commit", v.GitCommit},
		{"Built", builtText(v.Built)},
		{"OS/Arch", v.OsArch},
	}
	for _, r := range rows {
		if r[1] != "" {
			fmt.Fprintf(app.Out, "%-13s%s\n", r[0]+":", r[1])
		}
	}
	return nil
}

func builtText(unix int64) string {
	if unix == 0 {
		return ""
	}
	return time.Unix(unix, 0).Format(time.ANSIC)
}
