package spec

// Request is a create or run as the user worded it. Every field holds the words of the
// option of the same name, unparsed unless the option is a plain number or switch; the
// zero value means that the option was not given. Changed tells apart an option given
// with its zero value. Options that an issue of their own brings (pods, bridged networks and ports, secrets, checkpoint) have no field.
type Request struct {
	// Image is the image's name or id, or with Rootfs a directory.
	Image string
	// Command replaces the image's command.
	Command []string
	// CreateCommand is the whole command line, kept for inspect.
	CreateCommand []string
	// Changed holds the names of the options that were given.
	Changed map[string]bool

	Process   ProcessRequest
	Mounts    MountRequest
	Net       NetRequest
	Namespace NamespaceRequest
	Limits    LimitRequest
	Security  SecurityRequest
	Life      LifeRequest
	Log       LogRequest
	Health    HealthRequest
}

// Given reports whether the option was on the command line.
func (r *Request) Given(option string) bool { return r.Changed[option] }

// ProcessRequest is about the first process.
type ProcessRequest struct {
	Entrypoint  *string  // --entrypoint: a string or a JSON array; "" clears the image's
	Env         []string // --env K=V, K (from the host), K* (prefix, from the host)
	EnvFile     []string // --env-file
	EnvHost     bool     // --env-host
	EnvMerge    []string // --env-merge K=V${K}
	UnsetEnv    []string // --unsetenv
	UnsetEnvAll bool     // --unsetenv-all
	HTTPProxy   bool     // --http-proxy, default true
	Workdir     string   // --workdir
	User        string   // --user
	GroupAdd    []string // --group-add
	Umask       string   // --umask, octal
	TTY         bool     // --tty
	Interactive bool     // --interactive
	Init        bool     // --init
	InitPath    string   // --init-path
	PreserveFDs uint     // --preserve-fds: 3 … 3+N-1
	PreserveFD  []uint   // --preserve-fd: single descriptors
	TZ          string   // --tz
	Hostname    string   // --hostname
	Passwd      bool     // --passwd, default true
	PasswdEntry string   // --passwd-entry
	GroupEntry  string   // --group-entry
	Personality string   // --personality
	OOMScoreAdj *int     // --oom-score-adj
	Systemd     string   // --systemd true|false|always; "" is true
	SdNotify    string   // --sdnotify
	HostUser    []string // --hostuser
}

// MountRequest is about files.
type MountRequest struct {
	Volume        []string // --volume
	Mount         []string // --mount
	Tmpfs         []string // --tmpfs
	VolumesFrom   []string // --volumes-from
	ImageVolume   string   // --image-volume anonymous|tmpfs|ignore
	ReadOnly      bool     // --read-only
	ReadOnlyTmpfs bool     // --read-only-tmpfs, default true
	ShmSize       string   // --shm-size
	ShmSystemd    string   // --shm-size-systemd
	Rootfs        bool     // --rootfs: Image is a directory
	ChrootDirs    []string // --chrootdirs
}

// NetRequest is about the network namespace and name resolution.
type NetRequest struct {
	Network    []string // --network none|host|private|pasta[:…]|slirp4netns[:…]|builtin|container:ID|ns:PATH
	Publish    []string // --publish [[IP:][PORT]:]PORT[/PROTOCOL]
	PublishAll bool     // --publish-all
	DNS        []string // --dns
	DNSOption  []string // --dns-option
	DNSSearch  []string // --dns-search
	AddHost    []string // --add-host NAME[;NAME…]:IP
	HostsFile  string   // --hosts-file
	NoHosts    bool     // --no-hosts
	NoHostname bool     // --no-hostname
	Expose     []string // --expose
}

// NamespaceRequest is about the other namespaces.
type NamespaceRequest struct {
	IPC      string // --ipc
	PID      string // --pid
	UTS      string // --uts
	CgroupNS string // --cgroupns

	UserNS     string   // --userns
	UIDMap     []string // --uidmap
	GIDMap     []string // --gidmap
	SubUIDName string   // --subuidname
	SubGIDName string   // --subgidname
}

