package conf

// File is the merged content of the files, as far as this program heeds it. A nil
// pointer or unset list means that no file said anything.
type File struct {
	Containers Containers `toml:"containers"`
	Engine     Engine     `toml:"engine"`
	Network    Network    `toml:"network"`
	// Loaded are the files that were read, in their order.
	Loaded []string `toml:"-"`
}

// Containers is the table [containers]: defaults of new containers.
type Containers struct {
	Annotations            List    `toml:"annotations"`
	AppArmorProfile        *string `toml:"apparmor_profile"`
	BaseHostsFile          *string `toml:"base_hosts_file"`
	Cgroups                *string `toml:"cgroups"`
	CgroupNS               *string `toml:"cgroupns"`
	CgroupConf             List    `toml:"cgroup_conf"`
	DefaultCapabilities    List    `toml:"default_capabilities"`
	DefaultSysctls         List    `toml:"default_sysctls"`
	DefaultUlimits         List    `toml:"default_ulimits"`
	Devices                List    `toml:"devices"`
	DNSOptions             List    `toml:"dns_options"`
	DNSSearches            List    `toml:"dns_searches"`
	DNSServers             List    `toml:"dns_servers"`
	Env                    List    `toml:"env"`
	EnvHost                *bool   `toml:"env_host"`
	HostContainersInternal *string `toml:"host_containers_internal_ip"`
	HTTPProxy              *bool   `toml:"http_proxy"`
	Init                   *bool   `toml:"init"`
	InitPath               *string `toml:"init_path"`
	IPCNS                  *string `toml:"ipcns"`
	Label                  *bool   `toml:"label"`
	LogDriver              *string `toml:"log_driver"`
	LogPath                *string `toml:"log_path"`
	LogSizeMax             *int64  `toml:"log_size_max"`
	LogTag                 *string `toml:"log_tag"`
	Mounts                 List    `toml:"mounts"`
	NetNS                  *string `toml:"netns"`
	NoHosts                *bool   `toml:"no_hosts"`
	OOMScoreAdj            *int    `toml:"oom_score_adj"`
	PIDNS                  *string `toml:"pidns"`
	PidsLimit              *int64  `toml:"pids_limit"`
	Privileged             *bool   `toml:"privileged"`
	ReadOnly               *bool   `toml:"read_only"`
	SeccompProfile         *string `toml:"seccomp_profile"`
	ShmSize                *string `toml:"shm_size"`
	TZ                     *string `toml:"tz"`
	Umask                  *string `toml:"umask"`
	UTSNS                  *string `toml:"utsns"`
	UserNS                 *string `toml:"userns"`
	Volumes                List    `toml:"volumes"`
}

// Engine is the table [engine]: the program's own ways.
type Engine struct {
	CgroupManager     *string             `toml:"cgroup_manager"`
	CDISpecDirs       List                `toml:"cdi_spec_dirs"`
	DetachKeys        *string             `toml:"detach_keys"`
	Env               List                `toml:"env"`
	EventsLogger      *string             `toml:"events_logger"`
	EventsLogPath     *string             `toml:"events_logfile_path"`
	EventsLogMaxSize  *Size               `toml:"events_logfile_max_size"`
	HelperBinariesDir List                `toml:"helper_binaries_dir"`
	HooksDir          List                `toml:"hooks_dir"`
	ImageCopyTmpDir   *string             `toml:"image_copy_tmp_dir"`
	ImageParallel     *uint               `toml:"image_parallel_copies"`
	ImageVolumeMode   *string             `toml:"image_volume_mode"`
	PullPolicy        *string             `toml:"pull_policy"`
	Retry             *uint               `toml:"retry"`
	RetryDelay        *string             `toml:"retry_delay"`
	Runtime           *string             `toml:"runtime"`
	Runtimes          map[string][]string `toml:"runtimes"`
	RuntimesNoCgroups List                `toml:"runtime_supports_nocgroups"`
	ShortNameMode     *string             `toml:"short_name_mode"`
	StaticDir         *string             `toml:"static_dir"`
	StopTimeout       *uint               `toml:"stop_timeout"`
	TmpDir            *string             `toml:"tmp_dir"`
	VolumePath        *string             `toml:"volume_path"`
}

// Network is the table [network].
type Network struct {
	DefaultNetwork         *string `toml:"default_network"`
	DefaultRootlessNetwork *string `toml:"default_rootless_network_cmd"`
}
