package libpod

import "time"

// InspectConfig is what the container was made with, apart from the host.
type InspectConfig struct {
	Hostname     string              `json:"Hostname"`
	Domainname   string              `json:"Domainname"`
	User         string              `json:"User"`
	AttachStdin  bool                `json:"AttachStdin"`
	AttachStdout bool                `json:"AttachStdout"`
	AttachStderr bool                `json:"AttachStderr"`
	Tty          bool                `json:"Tty"`
	OpenStdin    bool                `json:"OpenStdin"`
	StdinOnce    bool                `json:"StdinOnce"`
	Env          []string            `json:"Env"`
	Cmd          []string            `json:"Cmd"`
	Image        string              `json:"Image"`
	Volumes      map[string]struct{} `json:"Volumes"`
	WorkingDir   string              `json:"WorkingDir"`
	Entrypoint   []string            `json:"Entrypoint"`
	OnBuild      *string             `json:"OnBuild"`
	Labels       map[string]string   `json:"Labels"`
	Annotations  map[string]string   `json:"Annotations"`
	StopSignal   string              `json:"StopSignal"`
	// Healthcheck and StartupHealthCheck are absent without one; what follows then has the options' defaults.
	Healthcheck                *InspectHealthcheck        `json:"Healthcheck,omitempty"`
	StartupHealthCheck         *InspectStartupHealthcheck `json:"StartupHealthCheck,omitempty"`
	HealthcheckOnFailureAction string                     `json:"HealthcheckOnFailureAction,omitempty"`
	HealthLogDestination       string                     `json:"HealthLogDestination,omitempty"`
	HealthcheckMaxLogCount     uint                       `json:"HealthcheckMaxLogCount,omitempty"`
	HealthcheckMaxLogSize      uint                       `json:"HealthcheckMaxLogSize,omitempty"`
	CreateCommand              []string                   `json:"CreateCommand,omitempty"`
	Timezone                   string                     `json:"Timezone,omitempty"`
	Umask                      string                     `json:"Umask,omitempty"`
	// Timeout ends the container that many seconds after its start; StopTimeout is what stop waits.
	Timeout      uint   `json:"Timeout"`
	StopTimeout  uint   `json:"StopTimeout"`
	Passwd       *bool  `json:"Passwd,omitempty"`
	SdNotifyMode string `json:"sdNotifyMode,omitempty"`
}

// InspectHealthcheck is a check as Docker's image specification words it, durations in nanoseconds.
type InspectHealthcheck struct {
	Test          []string      `json:"Test,omitempty"`
	StartPeriod   time.Duration `json:"StartPeriod,omitempty"`
	StartInterval time.Duration `json:"StartInterval,omitempty"`
	Interval      time.Duration `json:"Interval,omitempty"`
	Timeout       time.Duration `json:"Timeout,omitempty"`
	Retries       uint          `json:"Retries,omitempty"`
}

// InspectStartupHealthcheck is the check that comes before it.
type InspectStartupHealthcheck struct {
	InspectHealthcheck
	// Successes is how often it has to succeed.
	Successes uint `json:"Successes,omitempty"`
}

