package identity

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/gigawatt-cloud/gigawatt/aws/arn"
	"github.com/gigawatt-cloud/gigawatt/kv"
)

// MFADevice is a virtual MFA device: a TOTP seed that is shared with an
// authenticator program.
type MFADevice struct {
	Entity
	// UserID is the unique id of the user who enabled it, "" for none; the
	// account number for the root.
	UserID  string    `cbor:"user"`
	Enabled time.Time `cbor:"enabled"`
	// Seed is sealed with the master key.
	Seed []byte `cbor:"seed"`
	// LastStep is the time step of the last code that was taken: no code works twice.
	LastStep int64 `cbor:"last_step"`
	// Drift is how many steps the device's clock was ahead when it was last
	// synchronized.
	Drift int64 `cbor:"drift,omitempty"`
}

// KindMFA is the kind of virtual MFA devices.
const KindMFA Kind = "mfa"

// MFADevices are the virtual MFA devices; the ARN is the serial number.
var MFADevices = NewDirectory(KindMFA, func(d *MFADevice) *Entity { return &d.Entity })

// MFADevicesOf lists the devices that users have enabled: account, user id,
// folded name of the device -> name of the device.
var MFADevicesOf = kv.NewTable[string]("iam/mfaof", kv.Small())

// ErrMFA says that a code is not right for the device, or that the device is
// not the user's.
var ErrMFA = errors.New("identity: the MFA code does not fit the device of the user")

// TOTP as RFC 6238 has it and authenticator programs expect it.
const (
	totpStep   = 30
	totpDigits = 1_000_000
	totpDrift  = 1 // steps that a clock may be off
)

// TOTP is the code of a seed at a time step (30 seconds each since 1970).
func TOTP(seed []byte, step int64) string {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(step))
	h := hmac.New(sha1.New, seed)
	h.Write(b[:])
	sum := h.Sum(nil)
	at := sum[len(sum)-1] & 15
	n := binary.BigEndian.Uint32(sum[at:]) & 0x7fffffff
	return fmt.Sprintf("%06d", n%totpDigits)
}

// matchTOTP returns the step around a time whose code this is; it is after
// last. ok is false when there is none.
func matchTOTP(seed []byte, code string, now time.Time, last int64) (step int64, ok bool) {
	at := now.Unix() / totpStep
	for step = at - totpDrift; step <= at+totpDrift; step++ {
		if step > last && hmac.Equal([]byte(TOTP(seed, step)), []byte(code)) {
			return step, true
		}
	}
	return 0, false
}

// SyncMFA takes two codes that a device showed one after the other, no more
// than a window from a time, and notes by how much its clock is off; or it
// returns ErrMFA. It is how a device is enabled and synchronized again.
func (s *Store) SyncMFA(d *MFADevice, first, second string, now time.Time, window time.Duration) error {
	seed, err := s.OpenSeed(d)
	if err != nil {
		return fmt.Errorf("open the seed of %s: %w", d.Name, err)
	}
	at, reach := now.Unix()/totpStep, int64(window/(totpStep*time.Second))
	for off := int64(0); off <= reach; off++ {
		for _, step := range []int64{at - off, at + off} {
			if step > d.LastStep && hmac.Equal([]byte(TOTP(seed, step)), []byte(first)) && hmac.Equal([]byte(TOTP(seed, step+1)), []byte(second)) {
				d.LastStep, d.Drift = step+1, step+1-at
				return nil
			}
		}
	}
	return ErrMFA
}

// SealSeed encrypts the seed of an MFA device for its row.
func (s *Store) SealSeed(id string, seed []byte) ([]byte, error) { return s.secrets.seal(seed, id) }

// OpenSeed decrypts the seed of an MFA device.
func (s *Store) OpenSeed(d *MFADevice) ([]byte, error) { return s.secrets.open(d.Seed, d.ID) }

// UseMFA takes a code of a user's device, or returns ErrMFA. serial is the
// device's ARN; userID is the account number for the root.
func (s *Store) UseMFA(tx *kv.Tx, account arn.AccountID, userID, serial, code string, now time.Time) error {
	d, err := FindMFA(tx, account, serial)
	if isNotFound(err) || err == nil && (d.UserID != userID || d.Enabled.IsZero()) {
		return ErrMFA
	}
	if err != nil {
		return err
	}
	seed, err := s.OpenSeed(d)
	if err != nil {
		return fmt.Errorf("open the seed of %s: %w", serial, err)
	}
	step, ok := matchTOTP(seed, code, now.Add(time.Duration(d.Drift)*totpStep*time.Second), d.LastStep)
	if !ok {
		return ErrMFA
	}
	d.LastStep = step
	return MFADevices.Put(tx, account, d)
}

// FindMFA returns a virtual MFA device by its serial number, or kv.ErrNotFound.
func FindMFA(tx *kv.Tx, account arn.AccountID, serial string) (*MFADevice, error) {
	_, name := SplitARN(serial)
	d, err := MFADevices.Find(tx, account, name)
	if err == nil && MFADevices.ARN(account, d) != serial {
		return nil, kv.ErrNotFound
	}
	return d, err
}
