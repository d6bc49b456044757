package image_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/manager-project/manager/internal/testenv/evil"
	"github.com/manager-project/manager/internal/testenv/registry"
	"github.com/manager-project/manager/libpod/image"
)

// layoutBackend serves an OCI layout's blobs as a registry: every tag is its first manifest.
func layoutBackend(t *testing.T, dir string) http.Handler {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, "index.json"))
	if err != nil {
		t.Fatal(err)
	}
	var index struct {
		Manifests []struct{ Digest, MediaType string }
	}
	if err := json.Unmarshal(raw, &index); err != nil {
		t.Fatal(err)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		digest := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
		switch {
		case strings.HasSuffix(r.URL.Path, "/v2/"):
			return
		case strings.Contains(r.URL.Path, "/manifests/"):
			w.Header().Set("Content-Type", index.Manifests[0].MediaType)
			if !strings.HasPrefix(digest, "sha256:") {
				digest = index.Manifests[0].Digest
			}
		}
		http.ServeFile(w, r, filepath.Join(dir, "blobs/sha256", strings.TrimPrefix(digest, "sha256:")))
	})
}

// TestAmbiguousManifests brings documents that can be read in two ways in by load, by tag and
// by digest: the verdict has to be the same, and honest ones are taken.
func TestAmbiguousManifests(t *testing.T) {
	svc := newService(t)
	const list = `"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:%064d","size":2}]`
	entry := fmt.Sprintf(list, 1)
	add := func(field string) func(string) string {
		return func(m string) string { return strings.TrimSuffix(m, "}") + "," + field + "}" }
	}
	before := func(field string) func(string) string {
		return func(m string) string { return "{" + field + "," + m[1:] }
	}
	replace := func(old, now string) func(string) string {
		return func(m string) string { return strings.Replace(m, old, now, 1) }
	}
	const index, v2 = "application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.v2+json"
	const own = `"mediaType":"application/vnd.oci.image.manifest.v1+json"`
	for name, tc := range map[string]struct {
		raw       func(string) string
		mediaType string
		accepted  bool
	}{
		"honest":                     {raw: func(m string) string { return m }, accepted: true},
		"annotations in two cases":   {raw: add(`"annotations":{"a":"1","A":"2","Layers":"3"}`), accepted: true},
		"unknown field":              {raw: add(`"extra":{"x":[1]}`), accepted: true},
		"manifest and index":         {raw: add(entry)},
		"manifest and empty index":   {raw: add(`"manifests":[]`)},
		"manifest and null index":    {raw: add(`"manifests":null`)},
		"manifest and schema 1":      {raw: add(`"fsLayers":[{"blobSum":"sha256:0"}],"history":[]`)},
		"served as an index":         {raw: func(m string) string { return m }, mediaType: index},
		"says index, is manifest":    {raw: replace(own, `"mediaType":"`+index+`"`)},
		"index, served as manifest":  {raw: func(string) string { return `{"schemaVersion":2,"mediaType":"` + index + `",` + entry + `}` }},
		"layers twice":               {raw: add(`"layers":[]`)},
		"layers twice, first empty":  {raw: before(`"layers":[]`)},
		"config twice":               {raw: before(`"config":{}`)},
		"media type twice":           {raw: add(`"mediaType":"` + v2 + `"`)},
		"Layers beside layers":       {raw: before(`"Layers":[]`)},
		"LAYERS alone":               {raw: replace(`"layers"`, `"LAYERS"`)},
		"digest twice in config":     {raw: replace(`"config":{`, `"config":{"digest":"sha256:`+strings.Repeat("0", 64)+`",`)},
		"Digest beside digest":       {raw: replace(`"config":{`, `"config":{"Digest":"sha256:`+strings.Repeat("0", 64)+`",`)},
		"annotation twice":           {raw: add(`"annotations":{"a":"1","a":"2"}`)},
		"two documents":              {raw: func(m string) string { return m + "{}" }},
		"escaped name twice":         {raw: add(`"l\u0061yers":[]`)},
		"list instead of object":     {raw: func(m string) string { return "[" + m + "]" }},
		"nested very deep":           {raw: add(`"extra":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000))},
		"byte order mark":            {raw: func(m string) string { return "\ufeff" + m }},
		"index inside an annotation": {raw: add(`"annotations":{"manifests":"x"}`), accepted: true},
	} {
		t.Run(name, func(t *testing.T) {
			img := simple("localhost/app:1")
			img.Raw, img.MediaType = tc.raw, tc.mediaType
			dir := t.TempDir()
			if err := evil.OCILayout(dir, img); err != nil {
				t.Fatal(err)
			}
			reg := registry.Start(t, registry.Options{Backend: layoutBackend(t, dir)})
			var doc struct{ Manifests []struct{ Digest string } }
			raw, _ := os.ReadFile(filepath.Join(dir, "index.json"))
			if err := json.Unmarshal(raw, &doc); err != nil {
				t.Fatal(err)
			}
			for way, bring := range map[string]func(*image.Service) ([]image.Image, error){
				"load": func(s *image.Service) ([]image.Image, error) {
					return s.Load(t.Context(), image.LoadOptions{Path: dir})
				},
				"tag": func(s *image.Service) ([]image.Image, error) {
					return s.Pull(t.Context(), reg.Host+"/x:1", image.PullOptions{RemoteOptions: remote(reg)})
				},
				"digest": func(s *image.Service) ([]image.Image, error) {
					return s.Pull(t.Context(), reg.Host+"/x@"+doc.Manifests[0].Digest, image.PullOptions{RemoteOptions: remote(reg)})
				},
			} {
				_, err := bring(svc)
				if (err == nil) != tc.accepted {
					t.Errorf("%s: %v", way, err)
				}
				if err != nil {
					checkRefused(t, svc, err, "")
				} else if _, err := svc.Remove(t.Context(), nil, image.RemoveOptions{All: true, Force: true}); err != nil {
					t.Error(err)
				}
			}
		})
	}
}
