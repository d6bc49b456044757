package libpod

import "github.com/manager-project/manager/pkg/monitor"

// InspectData is what `container inspect` prints: Podman's fields, which are Docker's and
// some more. Fields that belong to what this version has not (pods, bridged
// networks) are there with their empty values, so that templates go on working.
type InspectData struct {
	ID              string          `json:"Id"`
	Created         string          `json:"Created"`
	Path            string          `json:"Path"`
	Args            []string        `json:"Args"`
	State           *InspectState   `json:"State"`
	Image           string          `json:"Image"`
	ImageDigest     string          `json:"ImageDigest"`
	ImageName       string          `json:"ImageName"`
	Rootfs          string          `json:"Rootfs"`
	Pod             string          `json:"Pod"`
	ResolvConfPath  string          `json:"ResolvConfPath"`
	HostnamePath    string          `json:"HostnamePath"`
	HostsPath       string          `json:"HostsPath"`
	StaticDir       string          `json:"StaticDir"`
	OCIConfigPath   string          `json:"OCIConfigPath,omitempty"`
	OCIRuntime      string          `json:"OCIRuntime"`
	ConmonPidFile   string          `json:"ConmonPidFile"`
	PidFile         string          `json:"PidFile"`
	Name            string          `json:"Name"`
	RestartCount    uint            `json:"RestartCount"`
	Driver          string          `json:"Driver"`
	MountLabel      string          `json:"MountLabel"`
	ProcessLabel    string          `json:"ProcessLabel"`
	AppArmorProfile string          `json:"AppArmorProfile"`
	EffectiveCaps   []string        `json:"EffectiveCaps"`
	BoundingCaps    []string        `json:"BoundingCaps"`
	ExecIDs         []string        `json:"ExecIDs"`
	GraphDriver     *InspectDriver  `json:"GraphDriver"`
	SizeRw          *int64          `json:"SizeRw,omitempty"`
	SizeRootFs      int64           `json:"SizeRootFs,omitempty"`
	Mounts          []InspectMount  `json:"Mounts"`
	Dependencies    []string        `json:"Dependencies"`
	NetworkSettings *InspectNetwork `json:"NetworkSettings"`
	Namespace       string          `json:"Namespace"`
	IsInfra         bool            `json:"IsInfra"`
	IsService       bool            `json:"IsService"`
	// KubeExitCodePropagation is always "invalid": there are no kube units.
	KubeExitCodePropagation string             `json:"KubeExitCodePropagation"`
	LockNumber              uint32             `json:"lockNumber"`
	Config                  *InspectConfig     `json:"Config"`
	HostConfig              *InspectHostConfig `json:"HostConfig"`
	UseImageHosts           bool               `json:"UseImageHosts"`
	UseImageHostname        bool               `json:"UseImageHostname"`
}

// InspectState is where the container stands.
type InspectState struct {
	OciVersion string `json:"OciVersion"`
	Status     string `json:"Status"`
	// Running is true while Restarting too, as with Docker: the container is not over.
	Running    bool `json:"Running"`
	Paused     bool `json:"Paused"`
	Restarting bool `json:"Restarting"`
	OOMKilled  bool `json:"OOMKilled"`
	Dead       bool `json:"Dead"`
	Pid        int  `json:"Pid"`
	// ConmonPid is the monitor's process id.
	ConmonPid      int            `json:"ConmonPid,omitempty"`
	ExitCode       int            `json:"ExitCode"`
	Error          string         `json:"Error"`
	StartedAt      string         `json:"StartedAt"`
	FinishedAt     string         `json:"FinishedAt"`
	Health         *InspectHealth `json:"Health,omitempty"`
	CgroupPath     string         `json:"CgroupPath,omitempty"`
	CheckpointedAt string         `json:"CheckpointedAt"`
	RestoredAt     string         `json:"RestoredAt"`
	// Cause says why it ended: exit, signal, oom, timeout, health, stop, kill, restart, rm, start-failed,
	// monitor-lost, reboot.
	Cause string `json:"Cause,omitempty"`
	// LogLostBytes is how much of the output of its present or last start is in no log, LogLostError why: the log's
	// disk was full, the journal stood still. The count follows within a second.
	LogLostBytes uint64 `json:"LogLostBytes,omitempty"`
	LogLostError string `json:"LogLostError,omitempty"`
	// Unmonitored says that it runs without its monitor.
	Unmonitored bool `json:"Unmonitored,omitempty"`
}

// InspectHealth is what the healthcheck says.
type InspectHealth = monitor.Health

// InspectDriver is the storage driver and the directories of the container's layer.
type InspectDriver struct {
	Name string            `json:"Name"`
	Data map[string]string `json:"Data"`
}

// InspectMount is a mount that the user or the image asked for.
type InspectMount struct {
	Type        string   `json:"Type"`
	Name        string   `json:"Name,omitempty"`
	Source      string   `json:"Source"`
	Destination string   `json:"Destination"`
	Driver      string   `json:"Driver"`
	Mode        string   `json:"Mode"`
	Options     []string `json:"Options"`
	RW          bool     `json:"RW"`
	Propagation string   `json:"Propagation"`
	SubPath     string   `json:"SubPath,omitempty"`
}

// InspectNetwork are addresses, all empty but for the namespace's path.
type InspectNetwork struct {
	InspectAddresses
	Bridge                 string                      `json:"Bridge"`
	SandboxID              string                      `json:"SandboxID"`
	HairpinMode            bool                        `json:"HairpinMode"`
	LinkLocalIPv6Address   string                      `json:"LinkLocalIPv6Address"`
	LinkLocalIPv6PrefixLen int                         `json:"LinkLocalIPv6PrefixLen"`
	Ports                  map[string][]InspectPort    `json:"Ports"`
	SandboxKey             string                      `json:"SandboxKey"`
	Networks               map[string]*InspectEndpoint `json:"Networks,omitempty"`
}

// InspectAddresses are the addresses on one network.
type InspectAddresses struct {
	EndpointID          string `json:"EndpointID"`
	Gateway             string `json:"Gateway"`
	IPAddress           string `json:"IPAddress"`
	IPPrefixLen         int    `json:"IPPrefixLen"`
	IPv6Gateway         string `json:"IPv6Gateway"`
	GlobalIPv6Address   string `json:"GlobalIPv6Address"`
	GlobalIPv6PrefixLen int    `json:"GlobalIPv6PrefixLen"`
	MacAddress          string `json:"MacAddress"`
}

// InspectEndpoint is one network of a container.
type InspectEndpoint struct {
	InspectAddresses
	NetworkID  string            `json:"NetworkID"`
	DriverOpts map[string]string `json:"DriverOpts"`
	IPAMConfig map[string]string `json:"IPAMConfig"`
	Links      []string          `json:"Links"`
}

// InspectPort is a published port.
type InspectPort struct {
	HostIP   string `json:"HostIp"`
	HostPort string `json:"HostPort"`
}
