package evil

import (
	"archive/tar"
	"fmt"
	"slices"
	"strings"
)

// Tree is an image with thousands of small files and everything that tends to get lost.
func Tree() Image {
	var e []Entry
	for i := range 40 {
		dir := fmt.Sprintf("data/%02d", i)
		e = append(e, Dir(dir, 0o755))
		for j := range 75 {
			f := File(fmt.Sprintf("%s/%03d", dir, j), strings.Repeat(fmt.Sprint(i*j), j%20), int64(0o600+j%64))
			f.Uid, f.Gid = i*1000, j*100000
			e = append(e, f)
		}
	}
	special := File("bin/ping", "elf", 0o4755)
	special.PAXRecords = map[string]string{
		"SCHILY.xattr.security.capability": "\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
		"SCHILY.xattr.user.note":           "a\x00b",
	}
	link := Hardlink("bin/ping6", "bin/ping")
	link.Mode = special.Mode // extraction sets a hard link's mode on the file
	sticky := Dir("tmp", 0o1777)
	e = append(e, Dir("bin", 0o755), special, link, sticky,
		Device("dev-null", tar.TypeChar, 1, 3), Device("dev-loop", tar.TypeBlock, 7, 0),
		Entry{Header: tar.Header{Typeflag: tar.TypeFifo, Name: "pipe", Mode: 0o620}},
		Symlink("absolute", "/bin/ping"), Symlink("dangling", "no/such"),
		File("odd/ space and\ttab\nnewline", "1", 0o644), File("odd/\xff\xfe not UTF-8", "2", 0o644),
		File("odd/ünïcödé-名前", "3", 0o644), File("odd/-dash", "4", 0o644), File("odd/back\\slash:colon", "5", 0o644),
		File("odd/"+strings.Repeat("n", 255), "6", 0o644), File("sg", "7", 0o2755), File("empty", "", 0o000))
	upper := Layer(File("data/00/.wh.001", "", 0o644), Dir("data/01", 0o700), File("data/01/.wh..wh..opq", "", 0o644), File("data/01/new", "n", 0o644))
	return Image{Name: "localhost/tree:1", Layers: [][]byte{Layer(e...), upper}}
}

// Difference lists the lines that only one of two texts has.
func Difference(a, b string) string {
	la, lb := strings.Split(a, "\n"), strings.Split(b, "\n")
	var out []string
	for _, l := range la {
		if !slices.Contains(lb, l) {
			out = append(out, "- "+l)
		}
	}
	for _, l := range lb {
		if !slices.Contains(la, l) {
			out = append(out, "+ "+l)
		}
		if len(out) > 20 {
			break
		}
	}
	return strings.Join(out, "\n")
}