// InspectHostConfig is what the container was made with that concerns the host.
type InspectHostConfig struct {
	Binds                []string                 `json:"Binds"`
	CgroupManager        string                   `json:"CgroupManager,omitempty"`
	CgroupMode           string                   `json:"CgroupMode"`
	ContainerIDFile      string                   `json:"ContainerIDFile"`
	LogConfig            InspectLog               `json:"LogConfig"`
	NetworkMode          string                   `json:"NetworkMode"`
	PortBindings         map[string][]InspectPort `json:"PortBindings"`
	RestartPolicy        InspectRestart           `json:"RestartPolicy"`
	AutoRemove           bool                     `json:"AutoRemove"`
	AutoRemoveImage      bool                     `json:"AutoRemoveImage"`
	Annotations          map[string]string        `json:"Annotations"`
	VolumeDriver         string                   `json:"VolumeDriver"`
	VolumesFrom          []string                 `json:"VolumesFrom"`
	CapAdd               []string                 `json:"CapAdd"`
	CapDrop              []string                 `json:"CapDrop"`
	DNS                  []string                 `json:"Dns"`
	DNSOptions           []string                 `json:"DnsOptions"`
	DNSSearch            []string                 `json:"DnsSearch"`
	ExtraHosts           []string                 `json:"ExtraHosts"`
	HostsFile            string                   `json:"HostsFile"`
	GroupAdd             []string                 `json:"GroupAdd"`
	IpcMode              string                   `json:"IpcMode"`
	Cgroup               string                   `json:"Cgroup"`
	Cgroups              string                   `json:"Cgroups"`
	Links                []string                 `json:"Links"`
	OomScoreAdj          int                      `json:"OomScoreAdj"`
	PidMode              string                   `json:"PidMode"`
	Privileged           bool                     `json:"Privileged"`
	PublishAllPorts      bool                     `json:"PublishAllPorts"`
	ReadonlyRootfs       bool                     `json:"ReadonlyRootfs"`
	SecurityOpt          []string                 `json:"SecurityOpt"`
	Tmpfs                map[string]string        `json:"Tmpfs"`
	UTSMode              string                   `json:"UTSMode"`
	UsernsMode           string                   `json:"UsernsMode"`
	IDMappings           *InspectIDMappings       `json:"IDMappings,omitempty"`
	ShmSize              int64                    `json:"ShmSize"`
	Runtime              string                   `json:"Runtime"`
	ConsoleSize          []uint                   `json:"ConsoleSize"`
	Isolation            string                   `json:"Isolation"`
	CPUShares            uint64                   `json:"CpuShares"`
	Memory               int64                    `json:"Memory"`
	NanoCpus             int64                    `json:"NanoCpus"`
	CgroupParent         string                   `json:"CgroupParent"`
	BlkioWeight          uint16                   `json:"BlkioWeight"`
	BlkioWeightDevice    []InspectWeight          `json:"BlkioWeightDevice"`
	BlkioDeviceReadBps   []InspectThrottle        `json:"BlkioDeviceReadBps"`
	BlkioDeviceWriteBps  []InspectThrottle        `json:"BlkioDeviceWriteBps"`
	BlkioDeviceReadIOps  []InspectThrottle        `json:"BlkioDeviceReadIOps"`
	BlkioDeviceWriteIOps []InspectThrottle        `json:"BlkioDeviceWriteIOps"`
	CPUPeriod            uint64                   `json:"CpuPeriod"`
	CPUQuota             int64                    `json:"CpuQuota"`
	CPURealtimePeriod    uint64                   `json:"CpuRealtimePeriod"`
	CPURealtimeRuntime   int64                    `json:"CpuRealtimeRuntime"`
	CpusetCpus           string                   `json:"CpusetCpus"`
	CpusetMems           string                   `json:"CpusetMems"`
	Devices              []InspectDevice          `json:"Devices"`
	DiskQuota            uint64                   `json:"DiskQuota"`
	KernelMemory         int64                    `json:"KernelMemory"`
	MemoryReservation    int64                    `json:"MemoryReservation"`
	MemorySwap           int64                    `json:"MemorySwap"`
	MemorySwappiness     *uint64                  `json:"MemorySwappiness"`
	OomKillDisable       bool                     `json:"OomKillDisable"`
	PidsLimit            int64                    `json:"PidsLimit"`
	Ulimits              []InspectUlimit          `json:"Ulimits"`
	CPUCount             uint64                   `json:"CpuCount"`
	CPUPercent           uint64                   `json:"CpuPercent"`
	IOMaximumIOps        uint64                   `json:"IOMaximumIOps"`
	IOMaximumBandwidth   uint64                   `json:"IOMaximumBandwidth"`
	CgroupConf           map[string]string        `json:"CgroupConf"`
}

// InspectIDMappings are the maps of the container's user namespace, as INSIDE:OUTSIDE:COUNT.
type InspectIDMappings struct {
	UIDMap []string `json:"UidMap"`
	GIDMap []string `json:"GidMap"`
}

// InspectLog is how output is kept.
type InspectLog struct {
	Type   string            `json:"Type"`
	Config map[string]string `json:"Config"`
	Path   string            `json:"Path"`
	Tag    string            `json:"Tag"`
	// Size is the size at which the log is rotated, "0B" for never.
	Size string `json:"Size"`
}

// InspectRestart is the restart policy; MaximumRetryCount bounds on-failure, 0 does not.
type InspectRestart struct {
	Name              string `json:"Name"`
	MaximumRetryCount uint   `json:"MaximumRetryCount"`
}

// InspectWeight is a device's share of block I/O.
type InspectWeight struct {
	Path   string `json:"Path"`
	Weight uint16 `json:"Weight"`
}

// InspectThrottle is a device's limit: bytes or operations a second.
type InspectThrottle struct {
	Path string `json:"Path"`
	Rate uint64 `json:"Rate"`
}

// InspectDevice is a host device in the container.
type InspectDevice struct {
	PathOnHost        string `json:"PathOnHost"`
	PathInContainer   string `json:"PathInContainer"`
	CgroupPermissions string `json:"CgroupPermissions"`
}

// InspectUlimit is a resource limit of the process.
type InspectUlimit struct {
	Name string `json:"Name"`
	Soft int64  `json:"Soft"`
	Hard int64  `json:"Hard"`
}
