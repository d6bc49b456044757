package criu

import (
	"os"
)

// Kind is what is asked of criu.
type Kind int

// The requests in use, by their numbers in rpc.proto.
const (
	Dump    Kind = 1
	Restore Kind = 2
	PreDump Kind = 4
	notify  Kind = 6
	version Kind = 10
)

// CgroupsMode is what criu does with cgroups: see --manage-cgroups in criu(8).
type CgroupsMode int

// The modes, by their numbers in rpc.proto.
const (
	CgroupsIgnore CgroupsMode = 0
	CgroupsNone   CgroupsMode = 1
	CgroupsProps  CgroupsMode = 2
	CgroupsSoft   CgroupsMode = 3
	CgroupsFull   CgroupsMode = 4
	CgroupsStrict CgroupsMode = 5
)

// NetworkLock is a means of holding connections back.
type NetworkLock int

// NFTables does so without the program iptables (since criu 3.16), by its number in rpc.proto.
const NFTables NetworkLock = 2

// Options are those of a request. The zero value of a field leaves criu's default; names and meaning are
// those of criu(8). Files stay the caller's.
type Options struct {
	// Images is the directory of the images, Work that of logs and of what criu does not need again.
	Images, Work *os.File
	// PID is the root of the tree to dump.
	PID int
	// Root is the directory that becomes the root; it must be a mount point when restoring.
	Root string
	// LogFile is a name in Work; LogLevel goes from 1, errors, to 4, everything.
	LogFile  string
	LogLevel int

	LeaveRunning, ExtUnixSk, TCPEstablished, TCPClose, TCPSkipInFlight bool
	ShellJob, FileLocks, LinkRemap, LazyPages, AutoDedup, TrackMem     bool
	// Sibling makes the restored root the caller's child.
	Sibling bool
	// OrphanPtsMaster sends the master of a terminal that the tree has no other end of.
	OrphanPtsMaster bool
	// Parent is the directory of an earlier dump, relative to Images.
	Parent string
	// PageServer is where memory pages go, or nil.
	PageServer *PageServer
	// External names what is not criu's to dump or make: "mnt[KEY]:VALUE", "net[INODE]:KEY".
	External []string
	// Inherit gives descriptors to a restored tree in place of its own, by names like "pipe:[123]".
	Inherit []InheritFD
	// NetworkLock is how connections are held back meanwhile; 0 for criu's default, iptables.
	NetworkLock NetworkLock
	// CgroupMode is nil for criu's default.
	CgroupMode *CgroupsMode
	// CgroupRoots move cgroups: what was below the dumped root goes below Path.
	CgroupRoots []CgroupRoot
	// FreezeCgroup is the directory of a freezer that holds the tree, "" for none.
	FreezeCgroup string
	// EmptyNamespaces are CLONE_NEW flags of namespaces whose content is not dumped.
	EmptyNamespaces int
	// StatusFD gets a zero byte when criu is ready (page server and lazy pages), nil for none.
	StatusFD *os.File
	// LSMProfile is "apparmor:LABEL" or "selinux:LABEL"; LSMMountContext replaces context= of mounts.
	LSMProfile, LSMMountContext string
	// Hint is the next step that a failure names; "" is a look at the log.
	Hint string
	// ConfigFile is one of criu's own configuration files, "" for none.
	ConfigFile string
}

// PageServer is a listening "criu page-server".
type PageServer struct {
	Address string
	Port    int
}

// InheritFD is one descriptor.
type InheritFD struct {
	// Key is what the descriptor was at the time of the dump.
	Key  string
	File *os.File
}

// CgroupRoot moves the cgroups of one version 1 controller or, with Controller "", all.
type CgroupRoot struct{ Controller, Path string }

// socketFD is the worker's end of the socket; what is inherited follows it.
const socketFD = 3

// inherited are the files that the worker is started with. Directories and the status descriptor are not
// among them: CRIU opens those by their numbers in the caller (/proc/PID/fd/N).
func (o *Options) inherited() []*os.File {
	var files []*os.File
	for _, i := range o.Inherit {
		files = append(files, i.File)
	}
	return files
}

// encode is criu_req.
func (o *Options) encode(kind Kind) message {
	var m, opts message
	opts.number(1, int64(o.Images.Fd()))
	if o.Work != nil {
		opts.number(17, int64(o.Work.Fd()))
	}
	if o.StatusFD != nil {
		opts.number(49, int64(o.StatusFD.Fd()))
	}
	o.encodeFlags(&opts)
	o.encodeTexts(&opts)
	for n, i := range o.Inherit {
		var in message
		in.text(1, i.Key)
		in.number(2, int64(socketFD+1+n))
		opts.bytes(27, in)
	}
	for _, r := range o.CgroupRoots {
		var root message
		root.text(1, r.Controller)
		root.text(2, r.Path)
		opts.bytes(25, root)
	}
	if o.CgroupMode != nil {
		opts.number(24, 1)
		opts.number(34, int64(*o.CgroupMode))
	}
	if o.PageServer != nil {
		var ps message
		ps.text(1, o.PageServer.Address)
		ps.number(2, int64(o.PageServer.Port))
		opts.bytes(11, ps)
	}
	m.number(1, int64(kind))
	m.bytes(2, opts)
	return m
}

func (o *Options) encodeFlags(opts *message) {
	for _, f := range []struct {
		field int
		on    bool
	}{
		{3, o.LeaveRunning},
		{4, o.ExtUnixSk},
		{5, o.TCPEstablished},
		{6, true /* evasive devices */},
		{7, o.ShellJob},
		{8, o.FileLocks},
		{12, true /* notify */},
		{15, o.TrackMem},
		{16, o.AutoDedup},
		{18, o.LinkRemap},
		{26, o.Sibling},
		{46, o.TCPSkipInFlight},
		{48, o.LazyPages},
		{50, o.OrphanPtsMaster},
		{52, o.TCPClose},
	} {
		opts.flag(f.field, f.on)
	}
	for _, f := range []struct{ field, n int }{{2, o.PID}, {9, o.LogLevel}, {38, o.EmptyNamespaces}, {64, int(o.NetworkLock)}} {
		if f.n != 0 {
			opts.number(f.field, int64(f.n))
		}
	}
}

func (o *Options) encodeTexts(opts *message) {
	for _, f := range []struct {
		field int
		s     string
	}{
		{10, o.LogFile}, {13, o.Root}, {14, o.Parent}, {44, o.FreezeCgroup}, {51, o.ConfigFile}, {53, o.LSMProfile}, {63, o.LSMMountContext},
	} {
		opts.text(f.field, f.s)
	}
	for _, e := range o.External {
		opts.text(37, e)
	}
}

// answer is the request that answers a notification.
func answer(goOn bool) message {
	var m message
	m.number(1, int64(notify))
	m.number(3, map[bool]int64{true: 1}[goOn])
	return m
}
