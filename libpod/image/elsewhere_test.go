package image_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/manager-project/manager/internal/testenv/evil"
	"github.com/manager-project/manager/internal/testenv/registry"
	"github.com/manager-project/manager/libpod/image"
)

// TestForeignLayer pulls an image whose layer lies, by its "urls", on another host: that host
// must not see the credentials, whatever it answers.
func TestForeignLayer(t *testing.T) {
	for name, ask := range map[string]bool{"plain": false, "asks for a password": true} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			var handler http.Handler = http.NotFoundHandler()
			other := registry.Start(t, registry.Options{Auth: ask, Backend: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) })})
			img := simple("localhost/app:1")
			img.Manifest = func(m map[string]any) {
				layer := m["layers"].([]any)[0].(map[string]any)
				layer["mediaType"] = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"
				layer["urls"] = []string{fmt.Sprintf("https://%s/blobs/%s", strings.Replace(other.Host, "127.0.0.1", "localhost", 1), layer["digest"])}
			}
			if err := evil.OCILayout(dir, img); err != nil {
				t.Fatal(err)
			}
			handler = layoutBackend(t, dir)
			reg := registry.Start(t, registry.Options{Auth: true, Backend: handler})
			ro, no := remote(reg), false
			ro.TLSVerify = &no // the other host's certificate does not name it
			ro.Credentials = &image.Credentials{Username: registry.Username, Password: registry.Password}
			_, err := newService(t).Pull(t.Context(), reg.Host+"/x:1", image.PullOptions{RemoteOptions: ro})
			if !ask && err != nil {
				t.Error(err)
			}
			seen := other.Requests("", "")
			if len(seen) == 0 {
				t.Error("the other host was not asked")
			}
			for _, q := range seen {
				if q.Authorization != "" {
					t.Errorf("%s %s got credentials", q.Method, q.Path)
				}
			}
		})
	}
}
