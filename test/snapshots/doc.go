// Package snapshots decodes the golden requests that the modules of the AWS SDK
// for Go carry, one for each operation with every member set, and fails when
// one of them holds something that our models or codecs do not know.
//
// The modules are downloaded and never imported: compiling ec2 alone takes
// minutes. Start at TestRequests.
package snapshots
