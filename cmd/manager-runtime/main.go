// Manager-runtime is the embedded runtime's command line, in the words of runc.
//
// In this version it runs containers in the foreground:
//
//	manager-runtime [--root DIR] run [-b BUNDLE] ID
//
// The program's exit status is the container's; 125 means that the runtime failed, 126 and
// 127 that the user's program could not be executed or found.
package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/libcontainer/launch"
)

const usage = `usage: manager-runtime [--root DIR] COMMAND

commands:
   run [-b|--bundle BUNDLE] ID   create a container, run it in the foreground, remove it

options:
   --root DIR                    state directory (default /run/manager-runtime)
   --version, -v                 print the version
   --help, -h                    print this text
`

// version is replaced at link time.
var version = "0.1.0-dev"

func main() {
	code, err := dispatch(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "manager-runtime: "+err.Error())
		if h := errdefs.Hint(err); h != "" {
			fmt.Fprintln(os.Stderr, "hint: "+h)
		}
		os.Exit(exitCode(err))
	}
	os.Exit(code)
}

func exitCode(err error) int {
	var f *launch.Failure
	if errors.As(err, &f) {
		return f.ExitCode()
	}
	return 125
}

// dispatch parses the options before the command.
func dispatch(args []string) (int, error) {
	root := "/run/manager-runtime"
	for len(args) > 0 {
		switch a := args[0]; {
		case a == "--help" || a == "-h" || a == "help":
			fmt.Print(usage)
			return 0, nil
		case a == "--version" || a == "-v":
			fmt.Printf("manager-runtime version %s\nspec: 1.3.0\n", version)
			return 0, nil
		case a == "--root" && len(args) > 1:
			root, args = args[1], args[2:]
		case a == "run":
			o, err := parseRun(args[1:])
			if err != nil {
				return 0, err
			}
			o.root = root
			return o.run()
		case a[:min(1, len(a))] == "-":
			return 0, errdefs.Invalid("manager-runtime", a, "unknown option")
		default:
			return 0, errdefs.Unsupported(a, "not available in this version")
		}
	}
	return 0, errdefs.Invalid("manager-runtime", "", "no command given").WithHint("see manager-runtime --help")
}
