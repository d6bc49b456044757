package cli

import (
	"os"
	"syscall"

	"github.com/manager-project/manager/cmd/manager/cli/command"
	"github.com/manager-project/manager/internal/embedded"
	"github.com/manager-project/manager/libpod"
	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/ground"
)

// handOver lets the program with transfers take this one's place: the same command line, the
// same streams, the same process. Nothing was changed and nothing read up to here, so that it
// begins anew. It returns only when that cannot be done.
func handOver(app *command.App) error {
	program, err := libpod.FullProgram(app.Options)
	if err != nil {
		return err
	}
	err = syscall.Exec(program, app.Args, append(os.Environ(), embedded.SelfVariable()))
	hint := "install manager again, or remove the file"
	if g, failed := ground.Of(program); failed == nil && g.NoExec {
		hint = "its file system is mounted noexec: install the programs (make install), or name a --tmpdir on another"
	}
	return &errdefs.Error{Op: "start", Name: program, Class: errdefs.ErrUnavailable, Cause: err, Hint: hint}
}
