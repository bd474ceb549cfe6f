// Package timestamp reads and writes the three forms that timestamps have on
// the wires of AWS: date-time, seconds since the epoch, and HTTP dates.
//
// It is strict as AWS is: a date-time ends in Z, and no form stands in for
// another. Start at [Parse] and [Append].
package timestamp

import (
	"errors"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
)

// The first and last second that are accepted: the years 1 to 9999.
const (
	minSeconds = -62135596800
	maxSeconds = 253402300799
)

var (
	errFormat = errors.New("is not in the timestamp format of this member")
	errRange  = errors.New("is outside of the years 1 to 9999")
)

// Parse reads s in the format f, keeping fractions of a second to the
// nanosecond.
func Parse(f smithy.TimestampFormat, s string) (time.Time, error) {
	switch f {
	case smithy.UnixTimestamp:
		return ParseEpoch(s)
	case smithy.RFC822:
		t, err := time.Parse(http.TimeFormat, s)
		if err != nil {
			return time.Time{}, errFormat
		}
		return t.UTC(), nil
	}
	return parseDateTime(s)
}

// parseDateTime reads 2006-01-02T15:04:05[.fraction]Z.
func parseDateTime(s string) (time.Time, error) {
	const bare = len("2006-01-02T15:04:05")
	if len(s) <= bare || s[len(s)-1] != 'Z' || s[4] != '-' || s[7] != '-' || s[10] != 'T' || s[13] != ':' || s[16] != ':' {
		return time.Time{}, errFormat
	}
	year, ok1 := digits(s[0:4])
	month, ok2 := digits(s[5:7])
	day, ok3 := digits(s[8:10])
	hour, ok4 := digits(s[11:13])
	minute, ok5 := digits(s[14:16])
	sec, ok6 := digits(s[17:19])
	nanos, ok7 := fraction(s[bare : len(s)-1])
	if !(ok1 && ok2 && ok3 && ok4 && ok5 && ok6 && ok7) || hour > 23 || minute > 59 || sec > 60 {
		return time.Time{}, errFormat
	}
	t := time.Date(year, time.Month(month), day, hour, minute, min(sec, 59), nanos, time.UTC)
	if year == 0 || t.Month() != time.Month(month) || t.Day() != day {
		return time.Time{}, errFormat
	}
	return t, nil
}

func digits(s string) (n int, ok bool) {
	for i := range len(s) {
		c := s[i] - '0'
		if c > 9 {
			return 0, false
		}
		n = n*10 + int(c)
	}
	return n, len(s) > 0
}

// fraction reads "" or ".digits" as nanoseconds; further digits are dropped.
func fraction(s string) (nanos int, ok bool) {
	if s == "" {
		return 0, true
	}
	if s[0] != '.' || len(s) == 1 {
		return 0, false
	}
	scale := 100_000_000
	for i := 1; i < len(s); i++ {
		c := s[i] - '0'
		if c > 9 {
			return 0, false
		}
		nanos += int(c) * scale
		scale /= 10
	}
	return nanos, true
}

// ParseEpoch reads seconds since the epoch, a decimal number with an optional
// fraction and exponent.
func ParseEpoch(s string) (time.Time, error) {
	whole, neg := s, false
	if len(s) > 0 && s[0] == '-' {
		whole, neg = s[1:], true
	}
	end := 0
	for end < len(whole) && whole[end]-'0' <= 9 {
		end++
	}
	if end == 0 {
		return time.Time{}, errFormat
	}
	nanos, ok := fraction(whole[end:])
	if !ok {
		return parseExponent(s)
	}
	if end > 12 {
		return time.Time{}, errRange
	}
	sec, _ := digits(whole[:end])
	if neg {
		sec, nanos = -sec, -nanos
	}
	return fromSeconds(int64(sec), int64(nanos))
}

func parseExponent(s string) (time.Time, error) {
	for i := range len(s) {
		switch c := s[i]; {
		case c-'0' <= 9, c == '-', c == '+', c == '.', c == 'e', c == 'E':
		default:
			return time.Time{}, errFormat
		}
	}
	f, err := strconv.ParseFloat(s, 64)
	if errors.Is(err, strconv.ErrRange) {
		return time.Time{}, errRange
	}
	if err != nil {
		return time.Time{}, errFormat
	}
	return FromFloat(f)
}

// FromFloat makes a time of seconds since the epoch, rounded to the
// microsecond, which is what a float64 holds of a date of our days.
func FromFloat(f float64) (time.Time, error) {
	if math.IsNaN(f) || f < minSeconds || f > maxSeconds+1 {
		return time.Time{}, errRange
	}
	whole, frac := math.Modf(f)
	return fromSeconds(int64(whole), int64(math.Round(frac*1e6))*1000)
}

func fromSeconds(sec, nanos int64) (time.Time, error) {
	if sec < minSeconds || sec > maxSeconds {
		return time.Time{}, errRange
	}
	return time.Unix(sec, nanos).UTC(), nil
}

// Append writes t in the format f, as AWS does: milliseconds appear when they
// are not zero, and never in HTTP dates; finer fractions are dropped.
func Append(b []byte, f smithy.TimestampFormat, t time.Time) []byte {
	t = t.UTC()
	switch f {
	case smithy.UnixTimestamp:
		return appendEpoch(b, t)
	case smithy.RFC822:
		return t.AppendFormat(b, http.TimeFormat)
	}
	if t.Nanosecond() < 1_000_000 {
		return t.AppendFormat(b, "2006-01-02T15:04:05Z")
	}
	return t.AppendFormat(b, "2006-01-02T15:04:05.000Z")
}

func appendEpoch(b []byte, t time.Time) []byte {
	ms := t.UnixMilli()
	if ms < 0 {
		b, ms = append(b, '-'), -ms
	}
	b = strconv.AppendInt(b, ms/1000, 10)
	rest := ms % 1000
	if rest == 0 {
		return b
	}
	b = append(b, '.', byte('0'+rest/100))
	if rest %= 100; rest == 0 {
		return b
	}
	b = append(b, byte('0'+rest/10))
	if rest %= 10; rest == 0 {
		return b
	}
	return append(b, byte('0'+rest))
}

// Format is Append as a string.
func Format(f smithy.TimestampFormat, t time.Time) string { return string(Append(nil, f, t)) }
