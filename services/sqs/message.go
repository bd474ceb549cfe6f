package sqs

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/gigawatt-cloud/gigawatt/kv"
)

// instant is a point in time in microseconds since 1970: what messages and the
// index are ordered by.
type instant int64

func at(t time.Time) instant { return instant(t.UnixMicro()) }

func (i instant) time() time.Time { return time.UnixMicro(int64(i)).UTC() }

func (i instant) add(d time.Duration) instant { return i + instant(d.Microseconds()) }

// millis is how SQS writes time in the attributes of messages.
func (i instant) millis() int64 { return int64(i) / 1000 }

// messageKey names a message within its queue: when it was sent, so that the
// oldest is first, and its id.
type messageKey string

func newMessageKey(sent instant, id string) messageKey {
	return messageKey(fmt.Sprintf("%014x", int64(sent)) + strings.ReplaceAll(id, "-", ""))
}

// message is the stored form of a message, without large contents.
type message struct {
	ID     string  `cbor:"id"`
	Sent   instant `cbor:"sent"`
	Sender string  `cbor:"sender"`
	// VisibleAt is when it can be received.
	VisibleAt instant `cbor:"visible"`
	// ReceiveCount also tells the receipt handles of a message apart.
	ReceiveCount  int     `cbor:"count,omitempty"`
	FirstReceived instant `cbor:"first,omitempty"`
	LastReceived  instant `cbor:"last,omitempty"`
	// Held says that a consumer has it, or has had it and let the time run out.
	Held bool `cbor:"held,omitempty"`

	TraceHeader string `cbor:"trace,omitempty"`
	GroupID     string `cbor:"group,omitempty"`
	// DeduplicationID and Sequence are those of messages in FIFO queues.
	DeduplicationID string `cbor:"dedup,omitempty"`
	Sequence        uint64 `cbor:"seq,omitempty"`
	// DeadLetterSource is the ARN of the queue from which it came as a dead letter.
	DeadLetterSource string `cbor:"source,omitempty"`

	// Size is the length of body and attributes in bytes.
	Size int `cbor:"size"`
	// Contents are the encoded contents, unless they are Large, sealed for the
	// incarnation SealedFor unless that is "". They stay as they are when the
	// message moves to another queue.
	Contents  []byte  `cbor:"contents,omitempty"`
	Large     bool    `cbor:"large,omitempty"`
	SealedFor queueID `cbor:"sealed,omitempty"`
	// Origin is the id that the message had when it was sent, where that is another.
	Origin string `cbor:"origin,omitempty"`
}

// origin is the id under which the contents are sealed and stored.
func (m *message) origin() string {
	if m.Origin != "" {
		return m.Origin
	}
	return m.ID
}

func (m *message) key() messageKey { return newMessageKey(m.Sent, m.ID) }

// inFlight reports whether a consumer has the message.
func (m *message) inFlight(now instant) bool { return m.Held && m.VisibleAt > now }

// expired reports whether the queue's retention period is over for the message.
func (m *message) expired(q *queue, now instant) bool { return m.Sent.add(q.retention()) <= now }

// contents is what the consumer gets.
type contents struct {
	Body       string             `cbor:"b"`
	Attributes []messageAttribute `cbor:"a,omitempty"`
}

// large is the row of contents that are too long to be written again with
// every receive.
type large struct {
	Contents []byte `cbor:"c"`
}

// maxInline is how long contents may be to stay in the message's row.
const maxInline = 2048

var (
	messages      = kv.NewTable[message]("sqs/message", kv.Small()) // queueID, messageKey -> message
	largeContents = kv.NewTable[large]("sqs/contents")              // origin -> large
)

// setContents encodes contents into m, sealed for queue q if it wants that, and
// returns the row of large contents, nil for none.
func (s *svc) setContents(m *message, q *queue, c *contents) (*large, error) {
	b, err := cbor.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("encode a message: %w", err)
	}
	m.SealedFor = ""
	if q.SqsManagedSseEnabled {
		m.SealedFor = q.ID
		if b, err = s.seal(q.ID, m.origin(), b); err != nil {
			return nil, err
		}
	}
	m.Size = c.size()
	if len(b) <= maxInline {
		m.Contents = b
		return nil, nil
	}
	m.Large = true
	return &large{Contents: b}, nil
}

// readContents is the inverse of setContents. stored are the large contents, if any.
func (s *svc) readContents(m *message, stored *large) (*contents, error) {
	b := m.Contents
	if stored != nil {
		b = stored.Contents
	}
	if m.SealedFor != "" {
		var err error
		if b, err = s.open(m.SealedFor, m.origin(), b); err != nil {
			return nil, fmt.Errorf("open message %s: %w", m.ID, err)
		}
	}
	c := &contents{}
	if err := cbor.Unmarshal(b, c); err != nil {
		return nil, fmt.Errorf("decode message %s: %w", m.ID, err)
	}
	return c, nil
}

func (c *contents) size() int {
	n := len(c.Body)
	for i := range c.Attributes {
		n += c.Attributes[i].size()
	}
	return n
}

// addMessage puts a new message, whose large contents are stored already or
// not at all, into a queue and its index.
func (s *svc) addMessage(tx *kv.Tx, q *queue, m *message) error {
	if q.FifoQueue {
		return s.appendToGroup(tx, q, m)
	}
	if err := messages.Put(tx, m, q.ID, m.key()); err != nil {
		return err
	}
	return s.putIndex(tx, q.ID, entry{m.VisibleAt, string(m.key())}, m.Held)
}

// removeMessage takes a message out of its queue and keeps its large contents,
// which the caller moves or drops. For a FIFO queue the caller settles the group.
func (s *svc) removeMessage(tx *kv.Tx, q *queue, m *message) error {
	if err := messages.Delete(tx, q.ID, m.key()); err != nil {
		return err
	}
	if q.FifoQueue {
		return order.Delete(tx, q.ID, m.GroupID, m.Sequence)
	}
	return index.Delete(tx, q.ID, m.VisibleAt, string(m.key()))
}

// dropMessage removes a message for good.
func (s *svc) dropMessage(tx *kv.Tx, q *queue, m *message) error {
	if err := s.removeMessage(tx, q, m); err != nil {
		return err
	}
	return dropContents(tx, m)
}

func dropContents(tx *kv.Tx, m *message) error {
	if !m.Large {
		return nil
	}
	return largeContents.Delete(tx, m.origin())
}

// setVisibleAt changes when a message can be received. For a FIFO queue the
// caller settles the group.
func (s *svc) setVisibleAt(tx *kv.Tx, q *queue, m *message, t instant) error {
	before := m.VisibleAt
	m.VisibleAt = t
	if err := messages.Put(tx, m, q.ID, m.key()); err != nil || q.FifoQueue {
		return err
	}
	if before != t {
		if err := index.Delete(tx, q.ID, before, string(m.key())); err != nil {
			return err
		}
	}
	return s.putIndex(tx, q.ID, entry{t, string(m.key())}, m.Held)
}

// getMessage returns a message, or nil when there is none.
func getMessage(tx *kv.Tx, id queueID, key messageKey) (*message, error) {
	m, err := messages.Get(tx, id, key)
	if errors.Is(err, kv.ErrNotFound) {
		return nil, nil
	}
	return m, err
}
