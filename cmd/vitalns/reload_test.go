package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A busyNode answers when the time has come, or not at all when the client has gone by then.
type busyNode time.Duration

func (b busyNode) RoundTrip(r *http.Request) (*http.Response, error) {
	select {
	case <-time.After(time.Duration(b)):
		return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader("{}"))}, nil
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
}

// A client waits for a node that reads its files for as long as that is at all likely to end, and says that it
// waits; of other calls it says that the time was up, not that no daemon is there.
func TestClientWaits(t *testing.T) {
	for _, row := range []struct {
		name     string
		busy     time.Duration
		load     bool
		wantTalk bool
		wantErr  string
	}{
		{"quick", time.Second, true, false, ""},
		{"a tenth of a core", 18 * time.Second, true, true, ""},
		{"for ever", 11 * time.Minute, true, true, "still loading after 10m0s"},
		{"another call", 16 * time.Second, false, false, "does not answer: not in time"},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := &client{base: "http://vitalns", where: "unix:///x", http: &http.Client{Transport: busyNode(row.busy)}}
				var talk bytes.Buffer
				var err error
				if row.load {
					_, err = c.load(context.Background(), &talk, "POST", "/api/v1/reload")
				} else {
					_, err = c.raw(context.Background(), "GET", "/api/v1/status", nil)
				}
				if talked := strings.HasPrefix(talk.String(), "still loading"); talked != row.wantTalk {
					t.Errorf("talk: %q", talk.String())
				}
				f := new(failure)
				switch {
				case row.wantErr == "" && err != nil:
					t.Error(err)
				case row.wantErr != "" && (!errors.As(err, &f) || !strings.Contains(f.Error(), row.wantErr) || strings.Contains(f.hint, "running")):
					t.Errorf("got %v (%s), want %q", err, f.hint, row.wantErr)
				}
			})
		})
	}
}
