package libpod

import (
	"encoding/json"
	"path/filepath"

	"github.com/manager-project/manager/pkg/atomicfile"
	"github.com/manager-project/manager/pkg/monitor"
)

// logLoss is what the log of the container's present or last start did not take, zero if it has everything.
func (c *container) logLoss() monitor.LogLoss {
	dir := c.rt.paths.staticDir(c.row.ID)
	if c.row.State.Status.Live() {
		dir = c.rt.paths.runDir(c.row.ID)
	}
	loss, err := monitor.ReadLogLoss(dir)
	if err != nil || loss.Generation != c.row.State.Generation {
		return monitor.LogLoss{} // none was written, or it is that of an earlier start
	}
	return loss
}

// keepLogLoss keeps the record of a start that has ended when the run directory goes. Its disk may be the one that
// the log was lost for; the end is settled all the same.
func (c *locked) keepLogLoss(loss *monitor.LogLoss) {
	if loss == nil {
		return
	}
	raw, err := json.Marshal(loss)
	if err == nil {
		path := filepath.Join(c.rt.paths.staticDir(c.row.ID), monitor.LossFile)
		err = c.rt.withRoom(func() error { return atomicfile.Write(path, raw, 0o600, atomicfile.Volatile) })
	}
	if err != nil {
		c.rt.warn("container %s: its log lost %d bytes, which cannot be noted: %v", c.row.Name, loss.Bytes, err)
	}
}
