package image

import (
	"bytes"
	"context"
	"os"

	"github.com/manager-project/manager/cmd/manager/cli/command"
	"github.com/manager-project/manager/cmd/manager/cli/flags"
	"github.com/manager-project/manager/cmd/manager/cli/render"
	"github.com/manager-project/manager/libpod/image"
	"github.com/manager-project/manager/pkg/atomicfile"
	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/opencontainers/go-digest"
)

// pusher is what push needs of the core.
type pusher interface {
	Push(ctx context.Context, name, dest string, opts image.PushOptions) (digest.Digest, error)
}

type pushOptions struct {
	core           image.PushOptions
	remote         remoteOptions
	digestFile     string
	passphraseFile string
	quiet          bool
}

// Push is `manager push`.
func Push() *command.Command {
	var o pushOptions
	return &command.Command{
		Use:       "push [options] IMAGE [DESTINATION]",
		Short:     "Send an image to a registry",
		Transfers: true,
		Long:      "Sends an image to the registry of its name, or to a destination: a name, or transport:path with docker, oci, oci-archive, docker-archive or dir.",
		Examples: `# To the registry of its name
manager push registry.example.com/team/web:1.2
# Under another name, noting the digest
manager push --digestfile digest.txt web registry.example.com/team/web:1.2`,
		Flags:    func() []flags.Flag { return pushFlags(&o) },
		Args:     command.Between(1, 2, "an image, and at most one destination"),
		Complete: flags.CompleteImages,
		Run: func(ctx context.Context, app *command.App, args []string) (err error) {
			if o.core.RemoteOptions, err = o.remote.core(); err != nil {
				return err
			}
			if o.passphraseFile != "" {
				data, err := os.ReadFile(o.passphraseFile)
				if err != nil {
					return &errdefs.Error{Op: "--sign-passphrase-file", Class: errdefs.ErrInvalid, Cause: err}
				}
				o.core.SignPassphrase, _, _ = bytes.Cut(data, []byte("\n"))
			}
			destination := ""
			if len(args) > 1 {
				destination = args[1]
			}
			images, err := app.Images(ctx)
			if err != nil {
				return err
			}
			return push(ctx, app, images, args[0], destination, o)
		},
	}
}

func pushFlags(o *pushOptions) []flags.Flag {
	encryption := "encrypted images are not available in this version"
	table := o.remote.flags()
	for i := range table {
		if table[i].Name == "cert-dir" {
			table[i].Value = ""
		}
	}
	return append(table,
		flags.Flag{Name: "compress", To: &o.core.Compress, Default: "is same compression type as source", Usage: "Compress the layers of a dir: destination"},
		flags.Flag{Name: "compression-format", To: &o.core.CompressionFormat, Default: "gzip", Choices: []string{"gzip", "zstd", "zstd:chunked"}, Usage: "How layers are compressed"},
		flags.Flag{Name: "compression-level", To: &o.core.CompressionLevel, Usage: "Level of the compression format"},
		flags.Flag{Name: "digestfile", To: &o.digestFile, Complete: flags.CompleteFiles, Usage: "Write the digest of the pushed image to this file"},
		flags.Flag{Name: "encrypt-layer", Type: "ints", Unsupported: encryption},
		flags.Flag{Name: "encryption-key", Type: "stringArray", Unsupported: encryption},
		flags.Flag{Name: "force-compression", To: &o.core.ForceCompression, Usage: "Send all layers in the chosen format"},
		flags.Flag{Name: "format", Short: "f", To: &o.core.Format, Default: "is manifest type of source, with fallbacks", Choices: []string{"oci", "v2s2", "v2s1"}, Usage: "Format of the manifest"},
		flags.Flag{Name: "quiet", Short: "q", To: &o.quiet, Usage: "Show no progress"},
		flags.Flag{Name: "remove-signatures", To: &o.core.RemoveSignatures, Usage: "Leave the image's signatures out"},
		flags.Flag{Name: "sign-by", To: &o.core.SignBy, Usage: "Sign with the GPG key of this fingerprint"},
		flags.Flag{Name: "sign-by-sigstore", Type: "PATH", Unsupported: "use --sign-by-sigstore-private-key"},
		flags.Flag{Name: "sign-by-sigstore-private-key", Value: "PATH", To: &o.core.SignBySigstoreKey, Complete: flags.CompleteFiles, Usage: "Sign with the sigstore key of this file"},
		flags.Flag{Name: "sign-by-sq-fingerprint", Type: "FINGERPRINT", Unsupported: "Sequoia keys are not available; use --sign-by"},
		flags.Flag{Name: "sign-passphrase-file", Value: "PATH", To: &o.passphraseFile, Complete: flags.CompleteFiles, Usage: "Read the key's passphrase from this file"},
	)
}

func push(ctx context.Context, app *command.App, core pusher, name, destination string, o pushOptions) error {
	progress := render.NewProgress(app.Err)
	progress.Trying = "Sending %s..."
	if !o.quiet {
		o.core.Progress = progress.Handle
	}
	written, err := core.Push(ctx, name, destination, o.core)
	progress.Close()
	if err != nil {
		return err
	}
	if !o.quiet {
		app.Note("Writing manifest to image destination")
	}
	if o.digestFile != "" {
		if err := atomicfile.Write(o.digestFile, []byte(written.String()), 0o644, atomicfile.Durable); err != nil {
			return &errdefs.Error{Op: "--digestfile", Class: errdefs.ErrUnavailable, Cause: err}
		}
	}
	return nil
}
