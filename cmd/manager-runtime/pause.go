package main

import (
	"errors"

	"github.com/manager-project/manager/pkg/libcontainer"
)

func pauseCommand() *command {
	return onContainer("pause", "stop all processes of a container where they are", (*libcontainer.Container).Pause)
}

func resumeCommand() *command {
	return onContainer("resume", "let the processes of a paused container go on", (*libcontainer.Container).Resume)
}

// onContainer is a command that does one thing with one container.
func onContainer(name, summary string, do func(*libcontainer.Container) error) *command {
	return &command{
		name: name, args: "ID", summary: summary, least: 1, most: 1,
		run: func(a *app, args []string) (int, error) {
			c, err := a.factory().Load(args[0])
			if err != nil {
				return 0, err
			}
			return 0, errors.Join(do(c), c.Close())
		},
	}
}
