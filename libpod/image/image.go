package image

import (
	"time"

	"github.com/opencontainers/go-digest"
	"go.podman.io/storage"
)

// Image identifies an image of the local store, as it was when it was looked up.
type Image struct {
	// ID is the full id, 64 hexadecimal digits.
	ID string
	// Name is the name by which the image was found or stored, fully qualified; "" when it
	// was found by id.
	Name string
	// Stored are the names that a load or pull gave it. Nil when it was only looked up.
	Stored []string
	// Names are all names of the image. Empty for a dangling image.
	Names []string
	// Digest is the digest of the image's manifest; "" when it has none.
	Digest digest.Digest
	// Digests are the digests of all manifests that lead to this image.
	Digests []digest.Digest
	// TopLayer is the store's id of the uppermost layer; "" for an image without layers.
	TopLayer string
	// Created is when the image was made, by its own account.
	Created time.Time
	// ReadOnly says that the image lies in an additional, read-only store.
	ReadOnly bool

	record *storage.Image
}

// fromRecord wraps a record of the store, found under name.
func fromRecord(rec *storage.Image, name string) Image {
	return Image{
		ID: rec.ID, Name: name, Names: rec.Names, Digest: rec.Digest, Digests: rec.Digests,
		TopLayer: rec.TopLayer, Created: rec.Created, ReadOnly: rec.ReadOnly, record: rec,
	}
}

// Warning is something the user should know about an operation that succeeded.
type Warning struct {
	// Subject is what it is about: an environment entry, a label, a signature.
	Subject string
	// Text is one sentence without a final stop.
	Text string
}
