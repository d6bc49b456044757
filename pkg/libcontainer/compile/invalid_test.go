package compile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/manager-project/manager/pkg/errdefs"
	"golang.org/x/sys/unix"
)

// broken are patches of the base that break the specification, and how the error begins.
var broken = []struct{ patch, want string }{
	// The document's own form: a field of the wrong type.
	{`{"ociVersion": 1}`, `ociVersion: want a string, not a number`},
	{`{"process": []}`, `process: want an object, not an array`},
	{`{"process": {"args": "sh"}}`, `process.args: want an array, not a string`},
	{`{"process": {"args": ["sh", 3]}}`, `process.args[1]: want a string, not a number`},
	{`{"process": {"terminal": "yes"}}`, `process.terminal: want true or false, not a string`},
	{`{"process": {"user": {"uid": -1}}}`, `process.user.uid: want a whole number of at least 0 that fits uint32, not number -1`},
	{`{"process": {"user": {"uid": 4294967296}}}`, `process.user.uid: want a whole number of at least 0 that fits uint32`},
	{`{"process": {"user": {"gid": 1.5}}}`, `process.user.gid: want a whole number of at least 0 that fits uint32, not number 1.5`},
	{`{"process": {"user": {"uid": "root"}}}`, `process.user.uid: want a whole number`},
	{`{"process": {"rlimits": [{"type": "RLIMIT_CPU", "soft": 1, "hard": 1}, {"type": "RLIMIT_AS", "soft": "x", "hard": 1}]}}`, `process.rlimits[1].soft: want a whole number`},
	{`{"mounts": {"destination": "/x"}}`, `mounts: want an array, not an object`},
	{`{"+mounts": [{"destination": "/m", "options": "ro"}]}`, `mounts[4].options: want an array, not a string`},
	{`{"+mounts": [{"destination": ["/m"]}]}`, `mounts[4].destination: want a string, not an array`},
	{`{"linux": {"resources": {"memory": {"limit": "1G"}}}}`, `linux.resources.memory.limit: want a whole number that fits int64, not a string`},
	{`{"linux": {"resources": {"cpu": {"shares": -5}}}}`, `linux.resources.cpu.shares: want a whole number of at least 0`},
	{`{"linux": {"devices": [{"path": "/dev/x", "type": "c", "fileMode": "0666"}]}}`, `linux.devices[0].fileMode: want a whole number of at least 0 that fits uint32, not a string`},
	{`{"linux": {"seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": "read", "action": "SCMP_ACT_ERRNO"}]}}}`, `linux.seccomp.syscalls[0].names: want an array`},
	{`{"hooks": {"prestart": {"path": "/x"}}}`, `hooks.prestart: want an array, not an object`},
	{`{"annotations": {"a": 1}}`, `annotations.a: want a string, not a number`},
	{`{"linux": {"sysctl": {"net.ipv4.ip_forward": 1}}}`, `linux.sysctl.net.ipv4.ip_forward: want a string, not a number`},
	// The document as a whole.
	{`{"ociVersion": null}`, `ociVersion: is missing`},
	{`{"ociVersion": "2.0.0"}`, `ociVersion: want 1.x (got "2.0.0")`},
	{`{"ociVersion": "1.0"}`, `ociVersion: want three numbers`},
	{`{"ociVersion": "1.x.0"}`, `ociVersion: want three numbers`},
	{`{"process": null}`, `process: is missing`},
	{`{"root": null}`, `root.path: is missing`},
	{`{"root": {"path": ""}}`, `root.path: is missing`},
	{`{"root": {"path": "nothing"}}`, `root.path: does not exist (got "nothing")`},
	{`{"root": {"path": "file"}}`, `root.path: is not a directory`},
	{`{"root": {"path": "a\u0000b"}}`, `root.path: has a NUL byte`},
	{`{"annotations": {"": "x"}}`, `annotations: has an empty key`},
	{`{"vm": {"kernel": {"path": "/k"}}}`, `vm: this runtime makes Linux containers`},
	{`{"hostname": "a\nb"}`, `hostname: has a NUL byte or a line break`},
	{`{"domainname": "a\u0000b"}`, `domainname: has a NUL byte or a line break`},
	{`{"hostname": "0123456789012345678901234567890123456789012345678901234567890123456789"}`, `hostname: has 70 bytes, the kernel takes 64`},
	{`{"linux": {"namespaces": [{"type": "mount"}]}}`, `hostname: needs a uts namespace`},
	{`{"hostname": null, "domainname": "d", "linux": {"namespaces": [{"type": "mount"}]}}`, `domainname: needs a uts namespace`},
	// process
	{`{"process": {"args": []}}`, `process.args: is empty`},
	{`{"process": {"args": ["a", "b\u0000"]}}`, `process.args[1]: has a NUL byte`},
	{`{"process": {"cwd": null}}`, `process.cwd: is missing`},
	{`{"process": {"cwd": "tmp"}}`, `process.cwd: is not absolute (got "tmp")`},
	{`{"process": {"cwd": "/a\u0000"}}`, `process.cwd: has a NUL byte`},
	{`{"process": {"env": ["A=1", "CANARY"]}}`, `process.env[1]: want NAME=VALUE`},
	{`{"process": {"env": ["=x"]}}`, `process.env[0]: want NAME=VALUE`},
	{`{"process": {"env": ["A=\u0000"]}}`, `process.env[0]: want NAME=VALUE without NUL`},
	{`{"process": {"user": {"uid": 4294967295}}}`, `process.user.uid: is no user`},
	{`{"process": {"user": {"gid": 4294967295}}}`, `process.user.gid: is no group`},
	{`{"process": {"user": {"additionalGids": [1, 4294967295]}}}`, `process.user.additionalGids[1]: is no group`},
	{`{"process": {"user": {"umask": 512}}}`, `process.user.umask: want at most 511`},
	{`{"process": {"terminal": true, "consoleSize": {"height": 70000, "width": 1}}}`, `process.consoleSize.height: want at most 65535`},
	{`{"process": {"terminal": true, "consoleSize": {"height": 1, "width": 70000}}}`, `process.consoleSize.width: want at most 65535`},
	{`{"process": {"rlimits": [{"type": "RLIMIT_X", "soft": 1, "hard": 1}]}}`, `process.rlimits[0].type: unknown limit (got "RLIMIT_X")`},
	{`{"process": {"rlimits": [{"type": "RLIMIT_CPU"}, {"type": "RLIMIT_CPU"}]}}`, `process.rlimits[1].type: is listed twice`},
	{`{"process": {"rlimits": [{"type": "RLIMIT_CPU", "soft": 2, "hard": 1}]}}`, `process.rlimits[0].soft: is above the hard limit 1 (got "2")`},
	{`{"process": {"oomScoreAdj": 1001}}`, `process.oomScoreAdj: want -1000 to 1000`},
	{`{"process": {"ioPriority": {"class": "BE", "priority": 1}}}`, `process.ioPriority.class: unknown class (got "BE")`},
	{`{"process": {"ioPriority": {"class": "IOPRIO_CLASS_BE", "priority": 8}}}`, `process.ioPriority.priority: want 0 to 7`},
	{`{"process": {"scheduler": {"policy": "FIFO"}}}`, `process.scheduler.policy: unknown policy (got "FIFO")`},
	{`{"process": {"scheduler": {"policy": "SCHED_OTHER", "nice": 20}}}`, `process.scheduler.nice: want -20 to 19`},
	{`{"process": {"scheduler": {"policy": "SCHED_OTHER", "priority": 1}}}`, `process.scheduler.priority: is for SCHED_FIFO and SCHED_RR`},
	{`{"process": {"scheduler": {"policy": "SCHED_FIFO"}}}`, `process.scheduler.priority: want 1 to 99`},
	{`{"process": {"scheduler": {"policy": "SCHED_RR", "priority": 1, "runtime": 5}}}`, `process.scheduler.runtime: runtime, deadline and period are for SCHED_DEADLINE`},
	{`{"process": {"scheduler": {"policy": "SCHED_DEADLINE", "runtime": 5, "deadline": 4}}}`, `process.scheduler.deadline: want 0 < runtime <= deadline <= period`},
	{`{"process": {"scheduler": {"policy": "SCHED_OTHER", "flags": ["SCHED_FLAG_X"]}}}`, `process.scheduler.flags[0]: unknown flag`},
	{`{"process": {"execCPUAffinity": {"initial": "0-"}}}`, `process.execCPUAffinity.initial: want a list of numbers`},
	{`{"process": {"execCPUAffinity": {"final": "3-1"}}}`, `process.execCPUAffinity.final: want a list of numbers`},
	// mounts
	{`{"+mounts": [{"type": "tmpfs"}]}`, `mounts[4].destination: is missing`},
	{`{"+mounts": [{"destination": "/x/..", "type": "tmpfs"}]}`, `mounts[4].destination: is the root itself`},
	{`{"+mounts": [{"destination": "/m\u0000", "type": "tmpfs"}]}`, `mounts[4].destination: has a NUL byte`},
	{`{"+mounts": [{"destination": "/m"}]}`, `mounts[4].type: is missing`},
	{`{"+mounts": [{"destination": "/m", "type": "bind"}]}`, `mounts[4].source: a bind mount needs a source`},
	{`{"+mounts": [{"destination": "/m", "type": "tmpfs", "options": [""]}]}`, `mounts[4].options: an option is empty`},
	{`{"+mounts": [{"destination": "/m", "type": "tmpfs", "options": ["=3"]}]}`, `mounts[4].options: "=3" has no name`},
	{`{"+mounts": [{"destination": "/m", "type": "tmpfs", "options": ["a,b"]}]}`, `mounts[4].options: "a,b" is not one option`},
	{`{"+mounts": [{"destination": "/m", "source": "/", "type": "bind", "options": ["tmpcopyup"]}]}`, `mounts[4].options: is for mounts of type tmpfs (got "tmpcopyup")`},
	{`{"+mounts": [{"destination": "/m", "type": "tmpfs", "options": ["src-nofollow"]}]}`, `mounts[4].options: copy-symlink and src-nofollow are for bind mounts`},
	{`{"+mounts": [{"destination": "/m", "type": "tmpfs", "options": ["idmap"]}]}`, `mounts[4].options: only bind mounts can be idmapped`},
	{`{"+mounts": [{"destination": "/m", "source": "/", "options": ["bind", "idmap=uids=1-2"]}]}`, `mounts[4].options: idmap: want three numbers`},
	{`{"+mounts": [{"destination": "/m", "source": "/", "options": ["bind", "idmap=users=1-2-3"]}]}`, `mounts[4].options: idmap: want uids=`},
	{`{"+mounts": [{"destination": "/m", "source": "/", "options": ["bind"], "uidMappings": [{"containerID": 0, "hostID": 0, "size": 1}]}]}`, `mounts[4].gidMappings: are missing`},
	{`{"+mounts": [{"destination": "/m", "source": "/", "options": ["bind"], "gidMappings": [{"containerID": 0, "hostID": 0, "size": 1}]}]}`, `mounts[4].uidMappings: are missing`},
	{`{"+mounts": [{"destination": "/m", "source": "/", "options": ["bind"], "uidMappings": [{"size": 0}], "gidMappings": [{"size": 1}]}]}`, `mounts[4].uidMappings[0].size: is 0`},
	{`{"+mounts": [{"destination": "/m", "source": "BUNDLE", "options": ["bind", "idmap"]}]}`, `mounts[4].options: idmap without mappings`},
	{`{"+mounts": [{"destination": "/m", "source": "/nothing/here", "options": ["bind", "rshared"]}]}`, `mounts[4].source: open /nothing/here: no such file or directory`},
	{`{"+mounts": [{"destination": "/proc/self/attr", "type": "tmpfs"}]}`, `mounts[4].destination: cannot be mounted because it is inside /proc`},
	{`{"+mounts": [{"destination": "/x/../proc/sys", "source": "/", "options": ["bind"]}]}`, `mounts[4].destination: cannot be mounted because it is inside /proc`},
	{`{"+mounts": [{"destination": "/proc", "type": "tmpfs"}]}`, `mounts[4].destination: only proc can be mounted here`},
	{`{"+mounts": [{"destination": "/proc", "source": "BUNDLE", "options": ["bind"]}]}`, `mounts[4].source: only proc can be mounted on /proc`},
	// hooks
	{`{"hooks": {"prestart": [{"path": "x"}]}}`, `hooks.prestart[0].path: is not absolute (got "x")`},
	{`{"hooks": {"createRuntime": [{"path": "/x"}, {}]}}`, `hooks.createRuntime[1].path: is not absolute`},
	{`{"hooks": {"createContainer": [{"path": "/x", "timeout": 0}]}}`, `hooks.createContainer[0].timeout: want a number of seconds above 0 (got "0")`},
	{`{"hooks": {"startContainer": [{"path": "/x", "timeout": -1}]}}`, `hooks.startContainer[0].timeout: want a number of seconds above 0`},
	{`{"hooks": {"poststart": [{"path": "/x", "env": ["A\u0000"]}]}}`, `hooks.poststart[0].env: has a NUL byte`},
	{`{"hooks": {"poststop": [{"path": "/x", "args": ["\u0000"]}]}}`, `hooks.poststop[0].args: has a NUL byte`},
	// namespaces and mappings
	{`{"linux": {"+namespaces": [{"type": "net"}]}}`, `linux.namespaces[6].type: unknown kind (got "net")`},
	{`{"linux": {"+namespaces": [{"type": "pid"}]}}`, `linux.namespaces[6].type: is listed twice (got "pid")`},
	{`{"linux": {"namespaces": [{"type": "uts"}]}}`, `linux.namespaces: a container without a mount namespace`},
	{`{"linux": {"namespaces": [{"type": "network", "path": "ns/net"}]}}`, `linux.namespaces[0].path: is not absolute`},
	{`{"linux": {"namespaces": [{"type": "network", "path": "/nothing/net"}]}}`, `linux.namespaces[0].path: open /nothing/net: no such file or directory`},
	{`{"linux": {"namespaces": [{"type": "network", "path": "/proc/self/ns/uts"}]}}`, `linux.namespaces[0].path: is not a namespace of this kind`},
	{`{"linux": {"namespaces": [{"type": "ipc", "path": "BUNDLE/file"}]}}`, `linux.namespaces[0].path: is not a namespace of this kind`},
	{`{"linux": {"uidMappings": [{"containerID": 0, "hostID": 0, "size": 1}]}}`, `linux.uidMappings: need a user namespace`},
	{`{"linux": {"gidMappings": [{"containerID": 0, "hostID": 0, "size": 1}]}}`, `linux.gidMappings: need a user namespace`},
	{`{"linux": {"+namespaces": [{"type": "user"}]}}`, `linux.uidMappings: are missing`},
	{`{"linux": {"+namespaces": [{"type": "user"}], "uidMappings": [{"size": 1}]}}`, `linux.gidMappings: are missing`},
	{`{"linux": {"+namespaces": [{"type": "user"}], "uidMappings": [{"size": 0}]}}`, `linux.uidMappings[0].size: is 0`},
	{`{"linux": {"+namespaces": [{"type": "user"}], "uidMappings": [{"hostID": 4294967295, "size": 2}]}}`, `linux.uidMappings[0].hostID: 4294967295 and 2 more are beyond 32 bits`},
	{`{"linux": {"+namespaces": [{"type": "user"}], "uidMappings": [{"size": 5}, {"containerID": 4, "hostID": 9, "size": 1}]}}`, `linux.uidMappings[1].containerID: overlaps with linux.uidMappings[0]`},
	{`{"linux": {"timeOffsets": {"monotonic": {"secs": 1}}}}`, `linux.timeOffsets: need a new time namespace`},
	{`{"linux": {"+namespaces": [{"type": "time"}], "timeOffsets": {"realtime": {"secs": 1}}}}`, `linux.timeOffsets: want monotonic or boottime (got "realtime")`},
	{`{"linux": {"+namespaces": [{"type": "time"}], "timeOffsets": {"boottime": {"nanosecs": 1000000000}}}}`, `linux.timeOffsets.boottime.nanosecs: want less than a second`},
	// devices, paths, settings
	{`{"linux": {"devices": [{"path": "/dev/x", "type": "z"}]}}`, `linux.devices[0].type: want c, b, u or p (got "z")`},
	{`{"linux": {"devices": [{"path": "dev/x", "type": "c"}]}}`, `linux.devices[0].path: is not absolute`},
	{`{"linux": {"devices": [{"path": "/dev/x", "type": "c", "major": -1}]}}`, `linux.devices[0].major: want a device number`},
	{`{"linux": {"devices": [{"path": "/dev/x", "type": "c", "minor": 4294967296}]}}`, `linux.devices[0].minor: want a device number`},
	{`{"linux": {"devices": [{"path": "/dev/x", "type": "c", "fileMode": 4294967295}]}}`, `linux.devices[0].fileMode: want permission bits as a decimal number`},
	{`{"linux": {"devices": [{"path": "/dev/x", "type": "p"}, {"path": "/dev//x", "type": "p"}]}}`, `linux.devices[1].path: is listed twice`},
	{`{"linux": {"devices": [{"path": "/proc/x", "type": "p"}]}}`, `linux.devices[0].path: is no place for a device`},
	{`{"linux": {"maskedPaths": ["/a", "b"]}}`, `linux.maskedPaths[1]: is not absolute`},
	{`{"linux": {"readonlyPaths": ["/a\u0000"]}}`, `linux.readonlyPaths[0]: has a NUL byte`},
	{`{"linux": {"rootfsPropagation": "public"}}`, `linux.rootfsPropagation: unknown propagation (got "public")`},
	{`{"linux": {"sysctl": {"kernel.core_pattern": "x"}}}`, `linux.sysctl.kernel.core_pattern: is not in a namespace of its own`},
	{`{"linux": {"sysctl": {"kernel.hostname": "x"}}}`, `linux.sysctl.kernel.hostname: is set by the hostname`},
	{`{"domainname": "d", "linux": {"sysctl": {"kernel.domainname": "x"}}}`, `linux.sysctl.kernel.domainname: is set by the domainname`},
	{`{"linux": {"sysctl": {"net/../kernel/panic": "1"}}}`, `linux.sysctl.net/../kernel/panic: leaves /proc/sys`},
	{`{"linux": {"sysctl": {"user.max_pid_namespaces": "1"}}}`, `linux.sysctl.user.max_pid_namespaces: needs a user namespace`},
	{`{"hostname": null, "linux": {"namespaces": [{"type": "mount"}], "sysctl": {"net.core.somaxconn": "1"}}}`, `linux.sysctl.net.core.somaxconn: needs a network namespace`},
	{`{"hostname": null, "linux": {"namespaces": [{"type": "mount"}, {"type": "network", "path": "/proc/self/ns/net"}], "sysctl": {"net.core.somaxconn": "1"}}}`, `linux.sysctl.net.core.somaxconn: needs a network namespace of the container's own`},
	{`{"linux": {"personality": {"domain": "BSD"}}}`, `linux.personality.domain: want LINUX or LINUX32`},
	{`{"linux": {"personality": {"domain": "LINUX", "flags": ["x"]}}}`, `linux.personality.flags: no flag is defined`},
	{`{"linux": {"memoryPolicy": {"mode": "MPOL_X"}}}`, `linux.memoryPolicy.mode: unknown mode`},
	{`{"linux": {"memoryPolicy": {"mode": "MPOL_BIND"}}}`, `linux.memoryPolicy.nodes: are missing`},
	{`{"linux": {"memoryPolicy": {"mode": "MPOL_LOCAL", "nodes": "0"}}}`, `linux.memoryPolicy.nodes: MPOL_LOCAL takes none`},
	{`{"linux": {"memoryPolicy": {"mode": "MPOL_BIND", "nodes": "a"}}}`, `linux.memoryPolicy.nodes: want a list of numbers`},
	{`{"linux": {"memoryPolicy": {"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_X"]}}}`, `linux.memoryPolicy.flags[0]: unknown flag`},
	{`{"linux": {"cgroupsPath": "/a/../../b"}}`, `linux.cgroupsPath: is no path below the cgroup file system`},
	{`{"linux": {"netDevices": {"a/b": {}}}}`, `linux.netDevices: want a network device's name (got "a/b")`},
	{`{"linux": {"netDevices": {"eth1": {"name": "0123456789abcdef"}}}}`, `linux.netDevices.eth1.name: want a network device's name`},
	{`{"linux": {"netDevices": {"eth1": {"name": "x"}, "eth2": {"name": "x"}}}}`, `linux.netDevices.eth2.name: is taken by eth1`},
	{`{"hostname": null, "linux": {"namespaces": [{"type": "mount"}], "netDevices": {"eth1": {}}}}`, `linux.netDevices: need a network namespace`},
	{`{"linux": {"intelRdt": {"closID": "../x"}}}`, `linux.intelRdt.closID: want a directory's name`},
	{`{"linux": {"intelRdt": {"l3CacheSchema": "L3:0=f\nMB:0=1"}}}`, `linux.intelRdt.l3CacheSchema: has more than one line`},
	{`{"linux": {"intelRdt": {"schemata": ["L3:0=f", "x"]}}}`, `linux.intelRdt.schemata[1]: want RESOURCE:ID=VALUE`},
	// resources
	{`{"linux": {"resources": {"devices": [{"type": "x"}]}}}`, `linux.resources.devices[0].type: want a, b or c`},
	{`{"linux": {"resources": {"devices": [{"access": "rx"}]}}}`, `linux.resources.devices[0].access: want letters of rwm`},
	{`{"linux": {"resources": {"devices": [{"major": -2}]}}}`, `linux.resources.devices[0].major: want a device number`},
	{`{"linux": {"resources": {"memory": {"limit": -2}}}}`, `linux.resources.memory.limit: want bytes, or -1 for no limit (got "-2")`},
	{`{"linux": {"resources": {"memory": {"swap": -5}}}}`, `linux.resources.memory.swap: want bytes`},
	{`{"linux": {"resources": {"memory": {"limit": 4096000, "swap": 4096}}}}`, `linux.resources.memory.swap: is memory and swap together`},
	{`{"linux": {"resources": {"memory": {"limit": -1, "swap": 4096}}}}`, `linux.resources.memory.swap: cannot be limited when memory is not`},
	{`{"linux": {"resources": {"memory": {"swappiness": 101}}}}`, `linux.resources.memory.swappiness: want 0 to 100`},
	{`{"linux": {"resources": {"cpu": {"period": 999}}}}`, `linux.resources.cpu.period: want 1000 to 1000000`},
	{`{"linux": {"resources": {"cpu": {"quota": 5}}}}`, `linux.resources.cpu.quota: want at least 1000`},
	{`{"linux": {"resources": {"cpu": {"quota": -2}}}}`, `linux.resources.cpu.quota: want microseconds`},
	{`{"linux": {"resources": {"cpu": {"quota": 5000, "burst": 6000}}}}`, `linux.resources.cpu.burst: is above the quota 5000`},
	{`{"linux": {"resources": {"cpu": {"cpus": "0,,1"}}}}`, `linux.resources.cpu.cpus: want a list of numbers`},
	{`{"linux": {"resources": {"cpu": {"mems": "x"}}}}`, `linux.resources.cpu.mems: want a list of numbers`},
	{`{"linux": {"resources": {"cpu": {"idle": 2}}}}`, `linux.resources.cpu.idle: want 0 or 1`},
	{`{"linux": {"resources": {"cpu": {"realtimeRuntime": 10, "realtimePeriod": 5}}}}`, `linux.resources.cpu.realtimeRuntime: is above the period 5`},
	{`{"linux": {"resources": {"pids": {"limit": -2}}}}`, `linux.resources.pids.limit: want a number of tasks`},
	{`{"linux": {"resources": {"blockIO": {"weight": 9}}}}`, `linux.resources.blockIO.weight: want 10 to 1000`},
	{`{"linux": {"resources": {"blockIO": {"weightDevice": [{"major": 1, "minor": 2}]}}}}`, `linux.resources.blockIO.weightDevice[0]: has neither weight nor leafWeight`},
	{`{"linux": {"resources": {"blockIO": {"throttleReadBpsDevice": [{"major": -1, "minor": 2, "rate": 1}]}}}}`, `linux.resources.blockIO.throttleReadBpsDevice[0].major: want a device number`},
	{`{"linux": {"resources": {"hugepageLimits": [{"pageSize": "2MiB", "limit": 1}]}}}`, `linux.resources.hugepageLimits[0].pageSize: want a size`},
	{`{"linux": {"resources": {"hugepageLimits": [{"pageSize": "2MB"}, {"pageSize": "2MB"}]}}}`, `linux.resources.hugepageLimits[1].pageSize: is listed twice`},
	{`{"linux": {"resources": {"network": {"priorities": [{"name": "", "priority": 1}]}}}}`, `linux.resources.network.priorities[0].name: want an interface's name`},
	{`{"linux": {"resources": {"rdma": {"mlx5_1": {}}}}}`, `linux.resources.rdma.mlx5_1: has neither hcaHandles nor hcaObjects`},
	{`{"linux": {"resources": {"unified": {"../x": "1"}}}}`, `linux.resources.unified: want the name of a cgroup file`},
	{`{"linux": {"resources": {"unified": {"cgroup.procs": "1"}}}}`, `linux.resources.unified: is the runtime's own`},
	// seccomp
	{`{"linux": {"seccomp": {}}}`, `linux.seccomp.defaultAction: is missing`},
	{`{"linux": {"seccomp": {"defaultAction": "ALLOW"}}}`, `linux.seccomp.defaultAction: unknown action "ALLOW"`},
	{`{"linux": {"seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "defaultErrnoRet": 1}}}`, `linux.seccomp.defaultErrnoRet: SCMP_ACT_ALLOW takes no errno`},
	{`{"linux": {"seccomp": {"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 5000}}}`, `linux.seccomp.defaultErrnoRet: 5000, want at most 4095`},
	{`{"linux": {"seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["Z80"]}}}`, `linux.seccomp.architectures[0]: unknown architecture "Z80"`},
	{`{"linux": {"seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "flags": ["X"]}}}`, `linux.seccomp.flags[0]: unknown flag "X"`},
	{`{"linux": {"seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"action": "SCMP_ACT_ERRNO"}]}}}`, `linux.seccomp.syscalls[0].names: is empty`},
	{`{"linux": {"seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": [""], "action": "SCMP_ACT_ERRNO"}]}}}`, `linux.seccomp.syscalls[0].names[0]: is empty`},
	{`{"linux": {"seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["read"]}]}}}`, `linux.seccomp.syscalls[0].action: is missing`},
	{`{"linux": {"seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["read"], "action": "SCMP_ACT_KILL", "errnoRet": 1}]}}}`, `linux.seccomp.syscalls[0].errnoRet: SCMP_ACT_KILL takes no errno`},
	{`{"linux": {"seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ERRNO", "args": [{"index": 6, "op": "SCMP_CMP_EQ"}]}]}}}`, `linux.seccomp.syscalls[0].args[0].index: 6, want 0 to 5`},
	{`{"linux": {"seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ERRNO", "args": [{"index": 1, "op": "EQ"}]}]}}}`, `linux.seccomp.syscalls[0].args[0].op: unknown operator "EQ"`},
	{`{"linux": {"seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["read"], "action": "SCMP_ACT_NOTIFY"}]}}}`, `linux.seccomp.listenerPath: is missing`},
	{`{"linux": {"seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "x", "syscalls": [{"names": ["read"], "action": "SCMP_ACT_NOTIFY"}]}}}`, `linux.seccomp.listenerPath: "x" is not absolute`},
	{`{"linux": {"seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "listenerMetadata": "x"}}}`, `linux.seccomp.listenerMetadata: means nothing without listenerPath`},
	{`{"annotations": {"run.oci.mount_context_type": "size"}}`, `annotations.run.oci.mount_context_type: is none of context, fscontext, defcontext, rootcontext (got "size")`},
	{`{"linux": {"seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "flags": ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]}}}`, `linux.seccomp.flags: SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV needs SCMP_ACT_NOTIFY`},
}

