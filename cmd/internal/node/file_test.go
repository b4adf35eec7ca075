package node

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A file that somebody writes while it is read is read again, and refused when that does not end. The reader
// of the test is the one who writes.
func TestFileThatChanges(t *testing.T) {
	inPlace := func(path string) error { return os.WriteFile(path, []byte("half"), 0o600) }
	renamed := func(path string) error {
		if err := os.WriteFile(path+".new", []byte("whole, and new"), 0o600); err != nil {
			return err
		}
		return os.Rename(path+".new", path)
	}
	touched := func(path string) error { return os.Chtimes(path, time.Time{}, time.Unix(1e9, 0)) }
	growing := func(path string) error {
		f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		_, err = f.WriteString("x")
		return errors.Join(err, f.Close())
	}
	for _, row := range []struct {
		name  string
		write func(path string) error
		times int
		want  string // "": refused
		reads int
	}{
		{"nobody", inPlace, 0, "whole, old", 1},
		{"written in place", inPlace, 1, "half", 2},
		{"same size, other time", touched, 1, "whole, old", 2},
		{"renamed", renamed, 1, "whole, and new", 2},
		{"gone", os.Remove, 1, "", 1},
		{"grows for ever", growing, 100, "", readTries},
	} {
		t.Run(row.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x.zone")
			if err := os.WriteFile(path, []byte("whole, old"), 0o600); err != nil {
				t.Fatal(err)
			}
			reads := 0
			text, _, err := readSteady(path, func(f *os.File, size int64) ([]byte, error) {
				text, err := readSized(f, size)
				if reads++; reads <= row.times {
					err = errors.Join(err, row.write(path))
				}
				return text, err
			})
			if string(text) != row.want || (err == nil) != (row.want != "") || reads != row.reads {
				t.Errorf("got %q, %v after %d reads, want %q after %d", text, err, reads, row.want, row.reads)
			}
			if row.reads == readTries && !errors.Is(err, errChanged) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// What is written to between being read and the end of the load is refused as well; what another file took the
// place of was whole.
func TestFileOverwrittenDuringLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.zone")
	if err := os.WriteFile(path, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	from := reading{}
	if _, err := from.file(path); err != nil {
		t.Fatal(err)
	}
	if got := from.overwritten(); len(got) != 0 {
		t.Errorf("nobody wrote: %v", got)
	}
	if err := os.WriteFile(path, []byte("half and half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := from.overwritten(); got.Errors() != 1 || got[0].File != path {
		t.Errorf("written in place: got %v", got)
	}
	if err := os.WriteFile(path+".new", []byte("other"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	if got := from.overwritten(); len(got) != 0 {
		t.Errorf("renamed: got %v", got)
	}
}

// A countingReader counts what is asked of it.
type countingReader struct {
	io.Reader
	most int
}

func (r *countingReader) Read(p []byte) (int, error) {
	r.most = max(r.most, len(p))
	return r.Reader.Read(p)
}

// However large a file is, no system call reads much of it.
func TestReadInPieces(t *testing.T) {
	want := strings.Repeat("x", 10*piece+1)
	for _, room := range []int{0, len(want) + bytes.MinRead} {
		var into bytes.Buffer
		into.Grow(room)
		r := countingReader{Reader: strings.NewReader(want)}
		text, err := readBounded(&into, &r)
		if err != nil || string(text) != want {
			t.Errorf("room for %d: %d bytes, %v", room, len(text), err)
		}
		if r.most > piece {
			t.Errorf("room for %d: %d bytes were asked for at once", room, r.most)
		}
	}
}
