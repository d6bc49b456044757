package state

import (
	"context"
	"database/sql"
)

// BootID is the kernel's boot id under which the run state was written when the file was opened, or "".
// Source: random(4), /proc/sys/kernel/random/boot_id.
func (s *Store) BootID() string { return s.boot }

// Reboot notes a new boot: whatever was live has ended with the machine. Containers that
// were live keep exit code 255 and the cause "reboot"; their detached execs are forgotten.
func (s *Store) Reboot(ctx context.Context, bootID string) error {
	return s.end(ctx, Durable, func(tx *sql.Tx) error {
		for _, stmt := range []string{
			"UPDATE container SET status='exited', exit_code=255, cause='reboot', finished=CAST(strftime('%s','now') AS INTEGER)*1000000000 WHERE status IN ('running','paused','stopping')",
			"UPDATE container SET status='exited', restart_at=0 WHERE status='restarting'",
			"UPDATE container SET pid=0, pid_start=0, monitor_pid=0, cgroup=''",
			"DELETE FROM exec",
		} {
			if _, err := tx.ExecContext(ctx, stmt); err != nil {
				return s.fail("write", err)
			}
		}
		if _, err := tx.ExecContext(ctx, "INSERT INTO meta(key,value) VALUES('boot',?) ON CONFLICT(key) DO UPDATE SET value=excluded.value", bootID); err != nil {
			return s.fail("write", err)
		}
		return nil
	})
}
