package hostfiles

import (
	"bytes"
	"strconv"
)

// ContainerEnv is what /run/.containerenv tells of a container.
type ContainerEnv struct {
	// Engine is the program's name and version, as "manager-1.0".
	Engine string
	Name   string
	ID     string
	Image  string
	// ImageID is the image's full id, or "" with --rootfs.
	ImageID  string
	Rootless bool
}

// Bytes is the file's content: shell assignments. Programs only test that the file
// exists, and toolbx and flatpak read its keys.
func (c ContainerEnv) Bytes() []byte {
	var b bytes.Buffer
	rootless := "0"
	if c.Rootless {
		rootless = "1"
	}
	for _, kv := range [][2]string{{"engine", c.Engine}, {"name", c.Name}, {"id", c.ID}, {"image", c.Image}, {"imageid", c.ImageID}} {
		b.WriteString(kv[0] + "=" + strconv.Quote(kv[1]) + "\n")
	}
	b.WriteString("rootless=" + rootless + "\n")
	return b.Bytes()
}
