// Package world holds the tests of the lanes themselves: that each world is what it promises.
package world
