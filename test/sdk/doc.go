// Package sdk takes one tour through a running cloud with each of AWS's own
// clients, unmodified: boto3, the AWS CLI, the SDK for JavaScript and the SDK
// for Go. The tour is the same for all: see steps. What is Terraform's is in
// terraform_test.go.
//
// A client is a program that is given the names of the steps and prints
// "ok STEP" after each. boto3 and the AWS CLI come from .tools/python, and the
// SDK for JavaScript from js/node_modules: `make clients` installs them. A
// client that is not installed is skipped, unless CI is set: then it fails.
// Without Node its tour is skipped. Start at TestTour.
package sdk
