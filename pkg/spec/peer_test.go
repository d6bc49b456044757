package spec

import (
	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/idmap"
)

// testPeer knows "db" (ipc private), "shared" (ipc shareable) "mapped" (a user namespace) and nothing else.
func testPeer(name string) (*Peer, error) {
	switch name {
	case "db", "id-db":
		return &Peer{ID: "id-db", Config: &Config{
			Namespaces: Namespaces{IPC: Namespace{Mode: NSPrivate}},
			Mounts: []Mount{
				{Kind: MountVolume, Source: "data", Destination: "/data", Options: []string{"rbind", "rw", "rprivate", "nosuid", "nodev"}},
				{Kind: MountTmpfs, Destination: "/scratch", Options: []string{"rw"}},
				{Kind: MountVolume, Source: "anon", Destination: "/anon", Anonymous: true, Options: []string{"rbind", "rw"}},
			},
		}}, nil
	case "mapped", "id-mapped":
		m := idmap.Map{{HostID: 300000, Size: 500}}
		return &Peer{ID: "id-mapped", Config: &Config{
			Namespaces: Namespaces{IPC: Namespace{Mode: NSShareable}}, UserNS: UserNS{Mode: NSPrivate, UIDs: m, GIDs: m},
		}}, nil
	case "shared", "id-shared":
		return &Peer{ID: "id-shared", Config: &Config{Namespaces: Namespaces{IPC: Namespace{Mode: NSShareable}}}}, nil
	}
	return nil, errdefs.NotFound("container", name)
}
