package spec

import (
	"strconv"
	"strings"

	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/idmap"
)

// UserNS is the container's user namespace. The zero value is that of the engine: the host's, or a user's own.
type UserNS struct {
	// Mode is NSPrivate (keep-id, nomap, auto and explicit maps too), NSContainer, NSPath, or "" for none.
	Mode NamespaceMode `json:"mode,omitempty"`
	// Target is a container's full id or an absolute path.
	Target string `json:"target,omitempty"`
	// UIDs and GIDs are the maps, of a namespace that is joined too. They are relative to the engine's namespace.
	UIDs idmap.Map `json:"uids,omitempty"`
	GIDs idmap.Map `json:"gids,omitempty"`
	// Auto says that the maps are found when the container is made.
	Auto *AutoUserNS `json:"auto,omitempty"`
	// KeepID says that the caller has an id inside, which the container's user is to be called by.
	KeepID bool `json:"keep_id,omitempty"`
}

// AutoUserNS is what --userns=auto asks for.
type AutoUserNS struct {
	// Size is how many ids there are to be; 0 goes by the image.
	Size uint32 `json:"size,omitempty"`
	// Least is how many there have to be for the container's user.
	Least uint32 `json:"least,omitempty"`
	// UIDs and GIDs have to be in the maps.
	UIDs idmap.Map `json:"uids,omitempty"`
	GIDs idmap.Map `json:"gids,omitempty"`
}

// Own says that the container is not in the engine's user namespace.
func (u *UserNS) Own() bool { return u.Mode != "" }

// Shifts says that the ids of files differ between the container and the engine.
func (u *UserNS) Shifts() bool { return u.Own() && !(u.UIDs.Identity() && u.GIDs.Identity()) }

// HostIDs are the ids outside of the container's.
func (u *UserNS) HostIDs(uid, gid uint32) (int, int) {
	if u.Own() {
		uid, gid = u.UIDs.Owner(uid), u.GIDs.Owner(gid)
	}
	return int(uid), int(gid)
}

const usernsHint = "write host, private, keep-id[:uid=N,gid=N,size=N], auto[:size=N,uidmapping=C:H:N,gidmapping=C:H:N], nomap, container:NAME or ns:/PATH"

// userns settles the user namespace. What is given on the command line wins over PODMAN_USERNS, and that over
// containers.conf. Source: podman-run(1), --userns.
func (d *decider) userns() error {
	if err := d.userNS(); err != nil {
		return err
	}
	if m := d.cfg.Rootfs.IDMap; m != nil && m.AsContainer && !d.cfg.UserNS.Own() {
		return errdefs.Invalid("--rootfs", d.req.Image, "idmap without a mapping follows the container's user namespace, and it has none").
			WithHint("add --userns=auto, keep-id or --uidmap, or write idmap=uids=FROM-TO-COUNT;gids=FROM-TO-COUNT")
	}
	return nil
}

func (d *decider) userNS() error {
	n := &d.req.Namespace
	if option, value := n.mapOption(); option != "" {
		switch n.UserNS {
		case "", "private":
			return d.mapped(n)
		}
		return errdefs.Invalid(option, value, "--userns=%s brings a map of its own", n.UserNS).WithHint("give one of the two")
	}
	word := n.UserNS
	if word == "" && !d.req.Given("userns") {
		word, _ = d.host.lookupEnv("PODMAN_USERNS")
		if word == "" {
			word = d.def.UserNS
		}
	}
	mode, rest, has := strings.Cut(word, ":")
	switch mode {
	case "", "host", "private", "nomap":
		if has {
			return errdefs.Invalid("--userns", word, "%s takes nothing after ':'", mode).WithHint(usernsHint)
		}
	}
	switch mode {
	case "", "host":
		return nil
	case "private":
		return d.privateUserNS()
	case "keep-id":
		return d.keepID(word, rest)
	case "nomap":
		return d.noMap(word)
	case "auto":
		return d.autoUserNS(word, rest)
	case "container", "ns":
		return d.joinUserNS(word)
	}
	return errdefs.Invalid("--userns", word, "unknown mode").WithHint(usernsHint)
}

