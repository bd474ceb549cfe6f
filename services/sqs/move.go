package sqs

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/gigawatt-cloud/gigawatt/api/sqsapi"
	"github.com/gigawatt-cloud/gigawatt/aws/policy"
	"github.com/gigawatt-cloud/gigawatt/kv"
	"github.com/gigawatt-cloud/gigawatt/service"
)

// moveTask moves dead letters to where they came from, or to one queue.
type moveTask struct {
	ID             string     `cbor:"id"`
	SourceARN      string     `cbor:"source"`
	DestinationARN string     `cbor:"destination,omitempty"`
	PerSecond      int        `cbor:"rate,omitempty"`
	Status         moveStatus `cbor:"status"`
	Started        instant    `cbor:"started"`
	ToMove         int        `cbor:"toMove"`
	Moved          int        `cbor:"moved"`
	FailureReason  string     `cbor:"failure,omitempty"`
}

type moveStatus string

const (
	moveRunning   moveStatus = "RUNNING"
	moveCompleted moveStatus = "COMPLETED"
	moveCancelled moveStatus = "CANCELLED"
	moveFailed    moveStatus = "FAILED"
)

// moveTasks: account, region, source queue, when it started, id -> moveTask
var moveTasks = kv.NewTable[moveTask]("sqs/movetask", kv.Small())

const (
	moveJob = "sqs.move"
	// moveRows is how many messages one transaction moves, moveRun how many
	// one run of the job does without a limit to its rate.
	moveRows        = 50
	moveRun         = 2000
	maxMoveRate     = 500
	maxListedMoves  = 10
	keptMoves       = 20
	failedNoSource  = "CouldNotDetermineMessageSource"
	failedNoQueue   = queryPrefix + "NonExistentQueue"
	failedQueueType = "InvalidDestination"
)

func (t *moveTask) key(source address) []any { return append(source.key(), t.Started, t.ID) }

// taskHandle is the handle of a task: its id and source, base64.
func (t *moveTask) taskHandle() string {
	return base64.StdEncoding.EncodeToString([]byte(t.ID + " " + t.SourceARN))
}

func readTaskHandle(h string) (id, sourceARN string, err error) {
	b, err := base64.StdEncoding.DecodeString(h)
	id, sourceARN, ok := strings.Cut(string(b), " ")
	if err != nil || !ok || id == "" || !strings.HasPrefix(sourceARN, "arn:") {
		return "", "", errInvalidValue("Value for parameter TaskHandle is invalid.")
	}
	return id, sourceARN, nil
}

func errNoSource() error {
	return errNoResource("The resource that you specified for the SourceArn parameter doesn't exist.")
}

func needStartMessageMoveTask(c *service.Call, in *sqsapi.StartMessageMoveTaskInput) []policy.Need {
	n := needARN(c, "StartMessageMoveTask", in.SourceArn)
	for _, action := range []string{"ReceiveMessage", "DeleteMessage", "GetQueueAttributes"} {
		n = append(n, needARN(c, action, in.SourceArn)...)
	}
	if in.DestinationArn != nil {
		n = append(n, needARN(c, "SendMessage", *in.DestinationArn)...)
	}
	return n
}

func (s *svc) startMessageMoveTask(ctx context.Context, c *service.Call, in *sqsapi.StartMessageMoveTaskInput) (*sqsapi.StartMessageMoveTaskOutput, error) {
	a, err := addressOfARN(in.SourceArn)
	if err != nil {
		return nil, err
	}
	if err := own(c, a); err != nil {
		return nil, err
	}
	if n := in.MaxNumberOfMessagesPerSecond; n != nil && (*n < 1 || *n > maxMoveRate) {
		return nil, errParameter("MaxNumberOfMessagesPerSecond", *n, "Must be between 1 and %d, if provided.", maxMoveRate)
	}
	t := &moveTask{
		ID: c.IDs.UUID(), SourceARN: a.arn(), DestinationARN: value(in.DestinationArn), Status: moveRunning,
		PerSecond: int(value(in.MaxNumberOfMessagesPerSecond)), Started: at(c.Now),
	}
	if t.ToMove, err = s.movable(ctx, c, a); err != nil {
		return nil, err
	}
	err = c.Update(ctx, func(tx *kv.Tx) error {
		if err := checkMove(tx, a, t); err != nil {
			return err
		}
		if err := moveTasks.Put(tx, t, t.key(a)...); err != nil {
			return err
		}
		return service.Enqueue(tx, &service.Job{
			Kind: moveJob, ID: t.ID, Account: c.Account, Region: c.Region, RunAt: c.Now, Payload: []byte(t.taskHandle()),
		})
	})
	if err != nil {
		return nil, err
	}
	h := t.taskHandle()
	return &sqsapi.StartMessageMoveTaskOutput{TaskHandle: &h}, nil
}

// movable counts the messages that a task finds.
func (s *svc) movable(ctx context.Context, c *service.Call, a address) (n int, err error) {
	err = c.View(ctx, func(tx *kv.Tx) error {
		q, err := queues.Get(tx, a.key()...)
		if errors.Is(err, kv.ErrNotFound) {
			return errNoSource()
		}
		if err != nil {
			return err
		}
		all, err := countMessages(tx, q, 0, at(c.Now))
		if err == nil {
			n = all.visible
		}
		return err
	})
	return n, err
}

