package image_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/manager-project/manager/internal/testenv/registry"
	"github.com/manager-project/manager/libpod/image"
	"github.com/manager-project/manager/pkg/errdefs"
)

// residentKiB reads the process's peak resident size.
func residentKiB(t *testing.T) int {
	t.Helper()
	raw, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	var kib int
	_, rest, _ := strings.Cut(string(raw), "VmHWM:")
	if _, err := fmt.Sscan(rest, &kib); err != nil {
		t.Fatal(err)
	}
	return kib
}

// TestEndlessBodies meets answers that do not end: each must be given up soon, with little memory.
func TestEndlessBodies(t *testing.T) {
	reg, name := serve(t, simple("localhost/app:latest"), registry.Options{})
	token := func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="https://%s/token",service="x"`, reg.Host))
		w.WriteHeader(http.StatusUnauthorized)
	}
	for name2, faults := range map[string][]registry.Fault{
		"manifest": {{Path: "/manifests/", Answer: registry.Endless(200, "application/vnd.oci.image.manifest.v1+json", `{"schemaVersion":2,`)}},
		"error":    {{Path: "/manifests/", Answer: registry.Endless(500, "application/json", `{"errors":[`)}},
		"token":    {{Path: "/v2/", Answer: token}, {Path: "/token", Answer: registry.Endless(200, "application/json", `{"token":"`)}},
		"tags":     {{Path: "/tags/list", Answer: registry.Endless(200, "application/json", `{"tags":["`)}},
	} {
		t.Run(name2, func(t *testing.T) {
			reg.Reset()
			for _, f := range faults {
				reg.Fail(f)
			}
			svc := newService(t)
			before := residentKiB(t)
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			none := uint(0)
			opts := image.PullOptions{RemoteOptions: remote(reg)}
			opts.Retries = &none
			ref := name
			if name2 == "tags" {
				ref, opts.AllTags = strings.TrimSuffix(name, ":v1"), true
			}
			start := time.Now()
			_, err := svc.Pull(ctx, ref, opts)
			if err == nil || ctx.Err() != nil {
				t.Fatalf("after %v: %v", time.Since(start), err)
			}
			t.Logf("after %v: %v", time.Since(start), err)
			if grown := residentKiB(t) - before; grown > 256<<10 {
				t.Errorf("the peak grew by %d KiB", grown)
			}
			checkRefused(t, svc, err, "")
		})
	}
}

// TestCancel ends a pull in the middle of a slow blob.
func TestCancel(t *testing.T) {
	reg, name := serve(t, simple("localhost/app:latest"), registry.Options{})
	reg.Fail(registry.Fault{Method: "GET", Path: "/blobs/", Answer: registry.Slow(200*time.Millisecond, 1)})
	svc := newService(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	start := time.Now()
	_, err := svc.Pull(ctx, name, image.PullOptions{RemoteOptions: remote(reg)})
	if err == nil || errors.Is(err, errdefs.ErrCorrupt) {
		t.Errorf("error %v", err)
	}
	if took := time.Since(start); took > 30*time.Second {
		t.Errorf("took %v", took)
	}
	checkRefused(t, svc, err, "")
}

// TestBlobLongerThanSaid gets a blob that goes on after its end.
func TestBlobLongerThanSaid(t *testing.T) {
	reg, name := serve(t, simple("localhost/app:latest"), registry.Options{})
	reg.Fail(registry.Fault{Method: "GET", Path: "/blobs/", Answer: registry.Endless(200, "application/octet-stream", "x")})
	svc := newService(t)
	before := residentKiB(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	_, err := svc.Pull(ctx, name, image.PullOptions{RemoteOptions: remote(reg)})
	if err == nil || ctx.Err() != nil {
		t.Fatalf("%v", err)
	}
	if grown := residentKiB(t) - before; grown > 256<<10 {
		t.Errorf("the peak grew by %d KiB", grown)
	}
	checkRefused(t, svc, err, "")
}
