package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// maxSecret is the largest file of a secret.
const maxSecret = 64 << 10

// secret reads the file that v names.
func (d *decoder) secret(v *value) (string, error) {
	path, ok := v.text()
	if !ok || path == "" {
		return "", fmt.Errorf("is %s: the path of a file is needed", v.describe(""))
	}
	if !filepath.IsAbs(path) && !v.from.variable {
		path = filepath.Join(d.folder, path)
	}
	return readSecret(path)
}

// readSecret returns what is in a file, without the end of its last line: editors and echo write one.
func readSecret(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() { // to open a FIFO blocks until there is a writer
		return "", &fs.PathError{Op: "read", Path: path, Err: errors.New("is no regular file")}
	}
	f, err := os.Open(path) //nolint:gosec // whoever writes the configuration says which
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	text, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	switch {
	case err != nil:
		return "", err
	case len(text) > maxSecret:
		err = fmt.Errorf("is larger than %d bytes, which is no secret", maxSecret)
		return "", &fs.PathError{Op: "read", Path: path, Err: err}
	}
	secret := strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
	if secret == "" {
		return "", &fs.PathError{Op: "read", Path: path, Err: errors.New("is empty")}
	}
	return secret, nil
}
