package node

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"vitalns/checks"
)

// Saved is what a node keeps over a restart. Ages and remaining times in Registers hold at Time, by the
// node's own wall clock.
type Saved struct {
	Node        string            `json:"node,omitempty"` // "": written by a version that did not say
	Time        time.Time         `json:"time"`
	Incarnation uint64            `json:"incarnation"`
	Registers   []checks.Register `json:"registers"` // of Ledger.Saved
	// Served are the targets behind each served address, by its key: a probe that is changed while the
	// node is off inherits the verdict of the one before it.
	Served map[string][]string `json:"served"`
}

// A Store keeps a node's state. Load returns the zero Saved when there is none; an error from it means
// that what was there was set aside. Save is durable when it returns.
type Store interface {
	Load() (Saved, error)
	Save(Saved) error
}

// stateFile is the name of the state inside the state directory: a line with the SHA-256 of what
// follows, then JSON. A file that does not match is torn or foreign and is set aside. It holds the secrets
// of cookies, and so is nobody else's to read.
const stateFile = "state.json"

// A Dir is a Store in a directory, locked against a second process.
type Dir struct {
	path string
	node string   // whose state it is; "": of a lone node, whatever its name
	lock *os.File // nil: the file system is read-only
}

// ErrLocked says that another process uses the state directory.
var ErrLocked = errors.New("state directory is in use by another vitalns")

// OpenDir makes the directory of a node's state if need be and locks it. It returns ErrLocked, wrapped, if
// another process holds it. What another node wrote is not loaded. A lone node, of the name "", takes what it
// finds: its own name is nowhere but in its file, and may be that of a host. A file system that has become
// read-only takes no answers away: what is there is loaded, and each Save fails.
func OpenDir(path, node string) (*Dir, error) {
	if err := os.MkdirAll(path, 0o750); err != nil && !errors.Is(err, syscall.EROFS) {
		return nil, fmt.Errorf("make state directory: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(path, "lock"), os.O_CREATE|os.O_RDWR, 0o640)
	if errors.Is(err, syscall.EROFS) {
		return &Dir{path: path, node: node}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("lock state directory: %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = lock.Close() // nothing was written
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("%s: %w", path, ErrLocked)
		}
		return nil, fmt.Errorf("lock state directory: %w", err)
	}
	return &Dir{path: path, node: node, lock: lock}, nil
}

// Close releases the lock.
func (d *Dir) Close() error {
	if d.lock == nil {
		return nil
	}
	return d.lock.Close()
}

// Load implements Store. A state that cannot be read is renamed to state.json.bad, that of another node to
// state.json.of-NODE.
func (d *Dir) Load() (Saved, error) {
	name := filepath.Join(d.path, stateFile)
	raw, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return Saved{}, nil
	}
	var s Saved
	aside := name + ".bad"
	if err == nil {
		s, err = decodeSaved(raw)
	}
	if err == nil && d.node != "" && s.Node != "" && s.Node != d.node {
		aside = name + ".of-" + url.PathEscape(s.Node)
		err = fmt.Errorf("it is the state of node %q, and this is %q", s.Node, d.node)
	}
	if err != nil { // left in place it would be lost under the next one
		if rerr := os.Rename(name, aside); rerr != nil {
			return Saved{}, fmt.Errorf("state %s: %w; setting it aside: %w", name, err, rerr)
		}
		return Saved{}, fmt.Errorf("state %s: %w; set aside as %s", name, err, aside)
	}
	return s, nil
}

// Save implements Store: a new file, synced, renamed over the old one, and the directory synced, so that
// a crash at any moment leaves one whole state.
func (d *Dir) Save(s Saved) error {
	raw, err := encodeSaved(s)
	if err != nil {
		return fmt.Errorf("encode state: %w", err)
	}
	name := filepath.Join(d.path, stateFile)
	f, err := os.OpenFile(name+".new", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("save state: %w", err)
	}
	if err = f.Chmod(0o600); err == nil { // one left behind by an earlier version
		_, err = f.Write(raw)
	}
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(name+".new", name)
	}
	if err != nil {
		return fmt.Errorf("save state: %w", err)
	}
	return syncDir(d.path)
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("save state: %w", err)
	}
	err = dir.Sync()
	if cerr := dir.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("sync state directory: %w", err)
	}
	return nil
}

func encodeSaved(s Saved) ([]byte, error) {
	body, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(body)
	return append([]byte(hex.EncodeToString(sum[:])+"\n"), body...), nil
}

func decodeSaved(raw []byte) (Saved, error) {
	sum, body, ok := bytes.Cut(raw, []byte("\n"))
	want := sha256.Sum256(body)
	if !ok || string(sum) != hex.EncodeToString(want[:]) {
		return Saved{}, errors.New("checksum does not match: torn or edited")
	}
	var s Saved
	if err := json.Unmarshal(body, &s); err != nil {
		return Saved{}, err
	}
	return s, nil
}
