package state

import "context"

// Check reads the whole file and returns what is wrong with it, a line each; nil when all is well.
// Source: https://www.sqlite.org/pragma.html#pragma_integrity_check
func (s *Store) Check(ctx context.Context) ([]string, error) {
	lines, err := s.strings(ctx, "PRAGMA integrity_check")
	if len(lines) == 1 && lines[0] == "ok" {
		return nil, err
	}
	return lines, err
}
