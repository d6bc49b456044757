package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/manager-project/manager/internal/testenv"
)

// bareScript covers the hierarchies with an empty one, in a mount namespace of its own, and becomes the
// program.
const bareScript = `umount -R /sys/fs/cgroup && mount -t cgroup2 cgroup2 /sys/fs/cgroup && exec "$@"`

// runBare runs the lane whose hierarchy has no controllers and counts its tests. It exists where
// version 1 has the controllers.
func runBare(ctx context.Context, payload string) (tests int) {
	const lane = testenv.LaneBare
	if reason, err := testenv.Missing(testenv.Root, testenv.V1); err != nil || reason != "" {
		laneSkipped(lane, fmt.Sprintf("the version 2 hierarchy is bare only where version 1 has the controllers, and only root can look at it alone: %s%v", reason, err))
		return 0
	}
	watch := newWatcher([]string{lane})
	cmd := exec.CommandContext(ctx, "unshare", "--mount", "sh", "-c", bareScript, "sh", filepath.Join(payload, insideName), "-inside")
	cmd.Env = append(os.Environ(), testenv.LaneVariable+"="+lane)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		if err = cmd.Start(); err == nil {
			err = errors.Join(watch.read(out), cmd.Wait())
		}
	}
	watch.end(errors.Join(err, errors.New("the lane ended early")))
	return watch.tests
}
