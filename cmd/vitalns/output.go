package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"

	"vitalns/zones/zonefile"
)

// printJSON prints what the daemon said, indented.
func printJSON(out io.Writer, raw []byte) error {
	var buf bytes.Buffer
	if err := json.Indent(&buf, bytes.TrimSpace(raw), "", "  "); err != nil {
		return fmt.Errorf("answer is not JSON: %w", err)
	}
	buf.WriteByte('\n')
	_, err := out.Write(buf.Bytes())
	return err
}

// printValue prints a value as JSON, indented.
func printValue(out io.Writer, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return printJSON(out, raw)
}

// isTerminal reports whether out is a terminal that may be drawn over.
func isTerminal(out io.Writer) bool {
	f, ok := out.(*os.File)
	return ok && term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb"
}

// colour reports whether out takes colour: a terminal, and NO_COLOR is not set (no-color.org).
func colour(out io.Writer) bool {
	if s, ok := out.(*screen); ok {
		return s.colours
	}
	return isTerminal(out) && os.Getenv("NO_COLOR") == ""
}

// An sgr is an SGR parameter (ECMA-48 §8.3.117); "" leaves a text as it is.
type sgr string

const (
	bold   sgr = "1"
	red    sgr = "31"
	yellow sgr = "33"
)

// paint gives a text its colour, if there are any.
func paint(colours bool, c sgr, text string) string {
	if !colours || c == "" || text == "" {
		return text
	}
	return "\x1b[" + string(c) + "m" + text + "\x1b[0m"
}

// A durationFlag is a flag that takes durations as files have them: 2h30m, 7d.
type durationFlag time.Duration

func (d *durationFlag) Set(s string) error {
	v, err := zonefile.ParseDuration(s)
	*d = durationFlag(v)
	return err
}

func (d *durationFlag) String() string {
	if *d == 0 {
		return "" // no default to show
	}
	return time.Duration(*d).String()
}

func (d *durationFlag) Type() string { return "duration" }
