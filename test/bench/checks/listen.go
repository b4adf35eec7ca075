//go:build linux

package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"vitalns/checks"
)

// The listeners are at every one of so many ports of so many addresses.
const (
	hosts   = 100
	perHost = 100
)

// acceptAll is what the child does: it listens on hosts x perHost ports, says which network and port they
// begin at, and accepts and closes until its standard input ends.
func acceptAll() error {
	if err := raiseLimit(); err != nil {
		return err
	}
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return fmt.Errorf("epoll: %w", err)
	}
	net, first, err := listenAll(epoll)
	if err != nil {
		return err
	}
	fmt.Printf("%d %d\n", net, first)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // ends with the parent
		os.Exit(0)
	}()
	events := make([]unix.EpollEvent, 256)
	for {
		n, err := unix.EpollWait(epoll, events, -1)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("epoll: %w", err)
		}
		for _, e := range events[:max(n, 0)] {
			for {
				c, _, err := unix.Accept4(int(e.Fd), unix.SOCK_CLOEXEC)
				if err != nil {
					break // none waits
				}
				_ = unix.Close(c) // all that it was for
			}
		}
	}
}

// listenAll opens the listeners on a /16 of loopback that is most likely nobody else's.
func listenAll(epoll int) (net, first int, err error) {
	const least, most = 10000, 30000 // outside the ports that the kernel gives to clients
	net, first = 1+rand.IntN(254), least+rand.IntN(most-least-perHost)
	for h := range hosts {
		for p := range perHost {
			fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				return 0, 0, fmt.Errorf("socket: %w", err)
			}
			addr := &unix.SockaddrInet4{Port: first + p, Addr: [4]byte{127, byte(net), 1, byte(1 + h)}}
			if err = unix.Bind(fd, addr); err == nil {
				err = unix.Listen(fd, 128)
			}
			if err == nil {
				err = unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)})
			}
			if err != nil {
				return 0, 0, fmt.Errorf("listen on 127.%d.1.%d:%d: %w", net, 1+h, first+p, err)
			}
		}
	}
	return net, first, nil
}

// Listeners are the child that accepts, and what there is to probe.
type listeners struct {
	cmd     *exec.Cmd
	stdin   io.Closer
	targets []checks.Target
}

// startListeners starts the child and waits until it listens.
func startListeners() (*listeners, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, "-accept")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the listeners: %w", err)
	}
	l := &listeners{cmd: cmd, stdin: in}
	var net, first int
	if _, err := fmt.Fscan(bufio.NewReader(out), &net, &first); err != nil {
		return nil, errors.Join(fmt.Errorf("the listeners: %w", err), l.stop())
	}
	for h := range hosts {
		for p := range perHost {
			l.targets = append(l.targets, checks.Target{Host: fmt.Sprintf("127.%d.1.%d", net, 1+h), Port: uint16(first + p)})
		}
	}
	return l, nil
}

// stop ends the child.
func (l *listeners) stop() error { return errors.Join(l.stdin.Close(), l.cmd.Wait()) }

// timeWaits is how many sockets are in TIME_WAIT, and rss what this process has in memory.
func timeWaits() int {
	raw, _ := os.ReadFile("/proc/net/sockstat") // none is told: none is counted
	fields := strings.Fields(string(raw))
	for i, f := range fields {
		if f == "tw" && i+1 < len(fields) {
			n, _ := strconv.Atoi(fields[i+1]) // the kernel's own number
			return n
		}
	}
	return 0
}

func rss() int64 {
	raw, _ := os.ReadFile("/proc/self/statm") // as above
	fields := strings.Fields(string(raw))
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize())
}