func TestBrokenConfigurations(t *testing.T) {
	if len(broken) < 80 {
		t.Errorf("%d cases", len(broken))
	}
	file := filepath.Join(t.TempDir(), "config.json")
	for i, c := range broken {
		doc, _ := document(t, c.patch)
		err := compileFile(t, file, doc)
		switch {
		case err == nil:
			t.Errorf("%d: %s was accepted", i, c.patch)
		case !errors.Is(err, errdefs.ErrInvalid) && !errors.Is(err, errdefs.ErrUnsupported):
			t.Errorf("%d: %v has no class", i, err)
		case !strings.HasPrefix(strings.TrimPrefix(err.Error(), "file "+file+": "), c.want):
			t.Errorf("%d: %v, want %s", i, err, c.want)
		case strings.ContainsAny(err.Error(), "\n\x00"):
			t.Errorf("%d: more than one line: %q", i, err.Error())
		}
	}
}

// compileFile goes the whole way from the file, and looks after the descriptors.
func compileFile(t *testing.T, file string, doc []byte) error {
	t.Helper()
	if err := os.WriteFile(file, doc, 0o600); err != nil {
		t.Fatal(err)
	}
	before := descriptors(t)
	spec, err := ReadSpec(file)
	if err == nil {
		var h *Handles
		if _, h, err = Container(spec, Options{ID: "box", Bundle: bundle(t)}); err == nil {
			h.Close()
		}
	}
	if after := descriptors(t); after != before {
		t.Errorf("%d descriptors, %d before", after, before)
	}
	return err
}

