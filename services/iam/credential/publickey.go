package credential

import (
	"bytes"
	"crypto/md5"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"math/big"
	"strings"

	api "github.com/gigawatt-cloud/gigawatt/api/iamapi"
)

// The RSA keys that AWS takes.
const (
	sshRSA     = "ssh-rsa"
	minRSABits = 2048
	maxRSABits = 16384
)

// parsePublicKey reads an RSA public key in the form of OpenSSH or in PEM, and
// returns it as the SSH protocol has it (RFC 4253, section 6.6).
func parsePublicKey(text string) ([]byte, error) {
	text = strings.TrimSpace(text)
	if block, rest := pem.Decode([]byte(text)); block != nil && len(bytes.TrimSpace(rest)) == 0 {
		return parsePEMKey(block)
	}
	kind, rest, ok := strings.Cut(text, " ")
	if !ok || kind != sshRSA {
		return nil, api.ErrUnrecognizedPublicKeyEncodingException("The public key is neither an %s key nor PEM.", sshRSA)
	}
	encoded, _, _ := strings.Cut(strings.TrimLeft(rest, " "), " ")
	blob, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return nil, errPublicKey("it is not base64")
	}
	k, err := decodeSSH(blob)
	if err != nil {
		return nil, errPublicKey(err.Error())
	}
	return checkRSA(k)
}

func parsePEMKey(block *pem.Block) ([]byte, error) {
	var k any
	var err error
	switch block.Type {
	case "PUBLIC KEY":
		k, err = x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		k, err = x509.ParsePKCS1PublicKey(block.Bytes)
	default:
		return nil, api.ErrUnrecognizedPublicKeyEncodingException("The PEM block is no public key.")
	}
	if err != nil {
		return nil, errPublicKey("it cannot be parsed")
	}
	key, ok := k.(*rsa.PublicKey)
	if !ok {
		return nil, errPublicKey("it is not an RSA key")
	}
	return checkRSA(key)
}

func errPublicKey(why string) error {
	return api.ErrInvalidPublicKeyException("The public key is not valid: %s.", why)
}

func checkRSA(k *rsa.PublicKey) ([]byte, error) {
	if n := k.N.BitLen(); n < minRSABits || n > maxRSABits {
		return nil, errPublicKey("it must have 2048 to 16384 bits")
	}
	if k.E < 3 || k.E&1 == 0 {
		return nil, errPublicKey("its exponent is not one of RSA")
	}
	return encodeSSH(k), nil
}

var errSSH = errors.New("it is not in the form of SSH")

func decodeSSH(blob []byte) (*rsa.PublicKey, error) {
	var fields [3][]byte
	for i := range fields {
		if len(blob) < 4 {
			return nil, errSSH
		}
		n := binary.BigEndian.Uint32(blob)
		blob = blob[4:]
		if uint64(n) > uint64(len(blob)) {
			return nil, errSSH
		}
		fields[i], blob = blob[:n], blob[n:]
	}
	e, n := new(big.Int).SetBytes(fields[1]), new(big.Int).SetBytes(fields[2])
	if len(blob) > 0 || string(fields[0]) != sshRSA || e.BitLen() > 31 {
		return nil, errSSH
	}
	return &rsa.PublicKey{N: n, E: int(e.Int64())}, nil
}

func encodeSSH(k *rsa.PublicKey) []byte {
	var out []byte
	for _, f := range [][]byte{[]byte(sshRSA), mpint(big.NewInt(int64(k.E))), mpint(k.N)} {
		out = binary.BigEndian.AppendUint32(out, uint32(len(f)))
		out = append(out, f...)
	}
	return out
}

// mpint is a number in the SSH protocol: one with its top bit set is negative.
func mpint(n *big.Int) []byte {
	b := n.Bytes()
	if len(b) > 0 && b[0]&0x80 != 0 {
		b = append([]byte{0}, b...)
	}
	return b
}

func sshText(blob []byte) string { return sshRSA + " " + base64.StdEncoding.EncodeToString(blob) }

func pemText(blob []byte) (string, error) {
	k, err := decodeSSH(blob)
	if err != nil {
		return "", err
	}
	der, err := x509.MarshalPKIXPublicKey(k)
	if err != nil {
		return "", err
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})), nil
}

// fingerprint is the MD5 fingerprint of OpenSSH.
func fingerprint(blob []byte) string {
	sum := md5.Sum(blob)
	var parts []string
	for i := range sum {
		parts = append(parts, hex.EncodeToString(sum[i:i+1]))
	}
	return strings.Join(parts, ":")
}