// LimitRequest is about resources.
type LimitRequest struct {
	CgroupParent      string   // --cgroup-parent
	Cgroups           string   // --cgroups enabled|disabled|no-conmon|split
	CgroupConf        []string // --cgroup-conf KEY=VALUE (v2)
	BlkioWeight       string   // --blkio-weight
	BlkioWeightDevice []string // --blkio-weight-device
	CPUPeriod         uint64   // --cpu-period, microseconds
	CPUQuota          int64    // --cpu-quota, microseconds
	CPURTPeriod       uint64   // --cpu-rt-period, microseconds
	CPURTRuntime      int64    // --cpu-rt-runtime, microseconds
	CPUShares         uint64   // --cpu-shares
	CPUs              float64  // --cpus
	CpusetCPUs        string   // --cpuset-cpus
	CpusetMems        string   // --cpuset-mems
	DeviceReadBPS     []string // --device-read-bps PATH:RATE
	DeviceReadIOPS    []string // --device-read-iops
	DeviceWriteBPS    []string // --device-write-bps
	DeviceWriteIOPS   []string // --device-write-iops
	Memory            string   // --memory
	MemoryReservation string   // --memory-reservation
	MemorySwap        string   // --memory-swap
	MemorySwappiness  int64    // --memory-swappiness, -1 unset
	OOMKillDisable    bool     // --oom-kill-disable
	PidsLimit         *int64   // --pids-limit
	Ulimit            []string // --ulimit
	RdtClass          string   // --rdt-class
}

// SecurityRequest is about what the process may do.
type SecurityRequest struct {
	Privileged       bool     // --privileged
	CapAdd           []string // --cap-add
	CapDrop          []string // --cap-drop
	SecurityOpt      []string // --security-opt
	SeccompPolicy    string   // --seccomp-policy default|image
	Device           []string // --device
	DeviceCgroupRule []string // --device-cgroup-rule
	GPUs             []string // --gpus
	Sysctl           []string // --sysctl
}

// LifeRequest is about name, start, stop and removal.
type LifeRequest struct {
	Name        string   // --name
	Replace     bool     // --replace
	Remove      bool     // --rm
	RemoveImage bool     // --rmi
	Detach      bool     // --detach
	Attach      []string // --attach
	DetachKeys  *string  // --detach-keys
	SigProxy    bool     // --sig-proxy
	StopSignal  string   // --stop-signal
	StopTimeout *uint    // --stop-timeout, seconds
	Timeout     uint     // --timeout, seconds
	CIDFile     string   // --cidfile
	PIDFile     string   // --pidfile
	Label       []string // --label
	LabelFile   []string // --label-file
	Annotation  []string // --annotation
	Requires    []string // --requires
	Restart     string   // --restart POLICY[:N]
	Pull        string   // --pull always|missing|never|newer
	Platform    string   // --platform OS/ARCH[/VARIANT]
	Arch        string   // --arch
	OS          string   // --os
	Variant     string   // --variant
	Quiet       bool     // --quiet
	AuthFile    string   // --authfile
	Creds       string   // --creds
	CertDir     string   // --cert-dir
	TLSVerify   *bool    // --tls-verify
	Retry       uint     // --retry
	RetryDelay  string   // --retry-delay
}

// LogRequest is about the container's log.
type LogRequest struct {
	Driver string   // --log-driver
	Opt    []string // --log-opt KEY=VALUE: path, max-size, max-file, tag, label
}

// HealthRequest is about the container's health. Durations are Go's.
type HealthRequest struct {
	None            bool   // --no-healthcheck
	Cmd             string // --health-cmd
	Interval        string // --health-interval, or disable
	Timeout         string // --health-timeout
	StartPeriod     string // --health-start-period
	Retries         *uint  // --health-retries
	StartupCmd      string // --health-startup-cmd
	StartupInterval string // --health-startup-interval
	StartupTimeout  string // --health-startup-timeout
	StartupRetries  *uint  // --health-startup-retries
	StartupSuccess  *uint  // --health-startup-success
	OnFailure       string // --health-on-failure none|kill|stop|restart
	LogDestination  string // --health-log-destination local|DIRECTORY|events_logger
	MaxLogCount     *uint  // --health-max-log-count
	MaxLogSize      *uint  // --health-max-log-size, bytes
}
