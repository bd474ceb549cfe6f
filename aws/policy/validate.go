package policy

import (
	"fmt"
	"regexp"
	"strings"
)

var vendorChars = regexp.MustCompile(`^[a-zA-Z0-9.-]+$`)

// ValidateAction returns IAM's sentence about a pattern for actions that it
// refuses, or "".
func ValidateAction(text string) string {
	vendor, name, found := strings.Cut(text, ":")
	switch {
	case text == "*":
		return ""
	case !found:
		return reasonNoPrefix
	case strings.Contains(name, ":"):
		return reasonColons
	case vendor != "*" && !vendorChars.MatchString(vendor):
		return fmt.Sprintf("Vendor %s is not valid", vendor)
	default:
		return ""
	}
}

// partitions are AWS's, and "*" for all of them.
var partitions = map[string]bool{
	"aws": true, "aws-cn": true, "aws-us-gov": true, "aws-iso": true, "aws-iso-b": true,
	"aws-iso-e": true, "aws-iso-f": true, "aws-eusc": true, "*": true,
}

// iamPaths are the beginnings of resources of IAM.
var iamPaths = []string{
	"user/", "federated-user/", "role/", "group/", "instance-profile/", "mfa/", "server-certificate/", "policy/",
	"sms-mfa/", "saml-provider/", "oidc-provider/", "report/", "access-report/",
}

var variableText = regexp.MustCompile(`\$\{[^}]*\}`)

// hideVariables replaces variables, whose names have colons, by a character.
func hideVariables(text string) string {
	return variableText.ReplaceAllLiteralString(text, "$")
}

// wellFormed reports whether text is "*", or can be cut into an ARN's fields.
func wellFormed(text string) bool {
	text = hideVariables(text)
	fields := strings.Split(text, ":")
	if len(fields) < 3 || !partitions[fields[1]] {
		return true // refused more exactly by ValidateResource
	}
	if fields[2] == "" {
		return false
	}
	return len(fields) >= 6 || !strings.Contains(text, "::")
}

// ValidateResource returns IAM's sentence about a pattern for resources that it
// refuses in a document of kind k, or "". A field that is missing at the end is
// completed with "*".
func ValidateResource(text string, k Kind) string {
	if text == "*" {
		return ""
	}
	head, rest, found := strings.Cut(hideVariables(text), ":")
	if !found {
		return fmt.Sprintf("Resource %s must be in ARN format or \"*\".", text)
	}
	partition, rest, service := strings.Cut(rest, ":")
	if !partitions[partition] {
		return fmt.Sprintf("Partition %q is not valid for resource %q.", partition, completeARN(partition, rest))
	}
	if head != "arn" {
		return fmt.Sprintf("Resource %s must be in ARN format or \"*\".", text)
	}
	vendor, tail, _ := strings.Cut(rest, ":")
	if !service || vendor == "" || strings.ContainsAny(vendor, "*?") {
		return reasonVendor
	}
	region, tail, hasAccount := strings.Cut(tail, ":")
	_, resource, hasResource := strings.Cut(tail, ":")
	if !hasAccount || !hasResource || k.hasPrincipal() {
		return ""
	}
	switch vendor {
	case "iam":
		if region != "" {
			return fmt.Sprintf("IAM resource %s cannot contain region information.", text)
		}
		if !iamResource(resource) {
			return "IAM resource path must either be \"*\" or start with " + strings.Join(iamPaths, ", ") + "."
		}
	case "s3":
		if region != "" && !strings.HasPrefix(resource, "accesspoint/") {
			return fmt.Sprintf("Resource %s can not contain region information.", text)
		}
	}
	return ""
}

func iamResource(resource string) bool {
	if resource == "*" {
		return true
	}
	for _, path := range iamPaths {
		if strings.HasPrefix(resource, path) {
			return true
		}
	}
	return false
}

// completeARN writes a refused ARN as IAM quotes it.
func completeARN(partition, rest string) string {
	fields := [4]string{"*", "*", "*", "*"}
	for i, f := range strings.SplitN(rest, ":", 4) {
		if f != "" || i > 0 || strings.Contains(rest, ":") {
			fields[i] = f
		}
	}
	return "arn:" + partition + ":" + strings.Join(fields[:], ":")
}
