//go:build !lean

package main

import "github.com/manager-project/manager/libpod/network/userspace"

// networkHelper is the long-living half of a user's network, if this process was started as that.
func networkHelper(argv []string) bool { return userspace.Run(argv) }
