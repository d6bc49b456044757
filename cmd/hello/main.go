// Command hello is the only program of the built-in image "hello". Without arguments it
// greets; further commands make it good for a first look at a container that stays. Each
// command is also a name of the program: /bin/sleep, /bin/cat, …
package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const usage = `usage: hello [COMMAND]
  (none)          say hello and end
  sleep SECONDS   wait; SIGTERM or SIGINT ends it
  serve [PORT]    answer HTTP requests (default port 8080), one log line each
  cat [FILE...]   copy files or standard input to standard output
  echo [TEXT...]  print the text
  env             print the environment
  id              print user and group
  ls [DIR...]     list directories
  exit CODE       end with that exit code
  true, false     end with 0 or 1
`

func main() { os.Exit(run(os.Args)) }

// run chooses the command by the program's name, then by the first argument.
func run(argv []string) int {
	if len(argv) == 0 {
		argv = []string{"hello"}
	}
	name, args := argv[0][strings.LastIndexByte(argv[0], '/')+1:], argv[1:]
	if _, ok := commands[name]; !ok {
		if len(args) == 0 {
			return result("hello", greet())
		}
		name, args = args[0], args[1:]
	}
	command, ok := commands[name]
	if !ok {
		fmt.Fprint(os.Stderr, usage)
		return 2
	}
	return command(name, args)
}

// commands are the words that hello understands. Each returns an exit code.
var commands = map[string]func(name string, args []string) int{
	"sleep": sleep,
	"serve": serve,
	"cat":   cat,
	"ls":    ls,
	"exit":  exit,
	"echo":  func(_ string, args []string) int { fmt.Println(strings.Join(args, " ")); return 0 },
	"env":   func(string, []string) int { fmt.Println(strings.Join(os.Environ(), "\n")); return 0 },
	"id": func(string, []string) int {
		groups, err := os.Getgroups()
		fmt.Printf("uid=%d gid=%d groups=%v\n", os.Getuid(), os.Getgid(), groups)
		return result("id", err)
	},
	"true":  func(string, []string) int { return 0 },
	"false": func(string, []string) int { return 1 },
}

// greet says where the program finds itself.
func greet() error {
	host, err := os.Hostname()
	if err != nil {
		return err
	}
	fmt.Printf("Hello from a container.\n\n"+
		"This is %s, process %d, user %d. The image came with manager; nothing was downloaded.\n\n"+
		"Next steps:\n"+
		"  manager run -d --name web --network host hello serve\n"+
		"  manager logs web\n"+
		"  manager exec web ls /\n"+
		"  manager stop web\n", host, os.Getpid(), os.Getuid())
	return nil
}

// result reports an error and turns it into an exit code.
func result(name string, err error) int {
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		return 1
	}
	return 0
}

// stopSignals receives what asks a process to end. As pid 1 of a container there is no default action.
func stopSignals() <-chan os.Signal {
	ch := make(chan os.Signal, 1)
	signal.Notify(ch, syscall.SIGTERM, syscall.SIGINT)
	return ch
}

// sleep waits for the time or a signal; then the exit code is 128 and the signal's number.
func sleep(name string, args []string) int {
	d := time.Duration(1<<63 - 1)
	if len(args) > 0 && args[0] != "infinity" {
		seconds, err := strconv.ParseFloat(args[0], 64)
		if err != nil || seconds < 0 {
			return result(name, fmt.Errorf("%q is not a number of seconds", args[0]))
		}
		d = time.Duration(seconds * float64(time.Second))
	}
	select {
	case <-time.After(d):
		return 0
	case sig := <-stopSignals():
		return 128 + int(sig.(syscall.Signal))
	}
}

// serve answers every connection with one page until a signal comes. It speaks just
// enough HTTP by itself: net/http would triple the image.
func serve(name string, args []string) int {
	port := "8080"
	if len(args) > 0 {
		port = args[0]
	}
	l, err := net.Listen("tcp", ":"+port)
	if err != nil {
		return result(name, err)
	}
	fmt.Printf("listening on port %s\n", port)
	stopped := stopSignals()
	go func() {
		for {
			c, err := l.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil {
				go answer(c)
			}
		}
	}()
	sig := <-stopped
	fmt.Printf("%v: good-bye\n", sig)
	return result(name, l.Close())
}

// answer reads one request line and sends a page.
func answer(c net.Conn) {
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	buf := make([]byte, 4096)
	n, err := c.Read(buf)
	if err != nil && !errors.Is(err, io.EOF) {
		return
	}
	line, _, _ := strings.Cut(string(buf[:n]), "\r\n")
	fmt.Printf("%s %s %q\n", time.Now().UTC().Format(time.RFC3339), c.RemoteAddr(), line)
	host, _ := os.Hostname()
	body := "Hello from " + host + "\n"
	_, _ = fmt.Fprintf(c, "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", len(body), body)
}

// cat copies files, or standard input, to standard output.
func cat(name string, args []string) int {
	if len(args) == 0 {
		_, err := io.Copy(os.Stdout, os.Stdin)
		return result(name, err)
	}
	code := 0
	for _, path := range args {
		code |= result(name, copyFile(path))
	}
	return code
}

func copyFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	_, err = io.Copy(os.Stdout, f)
	return err
}

// ls lists directories, one name a line.
func ls(name string, args []string) int {
	if len(args) == 0 {
		args = []string{"."}
	}
	code := 0
	for _, dir := range args {
		entries, err := os.ReadDir(dir)
		for _, e := range entries {
			fmt.Println(e.Name())
		}
		code |= result(name, err)
	}
	return code
}

// exit ends with the code that was asked for.
func exit(name string, args []string) int {
	if len(args) != 1 {
		return result(name, errors.New("one exit code is wanted"))
	}
	code, err := strconv.ParseUint(args[0], 10, 8)
	if err != nil {
		return result(name, fmt.Errorf("%q is not an exit code", args[0]))
	}
	return int(code)
}
