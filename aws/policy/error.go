package policy

import "fmt"

// SyntaxError says why a document is not a policy. IAM answers it as
// MalformedPolicyDocument; S3, SQS and others have codes and sentences of
// their own, chosen by Element.
type SyntaxError struct {
	// Element is the policy element at fault: "Version", "Statement", "Sid",
	// "Effect", "Action", "Resource", "Principal" or "Condition"; "" when the
	// document is not JSON or its shape is wrong.
	Element string
	// Statement is the index of the statement at fault, or -1.
	Statement int
	// Reason is IAM's sentence for the caller.
	Reason string
	// Detail says more for logs and tests; "" when Reason says it all.
	Detail string
}

// Error implements error with IAM's sentence.
func (e *SyntaxError) Error() string { return e.Reason }

// The sentences that IAM uses for whole classes of mistakes.
const (
	reasonSyntax     = "Syntax errors in policy."
	reasonLegacy     = "The policy failed legacy parsing"
	reasonVersion    = "Policy document must be version 2012-10-17 or greater."
	reasonSIDUnique  = "Statement IDs (SID) in a single policy must be unique."
	reasonSIDChars   = "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*"
	reasonNoAction   = "Policy statement must contain actions."
	reasonNoResource = "Policy statement must contain resources."
	reasonNoPrefix   = "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."
	reasonColons     = "Actions/Condition can contain only one colon."
	reasonPrincipal  = "Policy document should not specify a principal."
	reasonTrustSTS   = "AssumeRole policy may only specify STS AssumeRole actions."
	reasonVendor     = "Resource vendor must be fully qualified and cannot contain regexes."
)

func syntaxf(element string, statement int, format string, args ...any) *SyntaxError {
	return &SyntaxError{
		Element: element, Statement: statement, Reason: reasonSyntax,
		Detail: fmt.Sprintf(format, args...),
	}
}

func reasonf(element string, statement int, format string, args ...any) *SyntaxError {
	return &SyntaxError{Element: element, Statement: statement, Reason: fmt.Sprintf(format, args...)}
}

func legacyf(element string, statement int, format string, args ...any) *SyntaxError {
	e := syntaxf(element, statement, format, args...)
	e.Reason = reasonLegacy
	return e
}
