package body

import (
	"errors"
	"io"
)

// Joined reads several bodies one after the other, each opened when it is reached.
type Joined struct {
	Parts []func() (io.ReadCloser, error)
	cur   io.ReadCloser
}

// Read implements io.Reader.
func (j *Joined) Read(p []byte) (int, error) {
	for {
		if j.cur == nil {
			if len(j.Parts) == 0 {
				return 0, io.EOF
			}
			var err error
			if j.cur, err = j.Parts[0](); err != nil {
				return 0, err
			}
			j.Parts = j.Parts[1:]
		}
		n, err := j.cur.Read(p)
		if errors.Is(err, io.EOF) {
			err = j.cur.Close()
			j.cur = nil
			if n == 0 && err == nil {
				continue
			}
		}
		return n, err
	}
}

// Close implements io.Closer.
func (j *Joined) Close() error {
	if j.cur == nil {
		return nil
	}
	return j.cur.Close()
}
