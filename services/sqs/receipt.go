package sqs

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
)

// receipt is what a receipt handle tells: which message, and which of its
// receives. A handle is signed for its queue, and base64.
type receipt struct {
	queue queueID
	key   messageKey
	count int
}

const receiptMAC = 16

func receiptOf(q *queue, m *message) receipt { return receipt{q.ID, m.key(), m.ReceiveCount} }

func (s *svc) handle(a address, r receipt) (string, error) {
	text := fmt.Sprintf("%s/%s/%d", r.queue, r.key, r.count)
	mac, err := s.receiptMAC(a, text)
	if err != nil {
		return "", err
	}
	return base64.StdEncoding.EncodeToString(append(mac, text...)), nil
}

// readHandle is the inverse of handle, for handles of the queue at a.
func (s *svc) readHandle(a address, handle string) (receipt, error) {
	if handle == "" {
		return receipt{}, errMissing("ReceiptHandle")
	}
	b, err := base64.StdEncoding.DecodeString(handle)
	if err != nil || len(b) < receiptMAC || strings.ContainsAny(handle, "\r\n") {
		return receipt{}, errHandle(handle)
	}
	text := string(b[receiptMAC:])
	mac, err := s.receiptMAC(a, text)
	if err != nil {
		return receipt{}, err
	}
	parts := strings.Split(text, "/")
	if !hmac.Equal(mac, b[:receiptMAC]) || len(parts) != 3 {
		return receipt{}, errHandle(handle)
	}
	n, err := strconv.Atoi(parts[2])
	if err != nil {
		return receipt{}, errHandle(handle)
	}
	return receipt{queueID(parts[0]), messageKey(parts[1]), n}, nil
}

func (s *svc) receiptMAC(a address, text string) ([]byte, error) {
	key, err := s.receiptKey()
	if err != nil {
		return nil, err
	}
	h := hmac.New(sha256.New, key)
	h.Write([]byte(a.arn() + "\x00" + text))
	return h.Sum(nil)[:receiptMAC], nil
}
