// Package program keeps the small program, manager-monitor, ready for the runtimes: opened, with its
// file on the host known, and with one process of it started ahead of time.
package program

import (
	"os"

	"github.com/manager-project/manager/internal/embedded"
)

// Program is the opened small program and, after Warm, a process of it. It is safe for
// concurrent use.
type Program struct {
	file *os.File
	dir  string
	warm warm
}

// Open opens an installed manager-monitor of the same build, or unpacks the one that is carried
// inside into dir. Its pages are then shared by all monitors of the machine. It stays open as long as
// this process lives.
func Open(dir string) (*Program, error) {
	f, err := embedded.OpenMonitor(dir)
	if err != nil {
		return nil, err
	}
	return &Program{file: f, dir: dir}, nil
}

// File is the opened program; it stays the Program's.
func (p *Program) File() *os.File { return p.file }

// InitProgram is its file on the host: the small program is an init too.
func (p *Program) InitProgram() string { return p.file.Name() }

// RuntimeProgram is the file of manager-runtime of the same build, installed or unpacked.
func (p *Program) RuntimeProgram() (string, error) {
	f, err := embedded.OpenRuntime(p.dir)
	if err != nil {
		return "", err
	}
	return f.Name(), f.Close()
}