// checkMove refuses tasks that cannot run, and forgets old ones of the source.
func checkMove(tx *kv.Tx, a address, t *moveTask) error {
	source, err := queues.Get(tx, a.key()...)
	if err != nil {
		if errors.Is(err, kv.ErrNotFound) {
			return errNoSource()
		}
		return err
	}
	isDLQ := false
	for _, err := range sources.Scan(tx, kv.Scan{Prefix: a.key(), Limit: 1}) {
		if err != nil {
			return err
		}
		isDLQ = true
	}
	if !isDLQ {
		return errInvalidValue("Source queue must be configured as a Dead Letter Queue.")
	}
	if t.DestinationARN != "" {
		d, err := destination(tx, t.DestinationARN)
		switch {
		case err != nil:
			return err
		case d == nil:
			return errNoResource("The resource that you specified for the DestinationArn parameter doesn't exist.")
		case d.FifoQueue != source.FifoQueue:
			return errInvalidValue("Source and destination must be queues of the same type.")
		case d.Account != a.Account || d.Region != a.Region:
			return errInvalidValue("Source and destination must be queues of the same account and region.")
		case d.ID == source.ID:
			return errInvalidValue("Source and destination must be different queues.")
		}
	}
	n := 0
	for row, err := range moveTasks.Scan(tx, kv.Scan{Prefix: a.key(), Reverse: true}) {
		if err != nil {
			return err
		}
		if row.Value.Status == moveRunning {
			return errInvalidValue("There is already a task running. Only one active task is allowed for a source queue arn at a given time.")
		}
		if n++; n >= keptMoves {
			if err := moveTasks.Delete(tx, row.Value.key(a)...); err != nil {
				return err
			}
		}
	}
	return nil
}

// dropMoveTasks forgets the tasks of a source that is deleted.
func dropMoveTasks(tx *kv.Tx, a address) error {
	for row, err := range moveTasks.Scan(tx, kv.Scan{Prefix: a.key()}) {
		if err != nil {
			return err
		}
		if err := service.Cancel(tx, moveJob, row.Value.ID); err != nil {
			return err
		}
		if err := moveTasks.Delete(tx, row.Value.key(a)...); err != nil {
			return err
		}
	}
	return nil
}

// destination returns the queue with an ARN, nil for none.
func destination(tx *kv.Tx, queueARN string) (*queue, error) {
	a, err := addressOfARN(queueARN)
	if err != nil {
		return nil, err
	}
	q, err := queues.Get(tx, a.key()...)
	return q, ignoreNotFound(err)
}

// findMove returns a task by its handle and its source's address.
func findMove(tx *kv.Tx, handle string) (*moveTask, address, error) {
	id, sourceARN, err := readTaskHandle(handle)
	if err != nil {
		return nil, address{}, err
	}
	a, err := addressOfARN(sourceARN)
	if err != nil {
		return nil, a, err
	}
	if _, err := queues.Get(tx, a.key()...); err != nil {
		if errors.Is(err, kv.ErrNotFound) {
			return nil, a, errNoSource()
		}
		return nil, a, err
	}
	for row, err := range moveTasks.Scan(tx, kv.Scan{Prefix: a.key(), Reverse: true}) {
		if err != nil {
			return nil, a, err
		}
		if row.Value.ID == id {
			return row.Value, a, nil
		}
	}
	return nil, a, errNoResource("Task does not exist.")
}

func needListMessageMoveTasks(c *service.Call, in *sqsapi.ListMessageMoveTasksInput) []policy.Need {
	return needARN(c, "ListMessageMoveTasks", in.SourceArn)
}

func (s *svc) listMessageMoveTasks(ctx context.Context, c *service.Call, in *sqsapi.ListMessageMoveTasksInput) (*sqsapi.ListMessageMoveTasksOutput, error) {
	a, err := addressOfARN(in.SourceArn)
	if err != nil {
		return nil, err
	}
	if err := own(c, a); err != nil {
		return nil, err
	}
	limit := 1
	if n := in.MaxResults; n != nil {
		if *n < 1 || *n > maxListedMoves {
			return nil, errParameter("MaxResults", *n, "Must be between 1 and %d, if provided.", maxListedMoves)
		}
		limit = int(*n)
	}
	out := &sqsapi.ListMessageMoveTasksOutput{}
	err = c.View(ctx, func(tx *kv.Tx) error {
		if _, err := queues.Get(tx, a.key()...); err != nil {
			if errors.Is(err, kv.ErrNotFound) {
				return errNoSource()
			}
			return err
		}
		for row, err := range moveTasks.Scan(tx, kv.Scan{Prefix: a.key(), Reverse: true, Limit: limit}) {
			if err != nil {
				return err
			}
			out.Results = append(out.Results, row.Value.write())
		}
		return nil
	})
	return out, err
}

