//go:build lean

package doctor

import (
	"context"
	"errors"
)

var errNoTransfers = errors.New("this program cannot talk to registries")

// The lean program has nothing that talks to registries; see image.ErrElsewhere. Where the one that has cannot
// take over, this much is not looked at.

func transferSettings() []Setting { return nil }

func registries() ([]string, error) { return nil, errNoTransfers }

func ping(context.Context, string) Ping { return Ping{Err: errNoTransfers} }
