//go:build !lean

package embedded

// A program that has everything linked in carries no other that has.

func fullID() (string, error) { return "", missing("manager-full") }

func full() ([]byte, error) { return nil, missing("manager-full") }