// write turns a task into the API's shape. Only a running task has a handle.
func (t *moveTask) write() sqsapi.ListMessageMoveTasksResultEntry {
	status, started, moved, toMove := string(t.Status), t.Started.millis(), int64(t.Moved), int64(t.ToMove)
	out := sqsapi.ListMessageMoveTasksResultEntry{
		Status: &status, SourceArn: &t.SourceARN, StartedTimestamp: &started,
		ApproximateNumberOfMessagesMoved: &moved, ApproximateNumberOfMessagesToMove: &toMove,
	}
	if t.Status == moveRunning {
		h := t.taskHandle()
		out.TaskHandle = &h
	}
	if t.DestinationARN != "" {
		out.DestinationArn = &t.DestinationARN
	}
	if t.PerSecond > 0 {
		n := int32(t.PerSecond)
		out.MaxNumberOfMessagesPerSecond = &n
	}
	if t.FailureReason != "" {
		out.FailureReason = &t.FailureReason
	}
	return out
}

func needCancelMessageMoveTask(c *service.Call, in *sqsapi.CancelMessageMoveTaskInput) []policy.Need {
	_, sourceARN, _ := readTaskHandle(in.TaskHandle) // the handler refuses a bad one
	return needARN(c, "CancelMessageMoveTask", sourceARN)
}

func (s *svc) cancelMessageMoveTask(ctx context.Context, c *service.Call, in *sqsapi.CancelMessageMoveTaskInput) (*sqsapi.CancelMessageMoveTaskOutput, error) {
	var moved int64
	err := c.Update(ctx, func(tx *kv.Tx) error {
		t, a, err := findMove(tx, in.TaskHandle)
		if err != nil {
			return err
		}
		if err := own(c, a); err != nil {
			return err
		}
		if t.Status != moveRunning {
			return errInvalidValue("Only active tasks can be cancelled: the task is %s.", t.Status)
		}
		moved = int64(t.Moved)
		t.Status = moveCancelled
		if err := service.Cancel(tx, moveJob, t.ID); err != nil {
			return err
		}
		return moveTasks.Put(tx, t, t.key(a)...)
	})
	if err != nil {
		return nil, err
	}
	return &sqsapi.CancelMessageMoveTaskOutput{ApproximateNumberOfMessagesMoved: &moved}, nil
}

// move runs a task: as many messages as its rate allows in a second, or a good
// number, then it is run again.
func (s *svc) move(ctx context.Context, c *service.Call, j *service.Job) (time.Time, error) {
	quota, pause := moveRun, time.Duration(0)
	for moved := 0; moved < quota; {
		n, t, err := s.moveSome(ctx, c, string(j.Payload), quota-moved)
		if err != nil {
			return time.Time{}, fmt.Errorf("move messages: %w", err)
		}
		if t == nil || t.Status != moveRunning {
			return time.Time{}, nil
		}
		if t.PerSecond > 0 {
			quota, pause = t.PerSecond, time.Second
		}
		moved += n
	}
	return c.Now.Add(pause), nil
}

// moveSome moves some messages in one transaction, which also says so in the
// task: a run that is repeated after a crash goes on from there.
func (s *svc) moveSome(ctx context.Context, c *service.Call, handle string, quota int) (n int, t *moveTask, err error) {
	var found []entry
	var source *queue
	err = c.View(ctx, func(tx *kv.Tx) error {
		var a address
		if t, a, err = findMove(tx, handle); err != nil {
			return err
		}
		source, err = getQueue(tx, a)
		return err
	})
	if err != nil {
		return 0, nil, ignoreAWS(err) // the source was deleted, and its tasks with it
	}
	if t.PerSecond > 0 {
		quota = min(quota, t.PerSecond)
	}
	want := max(min(quota, moveRows, t.ToMove-t.Moved), 0)
	l := s.liveOf(source.ID)
	if want > 0 {
		if found, _, err = l.find(ctx, c.Frame.DB, source.ID, s.env.Clock.Now(), want); err != nil {
			return 0, nil, err
		}
	}
	defer l.release(found)
	err = c.Update(ctx, func(tx *kv.Tx) (err error) {
		n, t, err = s.moveFound(tx, handle, source.ID, found, want)
		return err
	})
	return n, t, err
}

func (s *svc) moveFound(tx *kv.Tx, handle string, id queueID, found []entry, want int) (int, *moveTask, error) {
	t, a, err := findMove(tx, handle)
	if err != nil {
		return 0, nil, ignoreAWS(err)
	}
	if t.Status != moveRunning {
		return 0, t, nil
	}
	q, err := getQueue(tx, a)
	if err != nil {
		return 0, nil, err
	}
	mv := &mover{s: s, tx: tx, task: t, source: q, want: want, now: at(s.env.Clock.Now())}
	if q.ID == id {
		for _, e := range found {
			if err := mv.entry(e); err != nil {
				return 0, nil, err
			}
		}
	}
	t.Moved += mv.n
	if t.Status == moveRunning && (len(found) == 0 || t.Moved >= t.ToMove) {
		t.Status = moveCompleted
	}
	return mv.n, t, moveTasks.Put(tx, t, t.key(a)...)
}
