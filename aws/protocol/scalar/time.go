package scalar

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
)

// The seconds of years 0001 to 9999: what every format can write.
const (
	minSeconds = -62135596800
	maxSeconds = 253402300799
)

// ParseTime reads a timestamp; ok is false when s is not in format f. An
// ISO8601 time carries a Z or a numeric offset and any number of fractional digits.
func ParseTime(s string, f smithy.TimestampFormat) (t time.Time, ok bool) {
	switch f {
	case smithy.UnixTimestamp:
		return parseEpoch(s)
	case smithy.RFC822:
		t, err := http.ParseTime(s)
		if err != nil {
			t, err = time.Parse(time.RFC1123Z, s)
		}
		return t.UTC(), err == nil
	}
	// The layout also takes single digits and a comma, which RFC 3339 does not.
	if len(s) < len("2006-01-02T15:04:05Z") || s[13] != ':' || s[16] != ':' || s[19] == ',' {
		return time.Time{}, false
	}
	t, err := time.Parse(time.RFC3339, s)
	return t.UTC(), err == nil && inRange(t)
}

func inRange(t time.Time) bool {
	s := t.Unix()
	return s >= minSeconds && s <= maxSeconds
}

// parseEpoch reads seconds with a fraction to the nanosecond, without the
// rounding of a float.
func parseEpoch(s string) (time.Time, bool) {
	whole, frac, dotted := strings.Cut(s, ".")
	sec, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || sec < minSeconds || sec > maxSeconds || dotted && frac == "" {
		return time.Time{}, false
	}
	var nano int64
	for i, scale := 0, int64(1e8); i < len(frac); i, scale = i+1, scale/10 {
		if frac[i] < '0' || frac[i] > '9' {
			return time.Time{}, false
		}
		nano += int64(frac[i]-'0') * scale
	}
	if strings.HasPrefix(whole, "-") {
		nano = -nano
	}
	return time.Unix(sec, nano).UTC(), true
}

// AppendTime writes t to b in format f: ISO8601 in UTC with three decimals when
// they are not all zero, epoch seconds with up to three decimals, or an HTTP date.
func AppendTime(b []byte, t time.Time, f smithy.TimestampFormat) []byte {
	t = t.UTC()
	switch {
	case f == smithy.RFC822:
		return t.AppendFormat(b, http.TimeFormat)
	case f == smithy.UnixTimestamp:
		return appendEpoch(b, t.UnixMilli())
	case t.Nanosecond() < 1e6:
		return t.AppendFormat(b, "2006-01-02T15:04:05Z")
	}
	return AppendMillis(b, t)
}

func appendEpoch(b []byte, ms int64) []byte {
	if ms < 0 {
		b, ms = append(b, '-'), -ms
	}
	b = strconv.AppendInt(b, ms/1000, 10)
	if ms %= 1000; ms == 0 {
		return b
	}
	b = append(b, '.', byte('0'+ms/100), byte('0'+ms/10%10), byte('0'+ms%10))
	for b[len(b)-1] == '0' {
		b = b[:len(b)-1]
	}
	return b
}

// AppendMillis writes t to b in ISO8601 with exactly three decimals, as
// Amazon S3 and Amazon EC2 do.
func AppendMillis(b []byte, t time.Time) []byte {
	return t.UTC().AppendFormat(b, "2006-01-02T15:04:05.000Z")
}
