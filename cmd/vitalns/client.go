package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"vitalns/cmd/internal/node"
)

// options are the flags that every command has.
type options struct {
	server    string
	tokenFile string
}

// A client speaks to one daemon.
type client struct {
	base  string // http://HOST:PORT; over a unix socket the host is a placeholder
	where string // as the user would write it
	token string
	http  *http.Client
}

// dialTimeout bounds the search for a daemon, callTimeout one ordinary call: an override waits up to 2 s
// for the other nodes. A call that has the daemon read its files takes what they take, on a machine whose
// cores are busy ten times as long.
const (
	dialTimeout = 2 * time.Second
	callTimeout = 15 * time.Second
	loadTimeout = 10 * time.Minute
)

const defaultHTTP = "http://127.0.0.1:8053"

// connect finds the daemon: --server, $VITALNS_SERVER, else the first of the usual places that accepts a
// connection.
func (o *options) connect(ctx context.Context) (*client, error) {
	token, err := o.token()
	if err != nil {
		return nil, err
	}
	server := o.server
	if server == "" {
		server = os.Getenv("VITALNS_SERVER")
	}
	if server != "" {
		c, err := newClient(server, token)
		if err != nil {
			return nil, err
		}
		return c, c.reach(ctx)
	}
	user := "unix://" + node.UserSocket()
	places := []string{"unix://" + node.SystemSocket, user, defaultHTTP}
	for _, place := range places {
		if place == user && !node.OwnSocket(node.UserSocket()) {
			continue // nobody's, or somebody else's
		}
		c, err := newClient(place, token)
		if err == nil && c.reach(ctx) == nil {
			return c, nil
		}
	}
	return nil, &failure{code: exitNoNode, err: errors.New("no daemon found at " + strings.Join(places, ", ")),
		hint: "start one with `vitalns run`, or say where it is with --server or VITALNS_SERVER"}
}

func (o *options) token() (string, error) {
	name := o.tokenFile
	if name == "" {
		name = os.Getenv("VITALNS_TOKEN_FILE")
	}
	if name == "" {
		return "", nil
	}
	raw, err := node.ReadFile(name)
	if err != nil {
		return "", fmt.Errorf("read token file: %w", err)
	}
	return strings.TrimSpace(string(raw)), nil
}

func newClient(server, token string) (*client, error) {
	u, err := url.Parse(server)
	if err != nil {
		return nil, usageError("--server %q: %v", server, err)
	}
	c := &client{where: server, token: token}
	var dialer net.Dialer
	transport := &http.Transport{DisableKeepAlives: true}
	switch {
	case u.Scheme == "unix" && u.Path != "" && u.Host == "":
		c.base = "http://vitalns"
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", u.Path)
		}
	case (u.Scheme == "http" || u.Scheme == "https") && u.Host != "":
		c.base = strings.TrimSuffix(server, "/")
	default:
		return nil, &failure{code: exitUsage, err: fmt.Errorf("--server %q is neither unix:///PATH nor http://HOST:PORT", server)}
	}
	c.http = &http.Client{Transport: transport}
	return c, nil
}

// reach reports whether something accepts connections there.
func (c *client) reach(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	resp, err := c.do(ctx, http.MethodGet, "/livez", nil)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// get reads path into v.
func (c *client) get(ctx context.Context, path string, v any) error {
	raw, err := c.raw(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	return c.decode(raw, v)
}

// post sends body to path and reads the answer into v.
func (c *client) post(ctx context.Context, path string, body, v any) error {
	raw, err := c.raw(ctx, http.MethodPost, path, body)
	if err != nil {
		return err
	}
	return c.decode(raw, v)
}

func (c *client) decode(raw []byte, v any) error {
	if err := json.Unmarshal(raw, v); err != nil {
		return &failure{code: exitNoNode, err: fmt.Errorf("%s does not answer as vitalns does: %w", c.where, err)}
	}
	return nil
}

// maxBody bounds what is read of an answer.
const maxBody = 256 << 20

func (c *client) raw(ctx context.Context, method, path string, body any) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return c.wait(ctx, method, path, body)
}

// wait is raw for as long as ctx lasts.
func (c *client) wait(ctx context.Context, method, path string, body any) ([]byte, error) {
	resp, err := c.do(ctx, method, path, body)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err != nil {
		return nil, c.silent(ctx, err)
	}
	return raw, nil
}

// do sends one request. An answer that is an error comes back as one, with its hint.
func (c *client) do(ctx context.Context, method, path string, body any) (*http.Response, error) {
	var in io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return nil, fmt.Errorf("encode request: %w", err)
		}
		in = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, in)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.where, err)
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.silent(ctx, err)
	}
	if resp.StatusCode < 400 || resp.StatusCode == http.StatusUnprocessableEntity { // 422: the body says it all
		return resp, nil
	}
	defer resp.Body.Close()
	raw, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<20)) // what came is what there is to say
	var p node.Problem
	if json.Unmarshal(raw, &p) != nil || p.Error == "" {
		p.Error = fmt.Sprintf("%s: %s %s", c.where, method, resp.Status)
	}
	return nil, &failure{code: exitFailed, err: errors.New(p.Error), hint: p.Hint}
}

// silent says that no answer came, and what to look at.
func (c *client) silent(ctx context.Context, err error) error {
	hint := "is the daemon running there?"
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		err, hint = errors.New("not in time"), "it is busy, or packets get lost on the way: its log may say more, or try again"
	case errors.Is(err, os.ErrPermission):
		hint = "the socket is for the daemon's user and group: be one of them, or root"
	}
	return &failure{code: exitNoNode, err: fmt.Errorf("%s does not answer: %w", c.where, err), hint: hint}
}
