//go:build lean

package embedded

import (
	"bytes"
	"compress/gzip"
	"embed"
	"io"

	"github.com/manager-project/manager/pkg/errdefs"
)

// fullAssets hold the program with everything linked in. It is compressed, since it is unpacked
// at most once on a machine, and never where it was installed.
//
//go:embed full
var fullAssets embed.FS

func fullID() (string, error) {
	id, err := fullAssets.ReadFile("full/manager-full.id")
	if err != nil {
		return "", missing("manager-full")
	}
	return string(id), nil
}

func full() ([]byte, error) {
	packed, err := fullAssets.ReadFile("full/manager-full.gz")
	if err != nil {
		return nil, missing("manager-full")
	}
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	raw, err := io.ReadAll(r)
	if err != nil {
		return nil, errdefs.New(errdefs.ErrCorrupt, "", "manager-full", "%w", err).WithHint("install manager again")
	}
	return raw, nil
}
