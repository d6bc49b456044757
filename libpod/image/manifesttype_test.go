package image

import (
	"testing"

	"go.podman.io/image/v5/manifest"
)

// FuzzManifestType holds our reading of manifests to the image library's.
func FuzzManifestType(f *testing.F) {
	d := `"digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","size":2`
	oci := `{"mediaType":"application/vnd.oci.image.config.v1+json",` + d + `}`
	docker := `{"mediaType":"application/vnd.docker.container.image.v1+json",` + d + `}`
	for _, s := range []string{
		"", "{}", "[]", "null", `{"schemaVersion":1}`, `{"schemaVersion":1,"signatures":[]}`, `{"schemaVersion":1,"signatures":null}`,
		`{"schemaVersion":2}`, `{"schemaVersion":3}`, `{"schemaVersion":2,"config":` + oci + `,"layers":[]}`, `{"schemaVersion":2,"config":` + docker + `,"layers":[]}`,
		`{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v2+json","config":` + docker + `}`,
		`{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.list.v2+json","manifests":[]}`,
		`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":` + oci + `}`,
		`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json"}`, `{"schemaVersion":2,"manifests":[{` + d + `}]}`,
		`{"schemaVersion":2,"config":{"mediaType":"x/y"},"manifests":[{` + d + `}]}`, `{"schemaVersion":2,"config":{"mediaType":"x/y"}}`, `{"mediaType":"odd"}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		ours, theirs := manifestType(raw), manifest.GuessMIMEType(raw)
		// The library decodes no further than it must; a field of a wrong type is none of ours.
		if ours != theirs && ours != "" {
			t.Fatalf("%s is %q, the library's %q", raw, ours, theirs)
		}
		m, err := manifest.FromBlob(raw, theirs)
		if err != nil || ours == "" || ours == dockerOld || ours == dockerOldWithJWS {
			return
		}
		if d, err := configOfManifest(raw); err != nil || d != m.ConfigInfo().Digest {
			t.Fatalf("config of %s is %q (%v), the library's %q", raw, d, err, m.ConfigInfo().Digest)
		}
	})
}
