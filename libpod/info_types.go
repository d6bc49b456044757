package libpod

// Info is what `info` prints. The JSON names are Podman's.
type Info struct {
	Host       *HostInfo      `json:"host"`
	Store      *StoreInfo     `json:"store"`
	Registries map[string]any `json:"registries"`
	Plugins    PluginsInfo    `json:"plugins"`
	Version    VersionInfo    `json:"version"`
}

// HostInfo is about the machine.
type HostInfo struct {
	Arch              string   `json:"arch"`
	BuildahVersion    string   `json:"buildahVersion"`
	CgroupManager     string   `json:"cgroupManager"`
	CgroupVersion     string   `json:"cgroupVersion"`
	CgroupControllers []string `json:"cgroupControllers"`
	// Conmon is the monitor under the name that scripts look for.
	Conmon          *ProgramInfo     `json:"conmon"`
	CPUs            int              `json:"cpus"`
	CPUUtilization  *CPUUtilization  `json:"cpuUtilization"`
	DatabaseBackend string           `json:"databaseBackend"`
	Distribution    DistributionInfo `json:"distribution"`
	EventLogger     string           `json:"eventLogger"`
	// FreeLocks is 0: locks are files, and there is no table of them that could fill up.
	FreeLocks  *uint32        `json:"freeLocks,omitempty"`
	Hostname   string         `json:"hostname"`
	IDMappings IDMappingsInfo `json:"idMappings"`
	Kernel     string         `json:"kernel"`
	Linkmode   string         `json:"linkmode"`
	LogDriver  string         `json:"logDriver"`
	// MemFree, MemTotal, SwapFree and SwapTotal are in bytes.
	MemFree            int64          `json:"memFree"`
	MemTotal           int64          `json:"memTotal"`
	NetworkBackend     string         `json:"networkBackend"`
	NetworkBackendInfo NetworkInfo    `json:"networkBackendInfo"`
	OCIRuntime         *RuntimeInfo   `json:"ociRuntime"`
	OS                 string         `json:"os"`
	RemoteSocket       *SocketInfo    `json:"remoteSocket,omitempty"`
	RootlessNetworkCmd string         `json:"rootlessNetworkCmd"`
	ServiceIsRemote    bool           `json:"serviceIsRemote"`
	Security           SecurityInfo   `json:"security"`
	Pasta              ExecutableInfo `json:"pasta"`
	SwapFree           int64          `json:"swapFree"`
	SwapTotal          int64          `json:"swapTotal"`
	Uptime             string         `json:"uptime"`
	Variant            string         `json:"variant"`
}

// ProgramInfo is a program that manager uses.
type ProgramInfo struct {
	Package string `json:"package"`
	Path    string `json:"path"`
	Version string `json:"version"`
}

// ExecutableInfo is a program of another project, empty when it is not used.
type ExecutableInfo struct {
	Executable string `json:"executable"`
	Package    string `json:"package"`
	Version    string `json:"version"`
}

// CPUUtilization is since the boot, in percent.
type CPUUtilization struct {
	UserPercent   float64 `json:"userPercent"`
	SystemPercent float64 `json:"systemPercent"`
	IdlePercent   float64 `json:"idlePercent"`
}

// DistributionInfo is what os-release says.
type DistributionInfo struct {
	Codename     string `json:"codename,omitempty"`
	Distribution string `json:"distribution"`
	Version      string `json:"version"`
}

// IDMappingsInfo are the mappings of a user namespace, null for root.
type IDMappingsInfo struct {
	GIDMap []IDMapInfo `json:"gidmap"`
	UIDMap []IDMapInfo `json:"uidmap"`
}

// IDMapInfo maps Size ids from ContainerID on to HostID.
type IDMapInfo struct {
	ContainerID int `json:"container_id"`
	HostID      int `json:"host_id"`
	Size        int `json:"size"`
}

// NetworkInfo is the network backend; Backend is "none" while there are no bridged networks.
type NetworkInfo struct {
	Backend        string      `json:"backend"`
	DefaultNetwork string      `json:"defaultNetwork"`
	Version        string      `json:"version,omitempty"`
	Package        string      `json:"package,omitempty"`
	Path           string      `json:"path,omitempty"`
	DNS            ProgramInfo `json:"dns"`
}

// RuntimeInfo is the OCI runtime.
type RuntimeInfo struct {
	Name    string `json:"name"`
	Package string `json:"package"`
	Path    string `json:"path"`
	Version string `json:"version"`
}

// SocketInfo is the API's socket.
type SocketInfo struct {
	Path   string `json:"path"`
	Exists bool   `json:"exists"`
}

// SecurityInfo is what confines containers here.
type SecurityInfo struct {
	AppArmorEnabled bool `json:"apparmorEnabled"`
	// DefaultCapabilities are joined by commas.
	DefaultCapabilities string `json:"capabilities"`
	Rootless            bool   `json:"rootless"`
	SECCOMPEnabled      bool   `json:"seccompEnabled"`
	SECCOMPProfilePath  string `json:"seccompProfilePath"`
	SELinuxEnabled      bool   `json:"selinuxEnabled"`
}

// StoreInfo is where things are kept. Sizes are in bytes.
type StoreInfo struct {
	ConfigFile         string             `json:"configFile"`
	ContainerStore     ContainerStoreInfo `json:"containerStore"`
	GraphDriverName    string             `json:"graphDriverName"`
	GraphOptions       map[string]any     `json:"graphOptions"`
	GraphRoot          string             `json:"graphRoot"`
	GraphRootAllocated uint64             `json:"graphRootAllocated"`
	GraphRootUsed      uint64             `json:"graphRootUsed"`
	GraphStatus        map[string]string  `json:"graphStatus"`
	ImageCopyTmpDir    string             `json:"imageCopyTmpDir"`
	ImageStore         ImageStoreInfo     `json:"imageStore"`
	RunRoot            string             `json:"runRoot"`
	VolumePath         string             `json:"volumePath"`
	TransientStore     bool               `json:"transientStore"`
}

// ContainerStoreInfo counts containers by state.
type ContainerStoreInfo struct {
	Number  int `json:"number"`
	Paused  int `json:"paused"`
	Running int `json:"running"`
	Stopped int `json:"stopped"`
}

// ImageStoreInfo counts images.
type ImageStoreInfo struct {
	Number int `json:"number"`
}

// PluginsInfo are the names that options accept.
type PluginsInfo struct {
	Volume  []string `json:"volume"`
	Network []string `json:"network"`
	Log     []string `json:"log"`
	// Authorization is always null.
	Authorization []string `json:"authorization"`
}
