// Package accesslog is S3's server access logging: a bucket's configuration
// ([Config] is its stored form), and the lines and keys of the log objects.
// It is pure: the s3 package keeps the records until a job delivers them.
package accesslog

import (
	"strings"
	"time"

	"github.com/gigawatt-cloud/gigawatt/api/s3api"
	"github.com/gigawatt-cloud/gigawatt/aws/awserr"
)

// Config says where the log of a bucket goes.
type Config struct {
	Bucket string  `cbor:"bucket"`
	Prefix string  `cbor:"prefix"`
	Grants []Grant `cbor:"grants"`
	// Partition is "" for plain keys, or which date partitions them:
	// "EventTime" or "DeliveryTime".
	Partition string `cbor:"partition"`
	// Simple says that plain keys were asked for by name.
	Simple bool `cbor:"simple"`
}

// Grant lets somebody read the log objects or control them.
type Grant struct {
	Type       string `cbor:"type"`
	ID         string `cbor:"id"`
	URI        string `cbor:"uri"`
	Permission string `cbor:"permission"`
}

// The values of [Config]'s Partition.
const (
	EventTime    = "EventTime"
	DeliveryTime = "DeliveryTime"
)

func malformed() error {
	return awserr.New("MalformedXML", 400, "The XML you provided was not well-formed or did not validate against our published schema")
}

// Parse checks a configuration and returns its stored form.
func Parse(in *s3api.LoggingEnabled) (*Config, error) {
	if in.TargetBucket == "" {
		return nil, malformed()
	}
	c := &Config{Bucket: in.TargetBucket, Prefix: in.TargetPrefix}
	if f := in.TargetObjectKeyFormat; f != nil {
		p := f.PartitionedPrefix
		switch {
		case (p == nil) == (f.SimplePrefix == nil):
			return nil, malformed()
		case p == nil:
			c.Simple = true
		case p.PartitionDateSource == nil || *p.PartitionDateSource == DeliveryTime:
			c.Partition = DeliveryTime
		case *p.PartitionDateSource == EventTime:
			c.Partition = EventTime
		default:
			return nil, malformed()
		}
	}
	for i := range in.TargetGrants {
		g, err := grant(&in.TargetGrants[i])
		if err != nil {
			return nil, err
		}
		c.Grants = append(c.Grants, *g)
	}
	return c, nil
}

func grant(in *s3api.TargetGrant) (*Grant, error) {
	if in.Grantee == nil || in.Permission == nil {
		return nil, malformed()
	}
	g := &Grant{Type: in.Grantee.Type, Permission: *in.Permission}
	switch who := in.Grantee; {
	case g.Type == "CanonicalUser" && who.ID != nil && plain(*who.ID):
		g.ID = *who.ID
	case g.Type == "Group" && who.URI != nil && plain(*who.URI):
		g.URI = *who.URI
	case g.Type == "AmazonCustomerByEmail":
		return nil, awserr.New("UnresolvableGrantByEmailAddress", 400, "The e-mail address you provided does not match any account on record.")
	default:
		return nil, malformed()
	}
	switch g.Permission {
	case "FULL_CONTROL", "READ":
		return g, nil
	case "WRITE":
		return nil, awserr.New("NotImplemented", 501, "A log object cannot be written to: the permission WRITE of TargetGrants has no meaning in Gigawatt.")
	}
	return nil, malformed()
}

// plain reports whether a grantee fits in quotes in a header.
func plain(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\\' || r == ',' })
}

// Output is the configuration as the API returns it.
func Output(c *Config) *s3api.LoggingEnabled {
	out := &s3api.LoggingEnabled{TargetBucket: c.Bucket, TargetPrefix: c.Prefix}
	switch {
	case c.Partition != "":
		out.TargetObjectKeyFormat = &s3api.TargetObjectKeyFormat{PartitionedPrefix: &s3api.PartitionedPrefix{PartitionDateSource: &c.Partition}}
	case c.Simple:
		out.TargetObjectKeyFormat = &s3api.TargetObjectKeyFormat{SimplePrefix: &s3api.SimplePrefix{}}
	}
	for i := range c.Grants {
		g := &c.Grants[i]
		who := &s3api.Grantee{Type: g.Type}
		if g.ID != "" {
			who.ID = &g.ID
		} else {
			who.URI = &g.URI
		}
		out.TargetGrants = append(out.TargetGrants, s3api.TargetGrant{Grantee: who, Permission: &g.Permission})
	}
	return out
}

// Headers are the grants in the form of PutObject's headers.
func (c *Config) Headers() (fullControl, read *string) {
	var full, reads []string
	for _, g := range c.Grants {
		who := `uri="` + g.URI + `"`
		if g.ID != "" {
			who = `id="` + g.ID + `"`
		}
		if g.Permission == "READ" {
			reads = append(reads, who)
		} else {
			full = append(full, who)
		}
	}
	return join(full), join(reads)
}

func join(grantees []string) *string {
	if len(grantees) == 0 {
		return nil
	}
	s := strings.Join(grantees, ", ")
	return &s
}

// Source is the bucket whose log is delivered.
type Source struct {
	Account, Region, Bucket string
}

// Key names a log object that is delivered at a time; event is the time of its
// first record, and unique tells it from others of the same second.
func (c *Config) Key(src Source, delivered, event time.Time, unique string) string {
	const stamp = "2006-01-02-15-04-05-"
	t := delivered.UTC()
	if c.Partition == "" {
		return c.Prefix + t.Format(stamp) + unique
	}
	if c.Partition == EventTime {
		t = event.UTC().Truncate(24 * time.Hour)
	}
	return c.Prefix + src.Account + "/" + src.Region + "/" + src.Bucket + t.Format("/2006/01/02/") + t.Format(stamp) + unique
}
