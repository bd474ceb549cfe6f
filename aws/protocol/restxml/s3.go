package restxml

import (
	"reflect"
	"unicode/utf8"

	"github.com/gigawatt-cloud/gigawatt/aws/protocol"
	"github.com/gigawatt-cloud/gigawatt/aws/protocol/xmlcodec"
	"github.com/gigawatt-cloud/gigawatt/aws/smithy"
)

func isS3(op *smithy.Operation) bool { return op.Service != nil && op.Service.Name == "s3" }

// payloadText stores a body that is a string.
func payloadText(v reflect.Value, b []byte) error {
	if !utf8.Valid(b) {
		return protocol.Malformed("The body is not valid UTF-8.")
	}
	smithy.SetString(v, string(b))
	return nil
}

// namespaces are those of the responses, which the models do not name.
var namespaces = map[string]string{
	"s3":         "http://s3.amazonaws.com/doc/2006-03-01/",
	"s3control":  "http://awss3control.amazonaws.com/doc/2018-08-20/",
	"route53":    "https://route53.amazonaws.com/doc/2013-04-01/",
	"cloudfront": "http://cloudfront.amazonaws.com/doc/2020-05-31/",
}

func serviceNamespace(sv *smithy.Meta) string {
	if sv.XMLNamespace != "" {
		return sv.XMLNamespace
	}
	return namespaces[sv.Name]
}

// roots are the root elements of S3's responses that are not named like their
// shapes. The models leave them out because no client looks at them; other tools do.
var roots = map[string]string{
	"CompleteMultipartUpload":                    "CompleteMultipartUploadResult",
	"CreateMultipartUpload":                      "InitiateMultipartUploadResult",
	"CreateSession":                              "CreateSessionResult",
	"DeleteObjects":                              "DeleteResult",
	"GetBucketAccelerateConfiguration":           "AccelerateConfiguration",
	"GetBucketAcl":                               "AccessControlPolicy",
	"GetBucketCors":                              "CORSConfiguration",
	"GetBucketLifecycle":                         "LifecycleConfiguration",
	"GetBucketLifecycleConfiguration":            "LifecycleConfiguration",
	"GetBucketLogging":                           "BucketLoggingStatus",
	"GetBucketNotification":                      "NotificationConfiguration",
	"GetBucketRequestPayment":                    "RequestPaymentConfiguration",
	"GetBucketTagging":                           "Tagging",
	"GetBucketVersioning":                        "VersioningConfiguration",
	"GetBucketWebsite":                           "WebsiteConfiguration",
	"GetObjectAcl":                               "AccessControlPolicy",
	"GetObjectAttributes":                        "GetObjectAttributesResponse",
	"GetObjectTagging":                           "Tagging",
	"ListBucketAnalyticsConfigurations":          "ListBucketAnalyticsConfigurationResult",
	"ListBucketIntelligentTieringConfigurations": "ListBucketIntelligentTieringConfigurationsOutput",
	"ListBucketInventoryConfigurations":          "ListInventoryConfigurationsResult",
	"ListBucketMetricsConfigurations":            "ListMetricsConfigurationsResult",
	"ListBuckets":                                "ListAllMyBucketsResult",
	"ListDirectoryBuckets":                       "ListAllMyDirectoryBucketsResult",
	"ListMultipartUploads":                       "ListMultipartUploadsResult",
	"ListObjectVersions":                         "ListVersionsResult",
	"ListObjects":                                "ListBucketResult",
	"ListObjectsV2":                              "ListBucketResult",
	"ListParts":                                  "ListPartsResult",
}

// rootName is the root element of an output that is the body.
func rootName(op *smithy.Operation) string {
	if op.Output.XMLName != "" {
		return op.Output.XMLName
	}
	if isS3(op) {
		if name := roots[op.Name]; name != "" {
			return name
		}
	}
	return op.Output.Name
}

// location writes GetBucketLocation's answer, whose one member is the root.
func location(op *smithy.Operation, v reflect.Value, resp *protocol.Response) error {
	const name = "LocationConstraint"
	return document(resp, true, func(w *xmlcodec.Writer) {
		w.Open(name, namespace(&op.Service.Meta, smithy.XMLNamespace{}))
		if v.IsValid() {
			if e, ok := smithy.Get(v, op.Output.Member(name)); ok {
				w.Text(e.String())
			}
		}
		w.Close(name)
	})
}
