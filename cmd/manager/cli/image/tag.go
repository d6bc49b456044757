package image

import (
	"context"

	"github.com/manager-project/manager/cmd/manager/cli/command"
	"github.com/manager-project/manager/cmd/manager/cli/flags"
)

// Tag is `manager tag`.
func Tag() *command.Command {
	return &command.Command{
		Use:   "tag IMAGE TARGET_NAME [TARGET_NAME...]",
		Short: "Give an image further names",
		Examples: `# Name an image for a registry
manager tag web registry.example.com/team/web:1.2`,
		Args:     command.AtLeast(2, "an image and at least one further name"),
		Complete: flags.CompleteImages,
		Run: func(ctx context.Context, app *command.App, args []string) error {
			images, err := app.Images(ctx)
			if err != nil {
				return err
			}
			return images.Tag(ctx, args[0], args[1:]...)
		},
	}
}

// Untag is `manager untag`.
func Untag() *command.Command {
	return &command.Command{
		Use:   "untag IMAGE [IMAGE...]",
		Short: "Take names away from an image",
		Long:  "Takes the further names away from the image; without any, all its names. The image stays.",
		Examples: `# Take one name away
manager untag web registry.example.com/team/web:1.2`,
		Args:     command.AtLeast(1, "an image"),
		Complete: flags.CompleteImages,
		Run: func(ctx context.Context, app *command.App, args []string) error {
			images, err := app.Images(ctx)
			if err != nil {
				return err
			}
			return images.Untag(ctx, args[0], args[1:]...)
		},
	}
}

// Exists is `manager image exists`.
func Exists() *command.Command {
	return &command.Command{
		Use:   "exists IMAGE",
		Short: "Tell by the exit code whether an image is in the store",
		Long:  "Prints nothing. Exit code 0: it exists; 1: it does not; 125: an error.",
		Examples: `# Pull an image unless it is there
manager image exists docker.io/library/alpine || manager pull docker.io/library/alpine`,
		Args:     command.Exactly(1, "one image name or id"),
		Complete: flags.CompleteImages,
		Run: func(ctx context.Context, app *command.App, args []string) error {
			images, err := app.Images(ctx)
			if err != nil {
				return err
			}
			found, err := images.Exists(ctx, args[0])
			if err == nil && !found {
				return command.ExitCode(1)
			}
			return err
		},
	}
}
