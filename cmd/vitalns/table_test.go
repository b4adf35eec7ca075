package main

import (
	"bytes"
	"testing"
	"time"
)

func TestAgo(t *testing.T) {
	for _, tt := range []struct {
		d    time.Duration
		want string
	}{
		{-time.Second, "-"},
		{0, "0s"},
		{2300 * time.Microsecond, "2ms"},
		{999 * time.Millisecond, "999ms"},
		{time.Second, "1s"},
		{59*time.Second + 999*time.Millisecond, "59s"},
		{time.Minute, "1m"},
		{10 * time.Minute, "10m"},
		{61 * time.Second, "1m1s"},
		{time.Hour, "1h"},
		{20 * time.Hour, "20h"},
		{time.Hour + 59*time.Minute + 59*time.Second, "1h59m"},
		{24 * time.Hour, "1d"},
		{76*time.Hour + 30*time.Minute, "3d4h"},
		{400 * 24 * time.Hour, "400d"},
	} {
		if got := ago(tt.d); got != tt.want {
			t.Errorf("ago(%v) = %q, want %q", tt.d, got, tt.want)
		}
	}
}

// Columns are as wide as their widest cell in characters; empty cells leave nothing at the ends of lines.
func TestTable(t *testing.T) {
	var b bytes.Buffer
	tab := newTable(&b, "NAME", "STATE", "NOTE")
	tab.row("köln", "up", "")
	tab.row("a-long-name", "", "x")
	tab.colour(1, red)
	if err := tab.flush(); err != nil {
		t.Fatal(err)
	}
	want := "NAME         STATE  NOTE\n" +
		"köln         up\n" +
		"a-long-name         x\n"
	if got := b.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// Colours change nothing about the width of columns.
func TestTableInColour(t *testing.T) {
	s := screen{colours: true}
	tab := newTable(&s, "NAME", "STATE")
	tab.row("a", "down")
	tab.colour(0, yellow)
	tab.colour(1, red)
	if err := tab.flush(); err != nil {
		t.Fatal(err)
	}
	want := "\x1b[1mNAME\x1b[0m  \x1b[1mSTATE\x1b[0m\n" +
		"\x1b[33ma\x1b[0m     \x1b[31mdown\x1b[0m\n"
	if got := s.String(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestFew(t *testing.T) {
	for _, tt := range []struct {
		names []string
		want  string
	}{
		{nil, ""},
		{[]string{"a", "b", "c"}, "a,b,c"},
		{[]string{"a", "b", "c", "d"}, "a,b,... 2 more"},
	} {
		if got := few(tt.names, 2); got != tt.want {
			t.Errorf("few(%v) = %q, want %q", tt.names, got, tt.want)
		}
	}
}

func TestDurationFlag(t *testing.T) {
	for text, want := range map[string]time.Duration{"2h30m": 150 * time.Minute, "7d": 168 * time.Hour, "500ms": 500 * time.Millisecond} {
		var d durationFlag
		if err := d.Set(text); err != nil || time.Duration(d) != want {
			t.Errorf("Set(%q) = %v, %v, want %v", text, time.Duration(d), err, want)
		}
	}
	for _, text := range []string{"", "5", "-1h", "1 h", "1y"} {
		if err := new(durationFlag).Set(text); err == nil {
			t.Errorf("Set(%q) is taken", text)
		}
	}
}
