// Package libpod is the core of manager: everything between the command line and the
// kernel's door.
package libpod
