package node

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"

	"vitalns/zones/zonefile"
)

// maxFile bounds a file that a user names; a larger one is refused.
const maxFile = 256 << 20

// errIrregular is what a file is refused with that is a pipe, a socket or a device.
var errIrregular = errors.New("is not a regular file")

// errChanged is what a file is refused with that somebody writes while it is read: the half of a zone is a zone.
var errChanged = errors.New("changed while it was read: write a new file beside it and rename that to it (mv)")

// readTries is how often a file is read that changes meanwhile.
const readTries = 3

// ReadFile reads a file that a user names. It waits for nobody: what is no regular file is refused, and so is
// what is larger than 256 MiB, or never the same before and after. Its errors but for size are *fs.PathError.
func ReadFile(path string) ([]byte, error) {
	text, _, err := readSteady(path, readSized)
	return text, err
}

// readSteady reads a file by read, anew if it is another one afterwards, and says what it was then.
func readSteady(path string, read func(f *os.File, size int64) ([]byte, error)) ([]byte, fs.FileInfo, error) {
	for range readTries {
		f, before, err := openFile(path)
		if err != nil {
			return nil, nil, err
		}
		text, err := read(f, before.Size())
		_ = f.Close() // nothing was written
		if err != nil {
			return nil, nil, err
		}
		if after, err := os.Stat(path); err == nil && sameContent(before, after) {
			return text, after, nil
		}
	}
	return nil, nil, &fs.PathError{Op: "read", Path: path, Err: errChanged}
}

// sameContent is true of two looks at a file that nobody wrote to in between, as far as its size and time tell.
func sameContent(a, b fs.FileInfo) bool {
	return a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

func readSized(f *os.File, size int64) ([]byte, error) {
	if size > maxFile {
		return nil, fmt.Errorf("%d bytes are more than %d", size, maxFile)
	}
	var text bytes.Buffer
	text.Grow(int(size) + bytes.MinRead)
	return readBounded(&text, f)
}

// A reading is the files of one load, as they were when they were read.
type reading map[string]fs.FileInfo

// file is ReadFile, and remembers the file.
func (r reading) file(path string) ([]byte, error) {
	text, info, err := readSteady(path, readSized)
	if err == nil {
		r[path] = info
	}
	return text, err
}

// overwritten are the files that were written to since they were read, of which a part may have been read. What
// was put in the place of one by renaming is no part of it.
func (r reading) overwritten() (problems zonefile.Problems) {
	for path, was := range r {
		if is, err := os.Stat(path); err == nil && os.SameFile(was, is) && !sameContent(was, is) {
			problems = append(problems, zonefile.Problem{File: path, Text: fileError(errChanged)})
		}
	}
	return problems
}

// ReadInput is ReadFile for what comes in by standard input.
func ReadInput(r io.Reader) ([]byte, error) { return readBounded(new(bytes.Buffer), r) }

// A piecemeal reader reads so much at once: a kernel that is not preempted while it copies would keep the core
// from those that answer until all of a large file is there.
type piecemeal struct{ io.Reader }

const piece = 128 << 10

func (r piecemeal) Read(p []byte) (int, error) { return r.Reader.Read(p[:min(len(p), piece)]) }

func readBounded(into *bytes.Buffer, r io.Reader) ([]byte, error) {
	n, err := into.ReadFrom(io.LimitReader(piecemeal{r}, maxFile+1))
	if err == nil && n > maxFile {
		err = fmt.Errorf("more than %d bytes", maxFile)
	}
	if err != nil {
		return nil, err
	}
	return into.Bytes(), nil
}

// openFile opens a regular file for reading, without waiting for anybody to write into it.
func openFile(path string) (*os.File, fs.FileInfo, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "read", Path: path, Err: errIrregular}
		if info.IsDir() {
			err = &fs.PathError{Op: "read", Path: path, Err: syscall.EISDIR}
		}
	}
	if err != nil {
		_ = f.Close() // nothing was read
		return nil, nil, err
	}
	return f, info, nil
}

// regular refuses what openFile does.
func regular(path string) error {
	f, _, err := openFile(path)
	if err != nil {
		return err
	}
	return f.Close()
}

// fileError is an error of the file system without the path, which stands before it.
func fileError(err error) string {
	var perr *fs.PathError
	if errors.As(err, &perr) {
		return fmt.Sprintf("cannot be read: %v", perr.Err)
	}
	return "cannot be read: " + err.Error()
}

func fileHint(err error) string {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return "the user that runs vitalns must be able to read it"
	case errors.Is(err, syscall.EISDIR):
		return "name the files in it, as DIR/*.toml"
	case errors.Is(err, errIrregular):
		return "it is read again with every reload: put what it gives into a file"
	}
	return ""
}
