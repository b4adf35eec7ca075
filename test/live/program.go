package live

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Find returns the path of a program. Debian puts daemons into directories that are not in everybody's PATH.
func Find(program string) (path string, err error) {
	for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/sbin", "/sbin") {
		if path, err := exec.LookPath(filepath.Join(dir, program)); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s is not installed", program)
}

// Build builds vitalns as it stands in the tree, in a directory of its own that any user may read and the
// caller removes.
func Build() (dir, program string, err error) {
	if dir, err = os.MkdirTemp("", "vitalns-build-"); err != nil {
		return "", "", err
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return dir, "", err
	}
	program = filepath.Join(dir, "vitalns")
	if out, err := exec.Command("go", "build", "-o", program, "vitalns/cmd/vitalns").CombinedOutput(); err != nil {
		return dir, "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return dir, program, nil
}
