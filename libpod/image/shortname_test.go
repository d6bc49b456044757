package image_test

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/manager-project/manager/internal/testenv/registry"
	"github.com/manager-project/manager/libpod/image"
	"github.com/manager-project/manager/pkg/errdefs"
)

// TestShortNames pulls by short name under each mode of registries.conf.
func TestShortNames(t *testing.T) {
	reg, _ := serve(t, simple("localhost/app:latest"), registry.Options{})
	with := func(mode string, registries ...string) *image.Service {
		conf := filepath.Join(t.TempDir(), "registries.conf")
		list := ""
		for _, r := range registries {
			list += `"` + r + `",`
		}
		writeFile(t, conf, "unqualified-search-registries = ["+list+"]\nshort-name-mode = \""+mode+"\"\n")
		return newService(t, func(o *image.OpenOptions) { o.RegistriesConf = conf })
	}
	const dead = "127.0.0.1:1"
	pull := image.PullOptions{RemoteOptions: remote(reg)}
	for _, mode := range []string{"permissive", "disabled"} {
		got, err := with(mode, dead, reg.Host).Pull(t.Context(), "team/app:v1", pull)
		if err != nil || got[0].Name != reg.Host+"/team/app:v1" {
			t.Errorf("%s: %v %v", mode, got, err)
		}
	}
	if _, err := with("permissive", dead, "127.0.0.1:2").Pull(t.Context(), "team/app:v1", pull); !errors.Is(err, errdefs.ErrUnavailable) {
		t.Errorf("no registry answers: %v", err)
	}
	if _, err := with("enforcing", dead, reg.Host).Pull(t.Context(), "team/app:v1", pull); !errors.Is(err, errdefs.ErrAmbiguous) {
		t.Errorf("enforcing: %v", err)
	}
	asked := pull
	asked.Choose = func(names []string) (string, error) {
		if !slices.Equal(names, []string{dead + "/team/app:v1", reg.Host + "/team/app:v1"}) {
			t.Errorf("choices %q", names)
		}
		return names[1], nil
	}
	if got, err := with("enforcing", dead, reg.Host).Pull(t.Context(), "team/app:v1", asked); err != nil || len(got) != 1 {
		t.Errorf("enforcing with a choice: %v %v", got, err)
	}
	_, err := with("enforcing").Pull(t.Context(), "team/app:v1", pull)
	if !errors.Is(err, errdefs.ErrNotFound) || !strings.Contains(errdefs.Hint(err), "docker.io/library/team/app") && !strings.Contains(errdefs.Hint(err), "full name") {
		t.Errorf("no registries: %v, hint %q", err, errdefs.Hint(err))
	}
}

// TestPolicy obeys policy.json, and does not weaken one that cannot be read.
func TestPolicy(t *testing.T) {
	reg, name := serve(t, simple("localhost/app:latest"), registry.Options{})
	for text, class := range map[string]error{
		`{"default":[{"type":"reject"}]}`: errdefs.ErrPermission,
		`{"default":`:                     errdefs.ErrInvalid,
		`{"default":[{"type":"reject"}],"transports":{"docker":{"` + reg.Host + `":[{"type":"insecureAcceptAnything"}]}}}`: nil,
	} {
		policy := filepath.Join(t.TempDir(), "policy.json")
		writeFile(t, policy, text)
		svc := newService(t, func(o *image.OpenOptions) { o.SignaturePolicyPath = policy })
		_, err := svc.Pull(t.Context(), name, image.PullOptions{RemoteOptions: remote(reg)})
		if !errors.Is(err, class) {
			t.Errorf("%s: %v; want %v", text, err, class)
		}
	}
	svc := newService(t, func(o *image.OpenOptions) { o.SignaturePolicyPath = filepath.Join(t.TempDir(), "missing") })
	if _, err := svc.Pull(t.Context(), name, image.PullOptions{RemoteOptions: remote(reg)}); !errors.Is(err, errdefs.ErrInvalid) {
		t.Errorf("a missing policy that was named: %v", err)
	}
}

// TestAmbiguousID finds images by the beginning of an id only when it fits one.
func TestAmbiguousID(t *testing.T) {
	svc := newService(t)
	byFirst := map[byte]string{}
	for i := range 40 {
		img := load(t, svc, simple("localhost/x"+strings.Repeat("y", i)+":1"))[0]
		if other, ok := byFirst[img.ID[0]]; ok {
			_, err := svc.Resolve(t.Context(), img.ID[:1])
			if !errors.Is(err, errdefs.ErrAmbiguous) {
				t.Errorf("%q fits %s and %s: %v", img.ID[:1], other, img.ID, err)
			}
			return
		}
		byFirst[img.ID[0]] = img.ID
	}
	t.Fatal("no two ids begin alike")
}
