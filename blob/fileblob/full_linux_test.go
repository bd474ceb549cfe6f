package fileblob

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/gigawatt-cloud/gigawatt/blob"
	"github.com/gigawatt-cloud/gigawatt/blob/driver"
)

const fullVar = "GIGAWATT_TEST_FULL_DIR"

// TestDiskFull fills a real file system up: a tmpfs of 8 MB that the test mounts
// in namespaces of its own, which needs no root where the kernel lets users have them.
func TestDiskFull(t *testing.T) {
	if dir := os.Getenv(fullVar); dir != "" {
		if err := syscall.Mount("none", dir, "tmpfs", 0, "size=8m"); err != nil {
			t.Skipf("cannot mount a tmpfs, so a full disk is not tested here: %v", err)
		}
		fillUp(t, dir)
		return
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^TestDiskFull$", "-test.v")
	cmd.Env = append(os.Environ(), fullVar+"="+t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	switch {
	case strings.Contains(string(out), "--- SKIP"):
		t.Skipf("%s", out)
	case errors.Is(err, syscall.EPERM), errors.Is(err, syscall.EINVAL), errors.Is(err, syscall.ENOSPC):
		t.Skipf("the kernel gives users no namespaces (%v), so a full disk is not tested here", err)
	case err != nil || !strings.Contains(string(out), "--- PASS"):
		t.Fatalf("%v\n%s", err, out)
	}
}

func fillUp(t *testing.T, dir string) {
	for _, named := range []bool{false, true} {
		s, err := Open(dir, Options{NamedTemp: named})
		if err != nil {
			t.Fatal(err)
		}
		mb := strings.Repeat("x", 1<<20)
		var kept []driver.ID
		for {
			id, _, err := blob.New(s).Put(t.Context(), strings.NewReader(mb))
			if err != nil {
				if !errors.Is(err, blob.ErrFull) {
					t.Errorf("Put on a full disk = %v, want ErrFull", err)
				}
				break
			}
			if kept = append(kept, id); len(kept) > 8 {
				t.Fatal("9 MB fit into 8")
			}
		}
		if len(kept) < 6 {
			t.Errorf("only %d MB fit into 8", len(kept))
		}
		for _, id := range kept {
			if got, err := readString(t, s, id); got != mb || err != nil {
				t.Errorf("read %d bytes, %v", len(got), err)
			}
		}
		var st syscall.Statfs_t
		if err := syscall.Statfs(dir, &st); err != nil {
			t.Fatal(err)
		}
		if used := int64(st.Blocks-st.Bfree) * st.Bsize; used > int64(len(kept))<<20+1<<19 {
			t.Errorf("%d bytes are in use for %d MB", used, len(kept))
		}
		for _, id := range kept {
			if err := s.Delete(t.Context(), id); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := readString(t, s, putString(t, s, mb)); got != mb || err != nil {
			t.Errorf("after space returned: %d bytes, %v", len(got), err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		clearDir(t, dir)
	}
}

func clearDir(t *testing.T, dir string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if err := os.RemoveAll(dir + "/" + e.Name()); err != nil {
			t.Fatal(err)
		}
	}
}
