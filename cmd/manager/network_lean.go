//go:build lean

package main

// networkHelper is a role of the full program only.
func networkHelper([]string) bool { return false }
