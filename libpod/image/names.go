package image

import "strings"

// localDomain is the registry part of names that belong to no registry.
const localDomain = "localhost"

// normalName makes a full name out of what a user or an archive calls an image: without a
// registry it belongs to localhost, without tag and digest it is the latest.
func normalName(name string) (fullName, error) {
	full, err := parseFullName(name)
	if err != nil {
		return fullName{}, invalidName(name, err)
	}
	if !hasRegistry(name) {
		if full, err = parseFullName(localDomain + "/" + name); err != nil {
			return fullName{}, invalidName(name, err)
		}
	}
	return full.stored(), nil
}

// hasRegistry says whether the first part of a name is a registry: it has a dot or a
// port, or is "localhost". Source: distribution reference grammar, "domain".
func hasRegistry(name string) bool {
	first, _, ok := strings.Cut(name, "/")
	return ok && isRegistry(first)
}

// repository is a full name without tag and digest.
func repository(name string) string {
	full, err := parseFullName(name)
	if err != nil {
		return name
	}
	return full.repository()
}

// SplitName cuts a full name into repository and tag, as lists show them. Without a tag
// the second is "<none>".
func SplitName(name string) (repo, tag string) {
	full, err := parseFullName(name)
	if err != nil {
		return name, "<none>"
	}
	if full.tag == "" {
		return full.repository(), "<none>"
	}
	return full.repository(), full.tag
}
