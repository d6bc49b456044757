package libpod

import (
	"path/filepath"

	"github.com/manager-project/manager/internal/embedded"
	"github.com/manager-project/manager/pkg/conf"
	"github.com/manager-project/manager/pkg/ground"
)

// FullProgram is the path of the program that has image transfers linked in: an installed one
// of the same build, or the one carried inside, unpacked beside the state or, where no program can be started
// there, beside the run state. The state is not opened. Errors: ErrUnsupported in a program that carries none.
func FullProgram(o Options) (string, error) {
	c, err := conf.Load(conf.Source{Modules: o.Modules})
	if err != nil {
		return "", err
	}
	p, err := newPaths(&o, c)
	if err != nil {
		return "", err
	}
	dir := filepath.Join(p.static, "programs")
	if g, err := ground.Of(dir); err == nil && g.NoExec {
		dir = p.programs // until the next boot
	}
	f, err := embedded.OpenFull(dir)
	if err != nil {
		return "", err
	}
	return f.Name(), f.Close()
}
