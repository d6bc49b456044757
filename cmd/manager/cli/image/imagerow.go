package image

import (
	"strings"
	"time"

	"github.com/manager-project/manager/cmd/manager/cli/render"
	"github.com/manager-project/manager/libpod/image"
)

// imageRow is a row of images: an image under one of its names.
type imageRow struct {
	// Repository and Tag are the name's parts, "<none>" for an image without.
	Repository string
	Tag        string

	s    *image.Summary
	full bool
	now  time.Time
}

var imageHeadings = map[string]string{
	"ID": "IMAGE ID", "CreatedSince": "CREATED", "CreatedAt": "CREATED AT", "ReadOnly": "R/O",
	"VirtualSize": "VIRTUAL SIZE", "ParentId": "PARENT ID",
}

const none = "<none>"

func rowsOf(summaries []image.Summary, o listOptions, now time.Time) []imageRow {
	var rows []imageRow
	for i := range summaries {
		s := &summaries[i]
		names := s.Names
		if len(names) == 0 {
			names = []string{""}
		}
		for _, n := range names {
			repository, tag := splitName(n)
			rows = append(rows, imageRow{Repository: repository, Tag: tag, s: s, full: o.noTrunc, now: now})
		}
	}
	return rows
}

// splitName cuts "repository:tag"; a name with a digest has no tag.
func splitName(name string) (repository, tag string) {
	if name == "" {
		return none, none
	}
	if at := strings.IndexByte(name, '@'); at >= 0 {
		return name[:at], none
	}
	if colon := strings.LastIndexByte(name, ':'); colon > strings.LastIndexByte(name, '/') {
		return name[:colon], name[colon+1:]
	}
	return name, none
}

func (r imageRow) ID() string {
	if r.full {
		return "sha256:" + r.s.ID
	}
	return render.ID(r.s.ID, false)
}
func (r imageRow) Id() string           { return r.s.ID }       //nolint:revive // Podman's field name
func (r imageRow) ParentId() string     { return r.s.ParentID } //nolint:revive // as above
func (r imageRow) Created() string      { return render.Age(r.s.Created, r.now) }
func (r imageRow) CreatedSince() string { return r.Created() }
func (r imageRow) CreatedAt() string    { return r.s.Created.String() }
func (r imageRow) CreatedTime() string  { return r.CreatedAt() }
func (r imageRow) Size() string         { return render.SpacedSize(r.s.Size) }
func (r imageRow) VirtualSize() string  { return r.Size() }
func (r imageRow) SharedSize() string   { return "0 B" }
func (r imageRow) Digest() string {
	if r.s.Image.Digest == "" {
		return none
	}
	return r.s.Image.Digest.String()
}
func (r imageRow) Digests() []string         { return r.s.RepoDigests }
func (r imageRow) RepoDigests() []string     { return r.s.RepoDigests }
func (r imageRow) RepoTags() []string        { return r.s.Names }
func (r imageRow) Names() []string           { return r.s.Names }
func (r imageRow) Labels() map[string]string { return r.s.Labels }
func (r imageRow) Containers() int           { return r.s.Containers }
func (r imageRow) ReadOnly() bool            { return r.s.Image.ReadOnly }
func (r imageRow) Dangling() bool            { return r.s.Dangling }
func (r imageRow) Os() string                { return r.s.OS } //nolint:revive // Podman's field name
func (r imageRow) Arch() string              { return r.s.Arch }
func (r imageRow) History() string           { return strings.Join(r.s.NamesHistory, ", ") }

// imageJSON is one image of images --format json.
type imageJSON struct {
	ID          string `json:"Id"`
	ParentID    string `json:"ParentId"`
	RepoTags    []string
	RepoDigests []string
	Size        int64
	SharedSize  int64
	VirtualSize int64
	Labels      map[string]string
	Containers  int
	ReadOnly    bool `json:",omitempty"`
	Dangling    bool `json:",omitempty"`
	Arch        string
	Digest      string
	History     []string
	Names       []string
	Os          string
	Created     int64
	CreatedAt   string
	Repository  string
	Tag         string
}

func jsonOf(s *image.Summary) imageJSON {
	j := imageJSON{
		ID: s.ID, ParentID: s.ParentID, RepoTags: s.Names, RepoDigests: orEmpty(s.RepoDigests), Size: s.Size,
		VirtualSize: s.Size, Labels: s.Labels, Containers: s.Containers, ReadOnly: s.Image.ReadOnly, Dangling: s.Dangling,
		Arch: s.Arch, Os: s.OS, Digest: s.Image.Digest.String(), History: orEmpty(s.NamesHistory), Names: orEmpty(s.Names),
		Created: s.Created.Unix(), CreatedAt: s.Created.UTC().Format(time.RFC3339Nano),
	}
	if len(s.Names) > 0 {
		j.Repository, j.Tag = splitName(s.Names[0])
	}
	return j
}

func orEmpty(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}
