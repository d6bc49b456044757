package doctor

import (
	"crypto/x509"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Real registries, good and bad, as ping finds them.
func TestPing(t *testing.T) {
	date := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	registry := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", date.Format(http.TimeFormat))
		if user, password, _ := r.BasicAuth(); user != "alice" || password != "right" {
			w.Header().Set("WWW-Authenticate", `Basic realm="r"`)
			w.WriteHeader(http.StatusUnauthorized)
		}
	}
	plain := httptest.NewServer(http.HandlerFunc(registry))
	defer plain.Close()
	secure := httptest.NewTLSServer(http.HandlerFunc(registry))
	defer secure.Close()
	shop := httptest.NewTLSServer(http.NotFoundHandler())
	defer shop.Close()
	silence := make(chan struct{})
	silent := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-silence }))
	defer silent.Close()
	defer close(silence)
	name := func(s *httptest.Server) string {
		return strings.TrimPrefix(strings.TrimPrefix(s.URL, "http://"), "https://")
	}
	if d := distrust(fmt.Errorf("get: %w", x509.HostnameError{})); d != OtherHost {
		t.Errorf("another host's: %q", d)
	}
	if d := distrust(x509.CertificateInvalidError{Reason: x509.Expired}); d != NotValidNow {
		t.Errorf("expired: %q", d)
	}
	gone := httptest.NewTLSServer(http.NotFoundHandler())
	gone.Close()

	dir := t.TempDir()
	conf := ""
	for _, s := range []*httptest.Server{plain, shop, silent} {
		conf += fmt.Sprintf("[[registry]]\nlocation = %q\ninsecure = true\n", name(s))
	}
	for file, text := range map[string]string{"registries.conf": conf, "auth.json": fmt.Sprintf(`{"auths":{%q:{"auth":"YWxpY2U6cmlnaHQ="}}}`, name(plain))} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("CONTAINERS_REGISTRIES_CONF", filepath.Join(dir, "registries.conf"))
	t.Setenv("REGISTRY_AUTH_FILE", filepath.Join(dir, "auth.json"))
	e := healthy(0).Env
	for _, c := range []struct {
		registry string
		want     string
	}{
		{name(plain), ""},
		{name(secure), "signed by an authority that this machine does not know"},
		{name(shop), "it answers 404 Not Found, as no registry does"},
		{name(silent), "does not answer within a second"},
		{name(gone), "nobody listens there"},
	} {
		p := ping(t.Context(), c.registry)
		switch {
		case p.Err == nil && c.want == "":
			if !p.Date.Equal(date) || p.Refused {
				t.Errorf("%s: %+v", c.registry, p)
			}
		case p.Err == nil || c.want == "" || !strings.Contains(e.unreachable(p).What, c.want):
			t.Errorf("%s: %v, want %q", c.registry, p.Err, c.want)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "auth.json"), []byte(fmt.Sprintf(`{"auths":{%q:{"auth":"YWxpY2U6d3Jvbmc="}}}`, name(plain))), 0o600); err != nil {
		t.Fatal(err)
	}
	if p := ping(t.Context(), name(plain)); !p.Refused || p.Err != nil {
		t.Errorf("wrong password: %+v", p)
	}
	if all, err := registries(); err != nil || len(all) != 1 || all[0] != name(plain) {
		t.Errorf("%v, %v", all, err)
	}
}