// mapOption names an option that was given and describes maps, or "".
func (n *NamespaceRequest) mapOption() (option, value string) {
	switch {
	case len(n.UIDMap) > 0:
		return "--uidmap", strings.Join(n.UIDMap, ",")
	case len(n.GIDMap) > 0:
		return "--gidmap", strings.Join(n.GIDMap, ",")
	case n.SubUIDName != "":
		return "--subuidname", n.SubUIDName
	case n.SubGIDName != "":
		return "--subgidname", n.SubGIDName
	}
	return "", ""
}

// setMaps gives the container a namespace of its own, within the engine's.
func (d *decider) setMaps(uids, gids idmap.Map) error {
	ownUIDs, ownGIDs, err := d.ownIDs()
	if err != nil {
		return err
	}
	u := &d.cfg.UserNS
	u.Mode, u.UIDs, u.GIDs = NSPrivate, uids.Fit(ownUIDs), gids.Fit(ownGIDs)
	for _, m := range []idmap.Map{u.UIDs, u.GIDs} {
		if err := m.Check(); err != nil {
			return errdefs.Invalid("--userns", "", "%w", err).WithHint("map fewer ranges")
		}
	}
	return nil
}

// ownIDs are the ids that can be mapped.
func (d *decider) ownIDs() (uids, gids idmap.Map, err error) {
	if d.host.OwnIDs == nil {
		all := idmap.Map{{Size: 1<<32 - 1}}
		return all, all, nil
	}
	return d.host.OwnIDs()
}

// privateUserNS is a namespace without a word on what is in it: for a user his ids, as they are.
func (d *decider) privateUserNS() error {
	if !d.host.Rootless {
		return errdefs.Invalid("--userns", "private", "nothing says which ids are to be in it").
			WithHint("add --uidmap and --gidmap, or --subuidname, or write --userns=auto")
	}
	uids, gids, err := d.ownIDs()
	if err != nil {
		return err
	}
	return d.setMaps(same(uids), same(gids))
}

// same maps all ids of a namespace to themselves.
func same(own idmap.Map) idmap.Map {
	var m idmap.Map
	for _, r := range own {
		r.HostID = r.ContainerID
		m = append(m, r)
	}
	return m
}

// mapped is a namespace by --uidmap and --gidmap, or by the ranges of a name.
func (d *decider) mapped(n *NamespaceRequest) error {
	ownUIDs, ownGIDs, err := d.ownIDs()
	if err != nil {
		return err
	}
	var uids, gids idmap.Map
	if n.SubUIDName != "" || n.SubGIDName != "" {
		if len(n.UIDMap)+len(n.GIDMap) > 0 {
			option, value := n.mapOption()
			return errdefs.Invalid(option, value, "--subuidname and --subgidname bring a map of their own").WithHint("give one of the two")
		}
		if uids, err = d.subids("--subuidname", idmap.UIDs, n.SubUIDName, n.SubGIDName, ownUIDs); err != nil {
			return err
		}
		if gids, err = d.subids("--subgidname", idmap.GIDs, n.SubGIDName, n.SubUIDName, ownGIDs); err != nil {
			return err
		}
	} else {
		if uids, err = d.buildMap(idmap.UIDs, n.UIDMap, n.GIDMap, ownUIDs); err != nil {
			return err
		}
		if gids, err = d.buildMap(idmap.GIDs, n.GIDMap, n.UIDMap, ownGIDs); err != nil {
			return err
		}
	}
	return d.setMaps(uids, gids)
}

// buildMap makes one map. Without words of its own it takes those of the other option that are meant for both.
func (d *decider) buildMap(kind idmap.Kind, words, others []string, own idmap.Map) (idmap.Map, error) {
	option := "--uidmap"
	if kind == idmap.GIDs {
		option = "--gidmap"
	}
	const hint = "write INSIDE:OUTSIDE[:COUNT], as 0:100000:65536; before INSIDE + extends what was mapped, u and g are for one kind of ids; @ before OUTSIDE is an id of the host"
	borrowed := len(words) == 0
	if borrowed {
		words = others
	}
	var list []idmap.Entry
	for _, word := range words {
		e, err := idmap.ParseEntry(word)
		switch {
		case err != nil && borrowed:
			return nil, errdefs.Invalid(otherOption(option), word, "%w", err).WithHint(hint)
		case err != nil:
			return nil, errdefs.Invalid(option, word, "%w", err).WithHint(hint)
		case e.For(kind):
			list = append(list, e)
		case !borrowed && len(others) > 0:
			return nil, errdefs.Invalid(option, word, "its flag is for the other kind of ids, which %s gives", otherOption(option)).WithHint("leave the flag out, or give the value with the other option")
		}
	}
	if len(list) == 0 {
		if !d.host.Rootless {
			return nil, errdefs.Invalid(option, strings.Join(words, ","), "no map is left for this kind of ids").WithHint(hint)
		}
		return same(own), nil // as without an option: all of the user's
	}
	m, err := idmap.Build(list, own, d.host.Rootless)
	if err != nil {
		return nil, errdefs.Invalid(option, strings.Join(words, ","), "%w", err).WithHint("%s", d.mapHint(hint))
	}
	return m, nil
}

