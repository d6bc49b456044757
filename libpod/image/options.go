package image

import "io"

// PullOptions say how an image is fetched. The zero value is PullMissing for this machine.
type PullOptions struct {
	RemoteOptions
	// Policy says whether to fetch; "" means PullMissing.
	Policy Policy
	// Platform is what the image must be for; empty parts are the machine's.
	Platform Platform
	// AllTags fetches every tag of the repository; the name must have none.
	AllTags bool
	// Choose picks one of several names that a short name may mean, when registries.conf
	// says "enforcing". Nil refuses such names.
	Choose func(names []string) (string, error)
	// Progress receives events; nil means that nobody looks.
	Progress ProgressFunc
}

// PushOptions say how an image is sent. The zero value keeps the manifest's format and
// compresses with gzip.
type PushOptions struct {
	RemoteOptions
	// Format is the manifest's: "oci", "v2s2" or "v2s1"; "" keeps the image's own.
	Format string
	// CompressionFormat is "gzip", "zstd" or "zstd:chunked"; "" means gzip.
	CompressionFormat string
	// CompressionLevel is the format's level; nil means its default.
	CompressionLevel *int
	// ForceCompression sends all layers in that format, also those that the registry has in another.
	ForceCompression bool
	// Compress compresses the layers of a "dir:" destination.
	Compress bool
	// RemoveSignatures leaves out the image's signatures.
	RemoveSignatures bool
	// SignBy is the fingerprint of a GPG key to sign with.
	SignBy string
	// SignBySigstoreKey is the file of a sigstore private key to sign with.
	SignBySigstoreKey string
	// SignPassphrase opens the key.
	SignPassphrase []byte
	// Progress receives events; nil means that nobody looks.
	Progress ProgressFunc
}

// LoadOptions says what Load reads. Exactly one of Path and Reader is set.
type LoadOptions struct {
	// Path is an archive, or a directory with an OCI layout or of the dir transport.
	Path string
	// Reader is an archive; it is read to its end and not closed.
	Reader io.Reader
	// Progress receives events; nil means that nobody looks.
	Progress ProgressFunc
}

// ImportOptions say how a file system becomes an image.
type ImportOptions struct {
	// Source is a path, or an http or https URL. Reader is used instead when it is set;
	// it is read to its end and not closed.
	Source string
	Reader io.Reader
	// Name is the image's name; "" makes a nameless image.
	Name string
	// Changes are Dockerfile-like instructions: see applyChange.
	Changes []string
	// Message is the comment in the image's history.
	Message string
	// Platform is what the image is for; empty parts are the machine's.
	Platform Platform
	// Progress receives events; nil means that nobody looks.
	Progress ProgressFunc
}

// The formats of Save.
const (
	// FormatDockerArchive is a tar as "docker load" reads it. The only one for several images.
	FormatDockerArchive = "docker-archive"
	// FormatOCIArchive is a tar of an OCI layout.
	FormatOCIArchive = "oci-archive"
	// FormatOCIDir is a directory with an OCI layout.
	FormatOCIDir = "oci-dir"
	// FormatDockerDir is a directory of the dir transport, with a Docker manifest.
	FormatDockerDir = "docker-dir"
)

// SaveOptions say how images are written. Exactly one of Output and Writer is set.
type SaveOptions struct {
	// Format is one of the Format constants; "" means FormatDockerArchive.
	Format string
	// Output is the file or directory. It appears, or is replaced, when it is complete. A
	// directory must not exist or be empty.
	Output string
	// Writer receives the archive instead; it is not closed.
	Writer io.Writer
	// MultiImage allows several images in one archive; without it names after the first are further
	// names of the first image.
	MultiImage bool
	// Compress compresses the layers of FormatDockerDir; elsewhere it is ErrInvalid.
	Compress bool
	// Uncompressed leaves the layers of OCI formats uncompressed.
	Uncompressed bool
	// Progress receives events; nil means that nobody looks.
	Progress ProgressFunc
}

// LoginOptions say where credentials are kept and how the registry is asked. AuthFile and
// CompatAuthFile cannot both be set.
type LoginOptions struct {
	RemoteOptions
	// CompatAuthFile is a Docker config.json to use instead; "" means none.
	CompatAuthFile string
}
