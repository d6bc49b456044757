package cli

import (
	"strings"

	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/spf13/cobra"
)

// An exitStatus is a row of a page's exit status section.
type exitStatus struct{ code, meaning string }

// exitStatuses lists the exit codes of a command, lowest first. docs/exit-codes.md tells the
// same for all commands together.
func (t *tree) exitStatuses(cc *cobra.Command) []exitStatus {
	rows := []exitStatus{{"0", "Done."}}
	n := t.nodes[cc]
	if n == nil || len(shown(cc)) > 0 {
		return append(rows, exitStatus{"125", "The command is unknown or misused."})
	}
	program := false
	switch {
	case cc.Name() == "run", cc.Name() == "exec":
		rows, program = nil, true
	case cc.Name() == "start":
		rows, program = []exitStatus{{"0", "Done; with --attach, the program's exit code."}}, true
	case cc.Name() == "exists":
		rows = append(rows, exitStatus{"1", "There is no such object; nothing is printed."})
	}
	if n.desc.Codes[errdefs.ErrNotFound] == 1 {
		rows = append(rows, exitStatus{"1", "There is no such object."})
	}
	if n.desc.Codes[errdefs.ErrInUse] == 2 {
		rows = append(rows, exitStatus{"2", "The object runs or is in use; --force goes on."})
	}
	if !program {
		return append(rows, exitStatus{"125", "Any other failure."})
	}
	return append(
		rows, exitStatus{"125", "manager itself failed, or the words were wrong; the program did not run."},
		exitStatus{"126", "The program is there and cannot be executed."},
		exitStatus{"127", "The program is not there."},
		exitStatus{"128+n", "Signal n ended the program: 137 for SIGKILL, 143 for SIGTERM."},
		exitStatus{"other", "The program's own exit code."},
	)
}

// seeAlso names the pages that a reader of this one may want: the command above, the same
// command's other place in the tree, and the ones below.
func (t *tree) seeAlso(cc *cobra.Command) []string {
	page := func(c *cobra.Command) string { return strings.ReplaceAll(c.CommandPath(), " ", "-") }
	var pages []string
	if cc.HasParent() {
		pages = append(pages, page(cc.Parent()))
	}
	if n := t.nodes[cc]; n != nil {
		t.visit(t.root, func(other *cobra.Command) {
			if m := t.nodes[other]; m != nil && other != cc && other.Name() == cc.Name() && m.desc.Short == n.desc.Short {
				pages = append(pages, page(other))
			}
		})
	}
	for _, sub := range shown(cc) {
		pages = append(pages, page(sub))
	}
	return pages
}