func otherOption(option string) string {
	if option == "--uidmap" {
		return "--gidmap"
	}
	return "--uidmap"
}

// mapHint says more to a user, whose outer ids are not the host's.
func (d *decider) mapHint(hint string) string {
	if d.host.Rootless {
		return hint + "; without it 0 is your own id and those from 1 on are your subordinate ones (\"manager unshare cat /proc/self/uid_map\")"
	}
	return hint
}

// subids is the map by the subordinate ids of a name.
func (d *decider) subids(option string, kind idmap.Kind, name, other string, own idmap.Map) (idmap.Map, error) {
	if name == "" {
		name = other
	}
	file := "/etc/subuid"
	if kind == idmap.GIDs {
		file = "/etc/subgid"
	}
	if d.host.Subids == nil {
		return nil, errdefs.Unsupported(option, "%s cannot be read here", file)
	}
	spans, err := d.host.Subids(kind, name)
	if err != nil {
		return nil, err
	}
	if len(spans) == 0 {
		return nil, errdefs.Invalid(option, name, "%s has no line for this name", file).WithHint("add one as root: usermod --add-sub%ss 100000-165535 %s", kind, name)
	}
	m, ok := idmap.Sequence(spans).Through(own.Inverse())
	if !ok {
		return nil, errdefs.Invalid(option, name, "these ids are not yours to map").WithHint("leave the option out; --userns=auto or keep-id use your own subordinate ids")
	}
	return m, nil
}

// keepID gives the caller his own id inside, or the one that is asked for.
func (d *decider) keepID(word, options string) error {
	uid, gid, size := d.host.UID, d.host.GID, uint32(0)
	err := eachOption(options, func(key, value string) error {
		to := map[string]*uint32{"uid": &uid, "gid": &gid, "size": &size}[key]
		if to == nil {
			return errdefs.Invalid("--userns", word, "keep-id has no option %q", key).WithHint("write keep-id:uid=N,gid=N,size=N")
		}
		n, err := strconv.ParseUint(value, 10, 32)
		if err != nil || n >= 1<<32-1 || n == 0 && key == "size" {
			return errdefs.Invalid("--userns", word, "%s=%s is not a number that can be used here", key, value).WithHint("write keep-id:uid=N,gid=N,size=N")
		}
		*to = uint32(n)
		return nil
	})
	if err != nil {
		return err
	}
	uids, gids, err := d.ownIDs()
	if err != nil {
		return err
	}
	if !d.host.Rootless {
		if options != "" {
			return errdefs.Invalid("--userns", word, "root's own id is 0 in every map, and all ids are in it").WithHint("write keep-id alone, or give the map with --uidmap and --gidmap")
		}
		d.keepUser(0, 0)
		return d.setMaps(same(uids), same(gids))
	}
	u, err := idmap.KeepID(uid, uids, size)
	if err == nil {
		uids = u
		gids, err = idmap.KeepID(gid, gids, size)
	}
	if err != nil {
		return errdefs.Invalid("--userns", word, "%w", err).WithHint("give a smaller size, or more subordinate ids: \"usermod --add-subuids FIRST-LAST --add-subgids FIRST-LAST USER\" as root, then \"manager system migrate\"")
	}
	d.cfg.UserNS.KeepID = true
	d.keepUser(uid, gid)
	return d.setMaps(uids, gids)
}

