package image_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/manager-project/manager/libpod/image"
)

// BenchmarkResolveConfig measures the warm path of "run": open, resolve, read the config.
func BenchmarkResolveConfig(b *testing.B) {
	for _, bm := range []struct {
		name   string
		others int
	}{{"localhost/short:latest", 0}, {"short", 0}, {"docker.io/library/full:latest", 0}, {"short", 100}} {
		b.Run(fmt.Sprintf("%s+%d", bm.name[:5], bm.others), func(b *testing.B) {
			dir := b.TempDir()
			opts := func(o *image.OpenOptions) {
				o.GraphRoot, o.RunRoot = filepath.Join(dir, "root"), filepath.Join(dir, "run")
				o.RegistriesConf, o.RegistriesConfDir = "", ""
			}
			svc := newService(b, opts)
			load(b, svc, simple("localhost/short:latest"), simple("docker.io/library/full:latest"))
			for i := range bm.others {
				load(b, svc, simple(fmt.Sprintf("localhost/other%d:latest", i)))
			}
			if err := svc.Close(); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				warm := newService(b, opts)
				img, err := warm.Resolve(b.Context(), bm.name)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := warm.Config(b.Context(), img); err != nil {
					b.Fatal(err)
				}
				if err := warm.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkRootfs measures the life of a root filesystem.
func BenchmarkRootfs(b *testing.B) {
	for _, volatile := range []bool{false, true} {
		b.Run(fmt.Sprintf("volatile=%v", volatile), func(b *testing.B) {
			svc := newService(b)
			img := load(b, svc, simple("localhost/x:latest"))[0]
			for i := 0; b.Loop(); i++ {
				id := fmt.Sprintf("%064x", i+1)
				if err := svc.CreateRootfs(b.Context(), id, img.ID, image.RootfsOptions{Volatile: volatile}); err != nil {
					b.Fatal(err)
				}
				if _, err := svc.MountRootfs(id); err != nil {
					b.Fatal(err)
				}
				if err := svc.UnmountRootfs(id); err != nil {
					b.Fatal(err)
				}
				if err := svc.DeleteRootfs(id); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
