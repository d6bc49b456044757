//go:build !lean

package image

import (
	"errors"
	"io/fs"
	"os"

	"go.podman.io/image/v5/signature"
	"go.podman.io/image/v5/types"

	"github.com/manager-project/manager/pkg/errdefs"
)

// policyContext reads policy.json. A machine without one accepts any image: that is what
// the policy.json of every distribution says, and a fresh machine must be able to pull.
// A file that exists and cannot be read or understood is an error, never a weaker policy.
func policyContext(sys *types.SystemContext) (*signature.PolicyContext, error) {
	policy, err := signature.DefaultPolicy(sys)
	if err != nil && sys.SignaturePolicyPath == "" && errors.Is(err, fs.ErrNotExist) && !anyPolicyFile() {
		policy, err = &signature.Policy{Default: signature.PolicyRequirements{signature.NewPRInsecureAcceptAnything()}}, nil
	}
	if err != nil {
		return nil, &errdefs.Error{Op: "read policy.json", Class: errdefs.ErrInvalid, Cause: err}
	}
	pc, err := signature.NewPolicyContext(policy)
	if err != nil {
		return nil, &errdefs.Error{Op: "use policy.json", Class: errdefs.ErrInvalid, Cause: err}
	}
	return pc, nil
}

// anyPolicyFile says whether one of the usual policy files exists, readable or not.
func anyPolicyFile() bool {
	paths := []string{"/etc/containers/policy.json", "/usr/share/containers/policy.json"}
	if dir, err := os.UserConfigDir(); err == nil {
		paths = append(paths, dir+"/containers/policy.json")
	}
	for _, p := range paths {
		if _, err := os.Lstat(p); !errors.Is(err, fs.ErrNotExist) {
			return true
		}
	}
	return false
}

// localPolicyContext is the policy for reading from the store: what is in it was
// admitted when it came, so nothing more is asked for.
func localPolicyContext() (*signature.PolicyContext, error) {
	return signature.NewPolicyContext(&signature.Policy{Default: signature.PolicyRequirements{signature.NewPRInsecureAcceptAnything()}})
}
