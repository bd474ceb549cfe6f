package service

import "time"

// Reply is what a service's Served is told of a request that was answered.
type Reply struct {
	// Line is the request's first line, such as "GET /bucket/key HTTP/1.1".
	Line string
	// Labels are what the request's path names, by the model's names and unescaped.
	Labels map[string]string
	// In and Out are the operation's input and output; nil when the request was
	// refused before it was decoded, or failed.
	In, Out any
	Status  int
	// Code is the error code that was answered, "" for none.
	Code      string
	BytesSent int64
	Duration  time.Duration
	HostID    string
	// SignatureVersion is "SigV4", "SigV2" or ""; AuthType is "AuthHeader",
	// "QueryString" or "".
	SignatureVersion, AuthType string
	// Cipher and TLSVersion are "" without TLS.
	Cipher, TLSVersion string
	// Website says that the bucket was served as a website.
	Website bool
}
