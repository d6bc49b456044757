// Package conf reads containers.conf as Podman does, so that one file steers both.
//
// Files are read in this order, and each overrides what it names:
//
//	/usr/share/containers/containers.conf
//	/etc/containers/containers.conf
//	/etc/containers/containers.conf.d/*.conf     by name
//	~/.config/containers/containers.conf          when rootless
//	~/.config/containers/containers.conf.d/*.conf when rootless
//	--module files, in their order
//	$CONTAINERS_CONF_OVERRIDE
//
// $CONTAINERS_CONF stands in for all before the modules. An array replaces the array of
// earlier files, unless it ends with {append=true}. Unknown keys are left alone: they
// are for other programs or later versions. A file that is not TOML is an error.
// Source: containers.conf(5).
package conf
