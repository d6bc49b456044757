package cli

import (
	"github.com/manager-project/manager/cmd/manager/cli/command"
	"github.com/manager-project/manager/libpod"
)

// printShortVersion is `manager --version`.
func printShortVersion(app *command.App) error {
	app.Println("manager version " + libpod.Version().Version)
	return nil
}
