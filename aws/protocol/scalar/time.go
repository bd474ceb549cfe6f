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
	return t.UTC().AppendFormat(b, "2006-01-02T15:04:05.000Z")
}
