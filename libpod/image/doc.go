// Package image keeps images: it finds, pulls, loads, imports, saves, pushes, lists and
// removes them, and makes the root filesystems of containers out of them.
//
// The store is that of Podman, Buildah and Skopeo, at its usual place, so that an image
// pulled by one is seen by all. Words used here:
//
//	image       a record of the store: an id, names, a top layer, a manifest and a config
//	name        a fully qualified reference, "docker.io/library/busybox:latest"
//	short name  what a user types: "busybox"; see Resolve for how it becomes names
//	source      where an image comes from, transport first: "docker://", "oci:", "docker-archive:"
//	rootfs      a read-write layer over an image's top layer, one for each container
//	external    a container record that another program made; never touched
//
// Nothing from an image or a registry is trusted. Layers are extracted by a child of this
// program (see ReexecInit) that has changed its root to the layer's own directory;
// digests are checked on the way in and the config's again on the way out; sizes are
// bounded; see Config for what is refused in a config.
//
// What moves images between the store and elsewhere (Pull, Push, Load, Save, Import, Login, the
// signature policy) needs the image library, whose packages take four milliseconds to start.
// Those files are left out under the build tag "lean"; their functions then return
// ErrElsewhere, and the command line goes on in the program that has them.
//
// The package prints nothing. Progress and warnings are data: see Event and Warning.
// All operations may be used concurrently, also by several processes on one store.
package image
