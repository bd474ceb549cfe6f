package server

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// The files of a data directory beside the stores.
const (
	masterKeyFile   = "master.key"
	credentialsFile = "credentials.json"
	kvDir           = "kv"
	blobDir         = "blob"
)

// Credentials is what `gigawatt env` prints: the root access key of the
// cloud's own account, and where the server listens.
type Credentials struct {
	Endpoint        string `json:"endpoint"`
	AccessKeyID     string `json:"access_key_id"`
	SecretAccessKey string `json:"secret_access_key"`
	Region          string `json:"region"`
	AccountID       string `json:"account_id"`
	Open            bool   `json:"open"`
	// CertFile is the server's own certificate when it signed it itself.
	CertFile string `json:"cert_file,omitempty"`
}

// ReadCredentials reads what the server of a data directory has left there.
func ReadCredentials(dir string) (*Credentials, error) {
	b, err := os.ReadFile(filepath.Join(dir, credentialsFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("no server has run with the data directory %s; start one with `gigawatt serve --dir %s`", dir, dir)
	}
	if err != nil {
		return nil, err
	}
	var c Credentials
	if err := json.Unmarshal(b, &c); err != nil {
		return nil, fmt.Errorf("%s is damaged; the next `gigawatt serve` writes it again: %w", filepath.Join(dir, credentialsFile), err)
	}
	return &c, nil
}

func writeCredentials(dir string, c *Credentials) error {
	b, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(dir, credentialsFile), append(b, '\n'), 0o600)
}

// masterKey reads the key that wraps all data keys, or makes it in a directory
// that holds no data yet.
func masterKey(dir string) (*[32]byte, error) {
	file := filepath.Join(dir, masterKeyFile)
	b, err := os.ReadFile(file)
	key := new([32]byte)
	switch {
	case err == nil:
		k, err := hex.DecodeString(strings.TrimSpace(string(b)))
		if err != nil || len(k) != len(key) {
			return nil, fmt.Errorf("%s does not hold a key of 64 hexadecimal digits; put the right file back, without it encrypted data cannot be read", file)
		}
		copy(key[:], k)
		return key, nil
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(dir, kvDir)); err == nil {
		return nil, fmt.Errorf("%s is missing although the directory holds data; put it back, without it encrypted data cannot be read", file)
	}
	if _, err := rand.Read(key[:]); err != nil {
		return nil, err
	}
	return key, writeFile(file, []byte(hex.EncodeToString(key[:])+"\n"), 0o600)
}

// writeFile writes a whole file or nothing, durably.
func writeFile(name string, b []byte, mode fs.FileMode) (err error) {
	f, err := os.CreateTemp(filepath.Dir(name), ".new-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(f.Name())
		}
	}()
	if _, err = f.Write(b); err != nil {
		return err
	}
	if err = errors.Join(f.Chmod(mode), f.Sync(), f.Close()); err != nil {
		return err
	}
	if err = os.Rename(f.Name(), name); err != nil {
		return err
	}
	d, err := os.Open(filepath.Dir(name))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