// keepUser makes the caller the container's user, unless another is named.
func (d *decider) keepUser(uid, gid uint32) {
	if d.req.Process.User == "" {
		d.cfg.Process.User = strconv.FormatUint(uint64(uid), 10) + ":" + strconv.FormatUint(uint64(gid), 10)
	}
}

// noMap leaves the caller himself out.
func (d *decider) noMap(word string) error {
	if !d.host.Rootless {
		return errdefs.Invalid("--userns", word, "it leaves the caller's own id out, which is for users").WithHint("as root, write --userns=auto")
	}
	uids, gids, err := d.ownIDs()
	if err != nil {
		return err
	}
	u, g := idmap.NoMap(uids), idmap.NoMap(gids)
	if len(u) == 0 || len(g) == 0 {
		return errdefs.Invalid("--userns", word, "you have no subordinate ids, so nothing would be left").
			WithHint("add some as root: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER, then \"manager system migrate\"")
	}
	return d.setMaps(u, g)
}

// autoUserNS notes what is wanted; which ids are free is known when the container is made.
func (d *decider) autoUserNS(word, options string) error {
	const hint = "write auto:size=N,uidmapping=INSIDE:OUTSIDE:N,gidmapping=INSIDE:OUTSIDE:N"
	ownUIDs, ownGIDs, err := d.ownIDs()
	if err != nil {
		return err
	}
	a := &AutoUserNS{}
	var uids, gids []idmap.Entry
	err = eachOption(options, func(key, value string) error {
		switch key {
		case "size":
			n, err := strconv.ParseUint(value, 10, 32)
			if err != nil || n == 0 || n >= 1<<32-1 {
				return errdefs.Invalid("--userns", word, "size=%s is not a number of ids", value).WithHint(hint)
			}
			a.Size = uint32(n)
			return nil
		case "uidmapping", "gidmapping":
			e, err := idmap.ParseEntry(value)
			if err == nil && (e.Extends || e.OnlyUIDs || e.OnlyGIDs) {
				err = errdefs.New(errdefs.ErrInvalid, "", "", "flags have no meaning here")
			}
			if err != nil {
				return errdefs.Invalid("--userns", word, "%s=%s: %w", key, value, err).WithHint(hint)
			}
			if key == "uidmapping" {
				uids = append(uids, e)
			} else {
				gids = append(gids, e)
			}
			return nil
		}
		return errdefs.Invalid("--userns", word, "auto has no option %q", key).WithHint(hint)
	})
	if err != nil {
		return err
	}
	if a.UIDs, err = idmap.Build(uids, ownUIDs, false); err == nil {
		a.GIDs, err = idmap.Build(gids, ownGIDs, false)
	}
	if err != nil {
		return errdefs.Invalid("--userns", word, "%w", err).WithHint(hint)
	}
	for _, part := range strings.SplitN(d.cfg.Process.User, ":", 2) {
		if n, err := strconv.ParseUint(part, 10, 31); err == nil {
			a.Least = max(a.Least, uint32(n)+1)
		}
	}
	d.cfg.UserNS = UserNS{Mode: NSPrivate, Auto: a}
	return nil
}

// eachOption reads KEY=VALUE,…
func eachOption(words string, visit func(key, value string) error) error {
	for _, word := range splitNonEmpty(words, ",") {
		key, value, _ := strings.Cut(word, "=")
		if err := visit(key, value); err != nil {
			return err
		}
	}
	return nil
}

// joinUserNS takes another container's namespace, or one of a file.
func (d *decider) joinUserNS(word string) error {
	ns, err := d.namespace("--userns", word, "host private keep-id auto nomap container ns")
	if err != nil {
		return err
	}
	u := &d.cfg.UserNS
	if ns.Mode == NSContainer {
		p, err := d.peer("--userns", ns.Target)
		if err != nil || !p.Config.UserNS.Own() {
			return err // that one is where we are
		}
		u.UIDs, u.GIDs = p.Config.UserNS.UIDs, p.Config.UserNS.GIDs
	} else if d.host.NamespaceIDs != nil {
		if u.UIDs, u.GIDs, err = d.host.NamespaceIDs(ns.Target); err != nil {
			return errdefs.Invalid("--userns", word, "%w", err).WithHint("name the user namespace of a process that runs, as ns:/proc/PID/ns/user")
		}
	}
	u.Mode, u.Target = ns.Mode, ns.Target
	return nil
}
