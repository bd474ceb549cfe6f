package sqs

import (
	"net/url"
	"regexp"
	"strings"

	"github.com/gigawatt-cloud/gigawatt/aws/arn"
	"github.com/gigawatt-cloud/gigawatt/service"
)

// queueName is the name of a queue within its account and region.
type queueName string

const fifoSuffix = ".fifo"

// address is what a queue URL and a queue ARN tell: which queue is meant.
type address struct {
	Account arn.AccountID
	Region  string
	Name    queueName
}

func (a address) key() []any { return []any{a.Account, a.Region, a.Name} }

func (a address) arn() string { return arn.New("sqs", a.Region, a.Account, string(a.Name)).String() }

// url is the queue's URL on the host that the caller used.
func (a address) url(c *service.Call) string {
	scheme, host := c.Transport.Scheme, c.Transport.Host
	if host == "" { // a call from inside
		scheme, host = "http", "sqs."+a.Region+".localhost.gigawatt.cloud"
	}
	return scheme + "://" + host + "/" + string(a.Account) + "/" + string(a.Name)
}

// addressOf reads a queue URL. Only its path counts, so that a queue is found
// under every host that leads here; the region is the call's. A bare name means
// a queue of the caller. Without a URL the request's own path is the queue's:
// the oldest SDKs send requests there.
func addressOf(c *service.Call, queueURL string) (address, error) {
	path := queueURL
	if queueURL == "" {
		path = c.Transport.Path
	}
	if u, err := url.Parse(path); err == nil {
		path = u.Path
	}
	parts := strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
	a := address{Account: c.Account, Region: c.Region}
	switch n := len(parts); {
	case n == 0 && queueURL == "":
		return a, errMissing("QueueUrl")
	case n == 0:
		return a, errAddress(queueURL)
	case n == 1:
		a.Name = queueName(parts[0])
	default:
		a.Account, a.Name = arn.AccountID(parts[n-2]), queueName(parts[n-1])
	}
	if !a.Account.Valid() || !validName(a.Name) {
		return a, errAddress(queueURL)
	}
	return a, nil
}

// addressOfARN reads a queue ARN.
func addressOfARN(s string) (address, error) {
	p, err := arn.Parse(s)
	if err != nil || p.Service != "sqs" || !p.AccountID.Valid() {
		return address{}, errInvalidValue("%q is not the ARN of a queue: its form is arn:partition:sqs:region:account-id:queue-name.", s)
	}
	return address{Account: p.AccountID, Region: p.Region, Name: queueName(p.Resource)}, nil
}

const maxName = 80

var nameForm = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

func validName(n queueName) bool {
	return len(n) <= maxName && nameForm.MatchString(strings.TrimSuffix(string(n), fifoSuffix))
}

// checkName holds a new queue's name against the rules of its type.
func checkName(n queueName, fifo bool) error {
	switch {
	case n == "":
		return errMissing("QueueName")
	case validName(n) && strings.HasSuffix(string(n), fifoSuffix) == fifo:
		return nil
	case fifo:
		return errInvalidValue("The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end with .fifo suffix and be 1 to 80 in length.")
	}
	return errInvalidValue("Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length")
}
