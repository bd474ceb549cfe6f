// Package policy is the IAM policy language and its evaluation: it reads a
// policy document, refuses what IAM refuses, compiles the rest into matchers,
// and decides whether a request is allowed.
//
// It is pure: no clock, no store, no network. It does not know which policies
// belong to whom; the gateway collects those into a [Set]. It knows no service
// either: the operation says what it [Need]s, and a service that has stricter
// rules for its resource policies (S3 wants the bucket's own ARN, say) checks
// them on the [Document].
//
// Start with [Parse] and [Evaluate]; a [Decision] says which statements decided
// and, through [Decision.Message], what AWS would tell the caller. The order of
// the layers is in decide.go, the condition operators in operator.go, and the
// cases that pin them, each with its rule, in testdata.
package policy
