//go:build !lean

package image

import (
	"crypto/x509"
	"errors"
	"net/http"
	"regexp"
	"strings"
	"sync"

	"github.com/docker/distribution/registry/api/errcode"
	"go.podman.io/image/v5/docker"
	"go.podman.io/image/v5/docker/archive"
	"go.podman.io/image/v5/oci/layout"
	"go.podman.io/image/v5/signature"
	imgstorage "go.podman.io/image/v5/storage"

	"github.com/manager-project/manager/pkg/errdefs"
)

// damaged is what there is to say about a source that does not keep to its own digests or
// to the formats.
const damaged = "the source is damaged or lies; nothing was stored"

// classify finds the next step for the user and the class of a failure.
func classify(host string, err error) (hint string, class error) {
	if hint, class := classifyRegistry(host, err); class != nil {
		return hint, class
	}
	var policy signature.PolicyRequirementError
	switch {
	case isTLS(err):
		return "put the registry's CA into /etc/containers/certs.d/" + host + ", or use --tls-verify=false", errdefs.ErrUnavailable
	case isNetwork(err) && host != "":
		return "check the network and the registry's name", errdefs.ErrUnavailable
	case errors.As(err, &policy), strings.Contains(err.Error(), "rejected by policy"):
		return "see policy.json", errdefs.ErrPermission
	case isMismatch(err):
		return damaged, errdefs.ErrCorrupt
	case isImageNotFound(err):
		return "check which images it holds", errdefs.ErrNotFound
	}
	if hint, class := classifyStore(err); class != nil {
		return hint, class
	}
	if host != "" {
		return damaged, errdefs.ErrCorrupt
	}
	return "it is damaged, or of another format; nothing was stored", errdefs.ErrCorrupt
}

// registryFault is the next step when a registry says that it is itself at fault.
const registryFault = "the registry is at fault; try again later"

// notTaken is the next step when a registry refuses what is pushed.
const notTaken = "the registry does not take this; try another --format or name"

// classifyRegistry reads the answers of registries; the class is nil for any other error.
func classifyRegistry(host string, err error) (hint string, class error) {
	login := "use 'manager login " + host + "'"
	var unauthorized docker.ErrUnauthorizedForCredentials
	if errors.As(err, &unauthorized) {
		return login, errdefs.ErrPermission
	}
	if errors.Is(err, docker.ErrTooManyRequests) {
		return "wait a while; the registry limits requests", errdefs.ErrUnavailable
	}
	for _, code := range registryCodes(err) {
		switch code {
		case "UNAUTHORIZED", "DENIED":
			return login, errdefs.ErrPermission
		case "MANIFEST_UNKNOWN", "NAME_UNKNOWN", "BLOB_UNKNOWN":
			return "check the name and the tag", errdefs.ErrNotFound
		case "TOOMANYREQUESTS", "UNAVAILABLE":
			return registryFault, errdefs.ErrUnavailable
		case "MANIFEST_INVALID", "BLOB_UPLOAD_INVALID", "DIGEST_INVALID", "SIZE_INVALID", "NAME_INVALID", "TAG_INVALID", "UNSUPPORTED":
			return notTaken, errdefs.ErrInvalid
		}
	}
	// The library tries one format after another and keeps only the texts of their errors.
	if strings.Contains(err.Error(), "Uploading manifest failed, attempted") {
		return notTaken, errdefs.ErrInvalid
	}
	switch status := httpStatus(err); {
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return login, errdefs.ErrPermission
	case status == http.StatusNotFound:
		return "check the name and the tag", errdefs.ErrNotFound
	case status >= 500, status == http.StatusTooManyRequests:
		return registryFault, errdefs.ErrUnavailable
	}
	return "", nil
}

