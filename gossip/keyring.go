package gossip

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"slices"
)

// MaxKeys bounds a key file: every packet of a stranger is tried with every key.
const MaxKeys = 8

// LoadKeys reads a key file: one base64 key of 16, 24 or 32 bytes per line, `#` starts a comment. The
// first encrypts what is sent; all of them decrypt. So a key is rotated without a gap by adding the new
// one in second place on every node, then moving it to the first, then removing the old one.
func LoadKeys(path string) ([][]byte, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("key file: %w", err)
	}
	keys, err := parseKeys(text)
	if err != nil {
		return nil, fmt.Errorf("key file %s: %w", path, err)
	}
	return keys, nil
}

// parseKeys never repeats what stands in the file: a wrong line may be a secret all the same.
func parseKeys(text []byte) (keys [][]byte, err error) {
	lines := bufio.NewScanner(bytes.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		line, _, _ := bytes.Cut(lines.Bytes(), []byte("#"))
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			continue
		}
		key, err := base64.StdEncoding.DecodeString(string(line))
		if err != nil {
			return nil, fmt.Errorf("line %d: not base64 (vitalns keygen cluster makes a key)", n)
		}
		if err := checkKey(key); err != nil {
			return nil, fmt.Errorf("line %d: %w (vitalns keygen cluster makes one)", n, err)
		}
		if slices.ContainsFunc(keys, func(k []byte) bool { return bytes.Equal(k, key) }) {
			return nil, fmt.Errorf("line %d: this key stands there already", n)
		}
		if len(keys) == MaxKeys {
			return nil, fmt.Errorf("line %d: more than %d keys", n, MaxKeys)
		}
		keys = append(keys, key)
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if len(keys) == 0 {
		return nil, errors.New("no key in it (vitalns keygen cluster makes one)")
	}
	return keys, nil
}

func checkKey(key []byte) error {
	switch len(key) {
	case 16, 24, 32:
		return nil
	}
	return fmt.Errorf("a key is 16, 24 or 32 bytes, this one is %d", len(key))
}

// GenerateKey returns a new line for a key file, without line feed: a random key of 32 bytes (AES-256).
func GenerateKey() string {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	return base64.StdEncoding.EncodeToString(key)
}
