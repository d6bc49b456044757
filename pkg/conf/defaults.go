package conf

import (
	"fmt"

	"github.com/manager-project/manager/pkg/spec"
)

// Defaults are the built-in defaults of new containers with what the files say put over
// them. Errors are of class invalid and name the key.
func (f *File) Defaults() (*spec.Defaults, error) {
	d, c := spec.Builtin(), &f.Containers
	for _, l := range []struct {
		from List
		to   *[]string
	}{
		{c.DefaultCapabilities, &d.Capabilities},
		{c.DefaultUlimits, &d.Ulimits},
		{c.Env, &d.Env},
		{c.DNSServers, &d.DNS},
		{c.DNSOptions, &d.DNSOptions},
		{c.DNSSearches, &d.DNSSearch},
		{c.Volumes, &d.Volumes},
		{c.Mounts, &d.Mounts},
		{c.Devices, &d.Devices},
		{c.Annotations, &d.Annotations},
		{c.CgroupConf, &d.CgroupConf},
		{c.DefaultSysctls, &d.Sysctls},
	} {
		if l.from.Set {
			*l.to = l.from.Values
		}
	}
	put(&d.EnvHost, c.EnvHost)
	put(&d.PidsLimit, c.PidsLimit)
	put(&d.LogDriver, c.LogDriver)
	put(&d.LogSizeMax, c.LogSizeMax)
	put(&d.LogPath, c.LogPath)
	put(&d.LogTag, c.LogTag)
	put(&d.Umask, c.Umask)
	put(&d.TZ, c.TZ)
	put(&d.Init, c.Init)
	put(&d.InitPath, c.InitPath)
	put(&d.SeccompProfile, c.SeccompProfile)
	put(&d.AppArmorProfile, c.AppArmorProfile)
	put(&d.Privileged, c.Privileged)
	put(&d.ReadOnly, c.ReadOnly)
	put(&d.CgroupNS, c.CgroupNS)
	put(&d.IPCNS, c.IPCNS)
	put(&d.PIDNS, c.PIDNS)
	put(&d.UTSNS, c.UTSNS)
	put(&d.UserNS, c.UserNS)
	put(&d.NetNS, c.NetNS)
	put(&d.RootlessNetwork, f.Network.DefaultRootlessNetwork)
	put(&d.Cgroups, c.Cgroups)
	put(&d.StopTimeout, f.Engine.StopTimeout)
	put(&d.BaseHostsFile, c.BaseHostsFile)
	put(&d.NoHosts, c.NoHosts)
	put(&d.ImageVolume, f.Engine.ImageVolumeMode)
	if c.Label != nil {
		d.NoLabel = !*c.Label
	}
	if c.OOMScoreAdj != nil {
		d.OOMScoreAdj = c.OOMScoreAdj
	}
	if c.ShmSize != nil {
		size, err := spec.ParseBytes("shm_size", *c.ShmSize)
		if err != nil {
			return nil, fmt.Errorf("containers.conf: %w", err)
		}
		d.ShmSize = size
	}
	return d, nil
}

func put[T any](to *T, from *T) {
	if from != nil {
		*to = *from
	}
}
