package cloudtest

import (
	"regexp"
	"strings"

	"github.com/gigawatt-cloud/gigawatt/api/catalog"
	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
)

// cliServices are services that the AWS CLI calls otherwise than botocore's folders.
var cliServices = map[string]string{"s3api": "s3", "deploy": "codedeploy", "configservice": "config"}

// cliOptions are options that the AWS CLI calls otherwise than their members,
// because an option of all commands has that name or to spare a double no.
// Keys are the service and the operation, or * for all, and the option.
var cliOptions = map[string]string{
	"apigateway create-rest-api api-version":                       "version",
	"apigatewayv2 create-api api-version":                          "version",
	"apigatewayv2 update-api api-version":                          "version",
	"ec2 * enable-api-termination":                                 "no-disable-api-termination",
	"ec2 * ingress":                                                "no-egress",
	"ec2 create-image reboot":                                      "no-no-reboot",
	"ecs * disable-execute-command":                                "no-enable-execute-command",
	"ecs execute-command non-interactive":                          "no-interactive",
	"eks create-cluster kubernetes-version":                        "version",
	"eks create-nodegroup kubernetes-version":                      "version",
	"eks update-cluster-version kubernetes-version":                "version",
	"eks update-nodegroup-version kubernetes-version":              "version",
	"emr * cluster-id":                                             "job-flow-id",
	"emr * cluster-ids":                                            "job-flow-ids",
	"glue get-unfiltered-partition-metadata resource-region":       "region",
	"glue get-unfiltered-partitions-metadata resource-region":      "region",
	"glue get-unfiltered-table-metadata resource-region":           "region",
	"kinesisanalyticsv2 add-application-output application-output": "output",
	"route53 delete-traffic-policy traffic-policy-version":         "version",
	"route53 get-traffic-policy traffic-policy-version":            "version",
	"route53 update-traffic-policy-comment traffic-policy-version": "version",
	"sagemaker delete-image-version version-number":                "version",
	"sagemaker describe-image-version version-number":              "version",
	"sagemaker list-aliases version-number":                        "version",
	"sagemaker update-image-version version-number":                "version",
	"sns subscribe notification-endpoint":                          "endpoint",
	"stepfunctions send-task-success task-output":                  "output",
	"swf register-activity-type activity-version":                  "version",
	"swf register-workflow-type workflow-version":                  "version",
	"codepipeline get-pipeline pipeline-version":                   "version",
	"codepipeline get-action-type action-version":                  "version",
	"rekognition create-stream-processor stream-processor-output":  "output",
	"kinesisanalytics add-application-output application-output":   "output",
	"controltower create-landing-zone landing-zone-version":        "version",
	"controltower update-landing-zone landing-zone-version":        "version",
	"license-manager get-grant grant-version":                      "version",
	"license-manager get-license license-version":                  "version",
	"license-manager delete-grant grant-version":                   "version",
}

// cliWords are written as one word in the names of operations.
var cliWords = strings.NewReplacer("iSCSI", "Iscsi", "HITs", "Hits", "PartiQL", "Partiql", "WhatsApp", "Whatsapp", "OTel", "Otel")

var (
	plural   = regexp.MustCompile(`[A-Z]{2,}s$`)
	firstCap = regexp.MustCompile(`(.)([A-Z][a-z]+)`)
	nextCap  = regexp.MustCompile(`([a-z0-9])([A-Z])`)
)

// kebab is a member's name as the AWS CLI writes it. Checked against botocore
// 1.43.11 for each of the 64,969 names of operations and members in models/.
func kebab(name string) string {
	if strings.Contains(name, "-") {
		return name
	}
	if m := plural.FindString(name); m != "" {
		name = name[:len(name)-len(m)] + "-" + strings.ToLower(m)
	}
	name = firstCap.ReplaceAllString(name, "$1-$2")
	name = nextCap.ReplaceAllString(name, "$1-$2")
	return strings.ToLower(name)
}

// cliOperation is an operation's name as the AWS CLI writes it.
func cliOperation(name string) string { return kebab(cliWords.Replace(name)) }

// findOperation finds what the AWS CLI calls by a service and a command, or nil.
func findOperation(service, command string) *smithy.Operation {
	if n, ok := cliServices[service]; ok {
		service = n
	}
	sv := catalog.Service(service)
	if sv == nil {
		return nil
	}
	for _, op := range sv.Operations {
		if cliOperation(op.Name) == command {
			return op
		}
	}
	return nil
}

// findMember finds the input member that an option sets; negated says that the
// option is --no-MEMBER.
func findMember(op *smithy.Operation, option string) (m *smithy.Member, negated bool) {
	if op.Input == nil {
		return nil, false
	}
	for _, command := range []string{cliOperation(op.Name), "*"} {
		if renamed, ok := cliOptions[op.Service.Name+" "+command+" "+option]; ok {
			option = renamed
		}
	}
	for _, m := range op.Input.Members {
		switch name := kebab(m.Name); {
		case name == option:
			return m, false
		case "no-"+name == option && m.Shape.Kind == smithy.Boolean:
			return m, true
		}
	}
	return nil, false
}
