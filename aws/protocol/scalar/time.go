package scalar

import (
	"net/http"
	"strings"
	"time"

	"github.com/gigawatt-cloud/gigawatt/aws/protocol/timestamp"
	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
)

// ParseTime reads a timestamp; ok is false when s is not in format f. It is
// wider than package timestamp where HTTP or the services are: it takes the
// obsolete forms of HTTP dates, and date-times with a numeric offset.
func ParseTime(s string, f smithy.TimestampFormat) (t time.Time, ok bool) {
	t, err := timestamp.Parse(f, s)
	if err == nil {
		return t, true
	}
	switch f {
	case smithy.RFC822:
		if t, err = http.ParseTime(s); err != nil {
			t, err = time.Parse(time.RFC1123Z, s)
		}
	case smithy.ISO8601:
		// The layout alone also takes single digits and a comma.
		if len(s) < len("2006-01-02T15:04:05Z") || s[13] != ':' || s[16] != ':' || strings.Contains(s, ",") {
			return time.Time{}, false
		}
		t, err = time.Parse(time.RFC3339, s)
	}
	return t.UTC(), err == nil && t.Year() >= 1 && t.Year() <= 9999
}

// AppendMillis writes t to b in ISO8601 with exactly three decimals, as
// Amazon S3 and Amazon EC2 do.
func AppendMillis(b []byte, t time.Time) []byte {
	t = t.UTC()
	year, month, day := t.Date()
	if year < 0 || year > 9999 {
		return t.AppendFormat(b, "2006-01-02T15:04:05.000Z")
	}
	hour, minute, second := t.Clock()
	b = append(two(two(b, year/100), year%100), '-')
	b = append(two(b, int(month)), '-')
	b = append(two(b, day), 'T')
	b = append(two(b, hour), ':')
	b = append(two(b, minute), ':')
	b = append(two(b, second), '.')
	ms := t.Nanosecond() / 1e6
	return append(two(append(b, byte('0'+ms/100)), ms%100), 'Z')
}

// two writes a number below 100.
func two(b []byte, n int) []byte { return append(b, byte('0'+n/10), byte('0'+n%10)) }
