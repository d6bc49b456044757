// Package embedded carries the other programs of the project inside manager: the monitor,
// the runtime's command line, and the image "hello". They are built into assets/ by
// internal/genembed, which `make build` runs before the compiler; a tree where that was
// not done still compiles and says so when one of them is asked for.
//
// Built with the tag "lean", manager leaves out what moves images and carries the program that
// has it instead: itself, built without the tag. See decision 12.
//
// The bytes are kept as they are, uncompressed, so that they lie in the program's
// read-only pages and cost nothing until they are used.
package embedded

import (
	"embed"

	"github.com/manager-project/manager/pkg/errdefs"
)

//go:embed assets
var assets embed.FS

// Monitor is the program manager-monitor: a static ELF file.
// Errors: ErrUnsupported in a program that was built without it.
func Monitor() ([]byte, error) { return read("manager-monitor") }

// MonitorID names the content of Monitor: the file that holds it is called
// "manager-monitor-" and the id, so that programs of two builds do not take each other's.
// Errors: ErrUnsupported in a program that was built without it.
func MonitorID() (string, error) {
	id, err := read("manager-monitor.id")
	return string(id), err
}

// Runtime is the program manager-runtime: a static ELF file.
// Errors: ErrUnsupported in a program that was built without it.
func Runtime() ([]byte, error) { return read("manager-runtime") }

// HelloImage is the image localhost/hello:latest as a docker archive.
// Errors: ErrUnsupported in a program that was built without it.
func HelloImage() ([]byte, error) { return read("hello.tar") }

func read(name string) ([]byte, error) {
	data, err := assets.ReadFile("assets/" + name)
	if err != nil {
		return nil, missing(name)
	}
	return data, nil
}

func missing(name string) error {
	return errdefs.New(errdefs.ErrUnsupported, "", name, "this program was built without it").
		WithHint("build it with 'make build'")
}
