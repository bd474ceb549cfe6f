package policy

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// parseDate reads a count of seconds since 1970, or the forms of ISO 8601 that
// IAM takes: a date, whole or cut short, and a time, with or without a zone.
func parseDate(s string) (time.Time, error) {
	bad := fmt.Errorf("%q is not a date", s)
	if !strings.ContainsAny(s, "tT-") {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil || n < 0 {
			return time.Time{}, bad
		}
		return time.Unix(n, 0).UTC(), nil
	}
	date, clock, _ := strings.Cut(strings.ToUpper(s), "T")
	y, m, d, err := parseDay(date)
	if err != nil {
		return time.Time{}, bad
	}
	clock, zone, err := cutZone(clock)
	if err != nil {
		return time.Time{}, bad
	}
	within, err := parseClock(clock)
	if err != nil {
		return time.Time{}, bad
	}
	return time.Date(y, time.Month(m), d, 0, 0, 0, 0, time.UTC).Add(within - zone), nil
}

var errField = errors.New("field of a date out of range")

// field reads an unsigned decimal of at most two digits, at most limit.
func field(s string, least, limit int) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || len(s) > 2 || s[0] == '+' || s[0] == '-' || n < least || n > limit {
		return 0, errField
	}
	return n, nil
}

func parseDay(s string) (y, m, d int, err error) {
	rest, before := strings.CutPrefix(s, "-")
	parts := strings.Split(rest, "-")
	y, err = strconv.Atoi(parts[0])
	if err != nil || y < 0 || y > 292278993 || len(parts) > 3 || parts[0][0] == '+' {
		return 0, 0, 0, errField
	}
	if before {
		y = -y
	}
	m, d = 1, 1
	if len(parts) > 1 {
		if m, err = field(parts[1], 1, 12); err != nil {
			return 0, 0, 0, err
		}
	}
	if len(parts) > 2 {
		if d, err = field(parts[2], 1, 31); err != nil {
			return 0, 0, 0, err
		}
	}
	return y, m, d, nil
}

// cutZone splits "12:00:00+01:00" into the time and how far ahead of UTC it is.
func cutZone(s string) (clock string, ahead time.Duration, err error) {
	if clock, ok := strings.CutSuffix(s, "Z"); ok {
		return clock, 0, nil
	}
	i := strings.IndexAny(s, "+-")
	if i < 0 {
		return s, 0, nil
	}
	hours, minutes, found := strings.Cut(s[i+1:], ":")
	h, err := field(hours, 0, 23)
	if err != nil || len(hours) != 2 {
		return "", 0, errField
	}
	m := 0
	if found {
		if m, err = field(minutes, 0, 59); err != nil || len(minutes) != 2 {
			return "", 0, errField
		}
	}
	ahead = time.Duration(h)*time.Hour + time.Duration(m)*time.Minute
	if s[i] == '-' {
		ahead = -ahead
	}
	return s[:i], ahead, nil
}

func parseClock(s string) (time.Duration, error) {
	if s == "" {
		return 0, nil
	}
	parts := strings.Split(s, ":")
	if len(parts) > 3 {
		return 0, errField
	}
	h, err := field(parts[0], 0, 23)
	if err != nil {
		return 0, err
	}
	d := time.Duration(h) * time.Hour
	if len(parts) > 1 {
		m, err := field(parts[1], 0, 59)
		if err != nil {
			return 0, err
		}
		d += time.Duration(m) * time.Minute
	}
	if len(parts) > 2 {
		whole, fraction, found := strings.Cut(parts[2], ".")
		sec, err := field(whole, 0, 59)
		if err != nil {
			return 0, err
		}
		d += time.Duration(sec) * time.Second
		if found {
			n, err := strconv.ParseUint((fraction + "000000000")[:9], 10, 64)
			if err != nil || fraction == "" || len(fraction) > 9 {
				return 0, errField
			}
			d += time.Duration(n)
		}
	}
	return d, nil
}