func descriptors(t *testing.T) int {
	t.Helper()
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}

func TestUnreadableFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		t.Helper()
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return p
	}
	fifo := filepath.Join(dir, "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	large := write("large", "{}")
	if err := os.Truncate(large, 4<<30); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{
		write("empty", ""):                             "line 1, column 0: unexpected end of JSON input",
		write("cut", "{\"process\": {\n\"cwd\": "):     "line 2, column 7: unexpected end of JSON input",
		write("words", "{\n  process: 1}"):             "line 2, column 3: invalid character 'p'",
		write("list", "[]"):                            "the document: want an object, not an array",
		write("deep", strings.Repeat(`{"a":[`, 20000)): "exceeded max depth",
		large:       fmt.Sprintf("has more than %d bytes", MaxSize),
		fifo:        "is not a regular file",
		dir:         "is not a regular file",
		"/dev/zero": "is not a regular file",
	} {
		begin := time.Now()
		_, err := ReadSpec(file)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), file) || !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("%s: %v, want %s", file, err, want)
		}
		if d := time.Since(begin); d > 30*time.Second {
			t.Errorf("%s took %s", file, d)
		}
	}
	if _, err := ReadSpec(filepath.Join(dir, "nothing")); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	if _, err := ReadProcess(write("process", `{"user": {"uid": "x"}}`)); err == nil || !strings.Contains(err.Error(), "user.uid: want a whole number") {
		t.Error(err)
	}
	if r, err := ReadResources("-", strings.NewReader(`{"pids": {"limit": 3}}`)); err != nil || *r.Pids.Limit != 3 {
		t.Error(err)
	}
	if _, err := ReadResources("-", strings.NewReader(`{"pids": 1}`)); err == nil || !strings.Contains(err.Error(), "standard input: pids: want an object") {
		t.Error(err)
	}
}

func TestIsVersion(t *testing.T) {
	for _, v := range []string{"1.0.0", "1.0.2-dev", "1.0.0-rc.5", "10.20.30", "1.2.0-a-b+c.1-d", "1.0.0+build"} {
		if !isVersion(v) {
			t.Errorf("%q is none", v)
		}
	}
	for _, v := range []string{"", "1", "1.0", "1.0.0.0", "01.0.0", "1.00.0", "1.0.x", "1.0.0-", "1.0.0+", "1.0.0-a+", "1.0.0-a+b+c", "1.0.0 ", " 1.0.0", "1.0.0-a b", "-1.0.0", "1.0.0-\n", "1..0"} {
		if isVersion(v) {
			t.Errorf("%q is one", v)
		}
	}
}