// registryCodes lists the distribution API's error codes in a chain of errors.
func registryCodes(err error) []string {
	var codes []string
	var list errcode.Errors
	if errors.As(err, &list) {
		for _, e := range list {
			codes = append(codes, registryCodes(e)...)
		}
	}
	var one errcode.Error
	if errors.As(err, &one) {
		codes = append(codes, one.Code.String())
	}
	var code errcode.ErrorCode
	if errors.As(err, &code) {
		codes = append(codes, code.String())
	}
	return codes
}

// httpStatus is the unexpected status of a registry's answer, or 0.
func httpStatus(err error) int {
	var status docker.UnexpectedHTTPStatusError
	if errors.As(err, &status) {
		return status.StatusCode
	}
	// Answers to blob requests carry their status in the text alone.
	const mark = "invalid status code from registry "
	if _, rest, ok := strings.Cut(err.Error(), mark); ok && len(rest) >= 3 {
		n := 0
		for _, c := range rest[:3] {
			if c < '0' || c > '9' {
				return 0
			}
			n = n*10 + int(c-'0')
		}
		return n
	}
	return 0
}

// isTLS says that the registry's certificate was not accepted.
func isTLS(err error) bool {
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	var host x509.HostnameError
	return errors.As(err, &unknown) || errors.As(err, &invalid) || errors.As(err, &host) ||
		strings.Contains(err.Error(), "server gave HTTP response to HTTPS client")
}

// isMismatch says that bytes do not have the digest they were asked by.
func isMismatch(err error) bool {
	text := err.Error()
	return errors.Is(err, imgstorage.ErrBlobDigestMismatch) || errors.Is(err, imgstorage.ErrBlobSizeMismatch) ||
		strings.Contains(text, "Digest did not match") || strings.Contains(text, "does not match provided manifest digest") ||
		strings.Contains(text, "digest mismatch") || strings.Contains(text, "does not match config's DiffID") || strings.Contains(text, "does not match expected")
}

// isImageNotFound says that an archive or layout does not hold the image asked for.
func isImageNotFound(err error) bool {
	var inLayout layout.ImageNotFoundError
	return errors.As(err, &inLayout) || strings.Contains(err.Error(), archive.Transport.Name()+": no such")
}

// unpackFailure is how the storage library words a layer that cannot be extracted: the
// layer's three digests, how its child process ended, and what that wrote.
var unpackFailure = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`adding layer with blob .*: unpacking failed \(error: (.*?); output: (.*?)\)( exhausting input failed.*)?$`)
})

// A chain is the library's words for one of its own steps around a cause, and what of them
// says something to the user.
type chain struct {
	text *regexp.Regexp
	keep string
}

// chains are compiled when the first error is worded.
var chains = sync.OnceValue(func() []chain {
	return []chain{
		{regexp.MustCompile(`writing blob: (storing blob to file "[^"]*": )?(happened during read: )?`), ""},
		{regexp.MustCompile(`Digest did not match, expected (\S+), got \S+`), "blob $1: its bytes have another digest"},
		{regexp.MustCompile(`layer (\d+) \(blob .*\) does not match config's DiffID "([^"]*)"`), "layer $1: its content is not what the config says ($2)"},
		{regexp.MustCompile(`adding layer with blob "[^"]*"(/"[^"]*")*: `), "store layer: "},
		{regexp.MustCompile(`initializing source \S+: `), ""},
		{regexp.MustCompile(`archive/tar: |flate: |gzip: `), ""},
	}
})

// plainText leaves of the library's message what says something to the user.
func plainText(text string) string {
	text = unpackText(text)
	for _, c := range chains() {
		text = c.text.ReplaceAllString(text, c.keep)
	}
	return text
}

// unpackText leaves of a failed extraction the reason.
func unpackText(text string) string {
	m := unpackFailure().FindStringSubmatchIndex(text)
	if m == nil {
		return text
	}
	why := text[m[4]:m[5]]
	if why == "" {
		why = text[m[2]:m[3]]
	}
	return text[:m[0]] + "extract layer: " + why
}
