package engines

// A scenario is something that users do with containers, and what they must see.
type scenario struct {
	name string
	// on are the engines that have words for it.
	on   []string
	play func(b *box)
}

// all are the engines; classic are those that speak docker's words.
var (
	all     = []string{"podman", "docker", "ctr"}
	classic = []string{"podman", "docker"}
	podman  = []string{"podman"}
	docker  = []string{"docker"}
	ctr     = []string{"ctr"}
	shims   = []string{"docker", "ctr"}
)

// scenarios is the table.
func scenarios() []scenario {
	return []scenario{
		{"exit-codes", all, exitCodes},
		{"exec-failures", classic, runFailures},
		{"exec-failures-text", ctr, runFailuresText},
		{"streams", all, streams},
		{"environment", all, environment},
		{"user", classic, user},
		{"home", all, home},
		{"hostname", classic, hostname},
		{"image-root", all, imageRoot},
		{"read-only", all, readOnly},
		{"binds", all, binds},
		{"volume", classic, volume},
		{"tmpfs", classic, tmpfs},
		{"ulimit", classic, ulimit},
		{"sysctl", classic, sysctl},
		{"oom-score", classic, oomScore},

		{"capabilities", all, capabilities},
		{"no-new-privs", classic, noNewPrivs},
		{"seccomp-default", all, seccompDefault},
		{"devices", all, devices},
		{"masked-paths", all, maskedPaths},
		{"privileged", classic, privileged},
		{"user-namespace", podman, userNamespace},
		{"network", all, network},
		{"pid-host", classic, pidHost},
		{"shared-namespaces", classic, sharedNamespaces},
		{"joined-namespaces", ctr, joinedNamespaces},

		{"memory", all, memory},
		{"cpu", all, cpu},
		{"pids", classic, pids},
		{"no-cgroup", podman, noCgroup},
		{"update", classic, update},
		{"oom", classic, oom},
		{"metrics", ctr, metrics},

		{"create-start", classic, createStart},
		{"init-start", podman, initStart},
		{"pause", all, pause},
		{"kill-signal", all, killSignal},
		{"stop", classic, stop},
		{"stop-deaf", classic, stopDeaf},
		{"restart", classic, restart},
		{"restart-policy", docker, restartPolicy},
		{"remove-running", all, removeRunning},
		{"remove-paused", all, removePaused},
		{"remove-frozen", all, removeFrozen},
		{"remove-after-shim", shims, removeAfterShim},
		{"logs", all, logs},
		{"top", all, top},
		{"healthcheck", classic, healthcheck},
		{"crowd", all, crowd},
		{"hooks", podman, hooks},
		{"preserve-fds", podman, preserveFDs},
		{"notify", podman, notify},
		{"init-process", docker, initProcess},

		{"exec", all, execCodes},
		{"exec-process", all, execProcess},
		{"exec-detached", classic, execDetached},
		{"exec-crowd", all, execCrowd},
		{"exec-stopped", classic, execStopped},
		{"exec-paused", classic, execPaused},
		{"run-terminal", all, runTerminal},
		{"exec-terminal", all, execTerminal},
		{"attach", all, attach},
		{"detach-keys", classic, detachKeys},
	}
}
