// Package protocoltest runs the protocol test suites of others over our codecs.
//
// The suites are those of botocore and of smithy-lang/smithy. They are data and
// not part of this repository: the tests look for a folder
// shared/protocol-tests beside the repository, or where the variable
// GIGAWATT_PROTOCOL_TESTS says, and skip when there is none.
//
// A case either passes or is listed, with its reason, in
// testdata/exceptions.txt; a listed case that passes fails the test too. There
// is nothing here for other packages to import. Start at run_test.go.
package protocoltest
