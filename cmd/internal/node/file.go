package node

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// maxFile bounds a file that a user names; a larger one is refused.
const maxFile = 256 << 20

// errIrregular is what a file is refused with that is a pipe, a socket or a device.
var errIrregular = errors.New("is not a regular file")

// ReadFile reads a file that a user names. It waits for nobody: what is no regular file is refused, and so is
// what is larger than 256 MiB. Its errors but the last are *fs.PathError.
func ReadFile(path string) ([]byte, error) {
	f, size, err := openFile(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if size > maxFile {
		return nil, fmt.Errorf("%d bytes are more than %d", size, maxFile)
	}
	var text bytes.Buffer
	text.Grow(int(size) + bytes.MinRead)
	return readBounded(&text, f)
}

// ReadInput is ReadFile for what comes in by standard input.
func ReadInput(r io.Reader) ([]byte, error) { return readBounded(new(bytes.Buffer), r) }

func readBounded(into *bytes.Buffer, r io.Reader) ([]byte, error) {
	n, err := into.ReadFrom(io.LimitReader(r, maxFile+1))
	if err == nil && n > maxFile {
		err = fmt.Errorf("more than %d bytes", maxFile)
	}
	if err != nil {
		return nil, err
	}
	return into.Bytes(), nil
}

// openFile opens a regular file for reading, without waiting for anybody to write into it.
func openFile(path string) (*os.File, int64, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, 0, err
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
		return nil, 0, err
	}
	return f, info.Size(), nil
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
