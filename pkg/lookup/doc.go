// Package lookup finds users and groups inside a root filesystem.
//
// The files it reads, /etc/passwd and /etc/group, belong to an image and are hostile:
// they can be links out of the root, FIFOs, devices, endless, or hold lines made to be
// taken for something else. So they are opened in the root by descriptor, must be
// regular, and have bounds on size and line length. What is not a well-formed line is
// not there. A number is a number: an all-digit word is never looked up as a name, and
// one that is out of range is an error.
package lookup
