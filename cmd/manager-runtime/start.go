package main

import (
	"errors"
	"os"
)

func startCommand() *command {
	return &command{
		name: "start", args: "ID", summary: "run the program of a created container", least: 1, most: 1,
		run: func(a *app, args []string) (code int, err error) {
			c, err := a.factory().Load(args[0])
			if err != nil {
				return 0, err
			}
			defer func() { err = errors.Join(err, c.Close()) }()
			notify := notifier{host: os.Getenv("NOTIFY_SOCKET")}
			if err := notify.listen(c.NotifyPath()); err != nil {
				return 0, err
			}
			if err := c.Start(); err != nil {
				return 0, err
			}
			return 0, notify.untilReady(c)
		},
	}
}
