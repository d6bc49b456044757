package image

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/manager-project/manager/cmd/manager/cli/command"
	"github.com/manager-project/manager/cmd/manager/cli/flags"
	"github.com/manager-project/manager/cmd/manager/cli/terminal"
	"github.com/manager-project/manager/libpod/image"
	"github.com/manager-project/manager/pkg/errdefs"
)

// authenticator is what login and logout need of the core.
type authenticator interface {
	Login(ctx context.Context, registry string, cred image.Credentials, opts image.LoginOptions) (string, error)
	LoggedIn(ctx context.Context, registry string, opts image.LoginOptions) (string, error)
	Logout(ctx context.Context, registry string, opts image.LoginOptions) (string, error)
	LogoutAll(ctx context.Context, opts image.LoginOptions) ([]string, error)
}

type loginOptions struct {
	remote        remoteOptions
	compatFile    string
	user          string
	password      string
	passwordStdin bool
	getLogin      bool
	verbose       bool
}

// Login is `manager login`.
func Login() *command.Command {
	var o loginOptions
	return &command.Command{
		Use:       "login [options] [REGISTRY]",
		Short:     "Keep credentials for a registry",
		Transfers: true,
		Long:      "Checks a user name and password with the registry and keeps them. Without a registry the first of registries.conf is meant. What is not given is asked for on the terminal.",
		Examples: `# Ask for user name and password
manager login registry.example.com
# In a script
manager login -u ci --password-stdin registry.example.com < token`,
		Flags: func() []flags.Flag {
			table := o.remote.authFlags()
			for i := range table {
				switch table[i].Name {
				case "cert-dir":
					table[i].Value = ""
				case "tls-verify":
					table[i].Default = ""
				}
			}
			return append(table,
				flags.Flag{Name: "compat-auth-file", To: &o.compatFile, Complete: flags.CompleteFiles, Usage: "Keep the credentials in this config.json of Docker"},
				flags.Flag{Name: "get-login", To: &o.getLogin, Usage: "Print the user name that is kept"},
				flags.Flag{Name: "password", Short: "p", To: &o.password, Usage: "Password; others can see it in the list of processes"},
				flags.Flag{Name: "password-stdin", To: &o.passwordStdin, Usage: "Read the password from standard input"},
				flags.Flag{Name: "secret", Type: "string", Unsupported: "secrets are not available in this version"},
				flags.Flag{Name: "username", Short: "u", To: &o.user, Usage: "User name"},
				flags.Flag{Name: "verbose", Short: "v", To: &o.verbose, Usage: "Say where the credentials are kept"},
			)
		},
		Args: command.Between(0, 1, "at most one registry"),
		Run: func(ctx context.Context, app *command.App, args []string) error {
			images, err := app.Images(ctx)
			if err != nil {
				return err
			}
			return login(ctx, app, images, registryOf(args), o)
		},
	}
}

func registryOf(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}

func login(ctx context.Context, app *command.App, core authenticator, registry string, o loginOptions) error {
	remote, err := o.remote.core()
	if err != nil {
		return err
	}
	opts := image.LoginOptions{RemoteOptions: remote, CompatAuthFile: o.compatFile}
	if o.getLogin {
		user, err := core.LoggedIn(ctx, registry, opts)
		if err != nil {
			return err
		}
		app.Println(user)
		return nil
	}
	known, err := core.LoggedIn(ctx, registry, opts)
	if err != nil && !errors.Is(err, errdefs.ErrNotFound) {
		return err
	}
	credentials, err := askCredentials(app, known, o)
	if err != nil {
		return err
	}
	_, err = core.Login(ctx, registry, credentials, opts)
	if err != nil {
		return err
	}
	if o.verbose && (o.remote.authFile != "" || o.compatFile != "") {
		app.Println("Used: " + o.remote.authFile + o.compatFile)
	}
	app.Println("Login Succeeded!")
	return nil
}

// askCredentials takes what the options say and asks for the rest.
func askCredentials(app *command.App, known string, o loginOptions) (image.Credentials, error) {
	c := image.Credentials{Username: o.user, Password: o.password}
	invalid := func(op, text string) error {
		return &errdefs.Error{Op: op, Class: errdefs.ErrInvalid, Cause: errors.New(text)}
	}
	if o.passwordStdin {
		if o.password != "" {
			return c, invalid("--password-stdin", "cannot go with --password")
		}
		if o.user == "" {
			return c, invalid("--password-stdin", "needs --username")
		}
		data, err := io.ReadAll(io.LimitReader(app.In, 1<<20))
		if err != nil {
			return c, fmt.Errorf("read the password: %w", err)
		}
		c.Password = strings.TrimRight(string(data), "\r\n")
		return c, nil
	}
	if c.Username != "" && c.Password != "" {
		return c, nil
	}
	if !terminal.IsTerminal(app.In) {
		return c, errdefs.New(errdefs.ErrInvalid, "", "", "user name or password is missing and standard input is no terminal to ask on").WithOp("login").WithHint("use --username and --password-stdin")
	}
	if c.Username == "" {
		if err := askUser(app, known, &c); err != nil {
			return c, err
		}
	}
	if c.Password == "" {
		fmt.Fprint(app.Err, "Password: ")
		password, err := terminal.ReadPassword(app.In)
		fmt.Fprintln(app.Err)
		if err != nil {
			return c, fmt.Errorf("read the password: %w", err)
		}
		c.Password = password
	}
	return c, nil
}

func askUser(app *command.App, known string, c *image.Credentials) error {
	prompt := "Username: "
	if known != "" {
		prompt = "Username (" + known + "): "
	}
	fmt.Fprint(app.Err, prompt)
	line, err := bufio.NewReader(app.In).ReadString('\n')
	if err != nil {
		return fmt.Errorf("read the user name: %w", err)
	}
	if c.Username = strings.TrimSpace(line); c.Username == "" {
		c.Username = known
	}
	return nil
}

// Logout is `manager logout`.
func Logout() *command.Command {
	var opts image.LoginOptions
	var all bool
	return &command.Command{
		Use:       "logout [options] [REGISTRY]",
		Short:     "Forget the credentials for a registry",
		Transfers: true,
		Examples: `# Forget all
manager logout --all`,
		Flags: func() []flags.Flag {
			return []flags.Flag{
				{Name: "all", Short: "a", To: &all, Usage: "Forget the credentials for all registries"},
				{Name: "authfile", To: &opts.AuthFile, Complete: flags.CompleteFiles, Usage: "File of registry credentials"},
				{Name: "compat-auth-file", To: &opts.CompatAuthFile, Complete: flags.CompleteFiles, Usage: "Docker's config.json to change instead"},
			}
		},
		Args: command.Between(0, 1, "at most one registry"),
		Run: func(ctx context.Context, app *command.App, args []string) error {
			images, err := app.Images(ctx)
			if err != nil {
				return err
			}
			return logout(ctx, app, images, registryOf(args), all, opts)
		},
	}
}

func logout(ctx context.Context, app *command.App, core authenticator, registry string, all bool, opts image.LoginOptions) error {
	if all {
		if registry != "" {
			return &errdefs.Error{Op: "--all", Class: errdefs.ErrInvalid, Cause: errors.New("takes no registry")}
		}
		if _, err := core.LogoutAll(ctx, opts); err != nil {
			return err
		}
		app.Println("Removed login credentials for all registries")
		return nil
	}
	name, err := core.Logout(ctx, registry, opts)
	if err != nil {
		return err
	}
	app.Println("Removed login credentials for " + name)
	return nil
}
